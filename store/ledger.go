package store

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ledger holds coverage changes in order.
type ledger struct {
	changes []Coverage
	scopes  map[scope][]int // places in changes
}

// scope is what one stream listens to.
type scope struct {
	resource  schema.GroupVersionResource
	namespace string
}

func newLedger(changes []Coverage) (l ledger) {
	for _, c := range changes {
		l.add(c)
	}
	return l
}

func (l *ledger) add(c Coverage) {
	if l.scopes == nil {
		l.scopes = map[scope][]int{}
	}
	s := scope{c.Resource, c.Namespace}
	l.scopes[s] = append(l.scopes[s], len(l.changes))
	l.changes = append(l.changes, c)
}

// between returns a copy of the changes with from <= Seq <= to.
func (l *ledger) between(from, to Seq) []Coverage {
	first := sort.Search(len(l.changes), func(i int) bool { return l.changes[i].Seq >= from })
	end := sort.Search(len(l.changes), func(i int) bool { return l.changes[i].Seq > to })
	if first >= end {
		return nil
	}
	return slices.Clone(l.changes[first:end])
}

// inForce returns the changes that are in force at a position, in order.
func (l *ledger) inForce(at Seq) []Coverage {
	var changes []Coverage
	for _, places := range l.scopes {
		for _, place := range slices.Backward(places) {
			if change := l.changes[place]; change.Seq < at {
				changes = append(changes, change)
				break
			}
		}
	}
	slices.SortFunc(changes, func(a, b Coverage) int { return cmp.Compare(a.Seq, b.Seq) })
	return changes
}

// at returns what is in force for the resource in the namespace. Both a stream
// of that namespace and one of the whole cluster tell about it; the one that
// knows more counts.
func (l *ledger) at(resource schema.GroupVersionResource, namespace string, at Seq) Coverage {
	best := Coverage{Resource: resource, Namespace: namespace, Status: NotRecorded}
	namespaces := []string{namespace}
	if namespace != "" {
		namespaces = append(namespaces, "")
	}
	for _, ns := range namespaces {
		places := l.scopes[scope{resource, ns}]
		n := sort.Search(len(places), func(i int) bool { return l.changes[places[i]].Seq > at })
		if n == 0 {
			continue
		}
		c := l.changes[places[n-1]]
		if a, b := c.Status.weight(), best.Status.weight(); a > b || a == b && c.Seq > best.Seq {
			best = c
		}
	}
	return best
}

// appendLedger writes coverage changes from the position and time on.
func appendLedger(d *dictionary, dst []byte, ledger []Coverage, first Seq, from int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ledger)))
	for i := range ledger {
		c := &ledger[i]
		dst = binary.AppendUvarint(dst, uint64(c.Seq-first))
		dst = binary.AppendUvarint(dst, uint64(c.Time.UnixMicro()-from))
		dst = d.appendResource(dst, c.Resource)
		dst = appendCoverage(dst, c)
		first, from = c.Seq, c.Time.UnixMicro()
	}
	return dst
}

// readLedger reads what appendLedger wrote.
func readLedger(w *wire, words []string, first Seq, from int64) []Coverage {
	var ledger []Coverage
	for range w.countUpTo(maxLedger, 6) {
		first, from = first+Seq(min(w.uvarint(), maxSeq)), from+int64(w.uvarint())
		if first > maxSeq {
			w.fail()
		}
		resource := w.resource(words)
		c := readCoverage(w)
		c.Seq, c.Time, c.Resource = first, time.UnixMicro(from).UTC(), resource
		ledger = append(ledger, c)
	}
	return ledger
}
