package index

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
)

// Ledger holds coverage changes in order.
type Ledger struct {
	Changes []event.Coverage
	scopes  map[Scope][]int // places in changes
}

// Scope is what one stream listens to.
type Scope struct {
	Resource  schema.GroupVersionResource
	Namespace string
}

func NewLedger(changes []event.Coverage) (l Ledger) {
	for _, c := range changes {
		l.Add(c)
	}
	return l
}

func (l *Ledger) Add(c event.Coverage) {
	if l.scopes == nil {
		l.scopes = map[Scope][]int{}
	}
	s := Scope{c.Resource, c.Namespace}
	l.scopes[s] = append(l.scopes[s], len(l.Changes))
	l.Changes = append(l.Changes, c)
}

// Between returns a copy of the changes with from <= Seq <= to.
func (l *Ledger) Between(from, to event.Seq) []event.Coverage {
	first := sort.Search(len(l.Changes), func(i int) bool { return l.Changes[i].Seq >= from })
	end := sort.Search(len(l.Changes), func(i int) bool { return l.Changes[i].Seq > to })
	if first >= end {
		return nil
	}
	return slices.Clone(l.Changes[first:end])
}

// InForce returns the changes that are in force at a position, in order.
func (l *Ledger) InForce(at event.Seq) []event.Coverage {
	var changes []event.Coverage
	for _, places := range l.scopes {
		for _, place := range slices.Backward(places) {
			if change := l.Changes[place]; change.Seq < at {
				changes = append(changes, change)
				break
			}
		}
	}
	slices.SortFunc(changes, func(a, b event.Coverage) int { return cmp.Compare(a.Seq, b.Seq) })
	return changes
}

// At returns what is in force for the resource in the namespace. Both a stream
// of that namespace and one of the whole cluster tell about it; the one that
// knows more counts.
func (l *Ledger) At(resource schema.GroupVersionResource, namespace string, at event.Seq) event.Coverage {
	best := event.Coverage{Resource: resource, Namespace: namespace, Status: event.NotRecorded}
	namespaces := []string{namespace}
	if namespace != "" {
		namespaces = append(namespaces, "")
	}
	for _, ns := range namespaces {
		places := l.scopes[Scope{resource, ns}]
		n := sort.Search(len(places), func(i int) bool { return l.Changes[places[i]].Seq > at })
		if n == 0 {
			continue
		}
		c := l.Changes[places[n-1]]
		if a, b := c.Status.Weight(), best.Status.Weight(); a > b || a == b && c.Seq > best.Seq {
			best = c
		}
	}
	return best
}

// appendLedger writes coverage changes from the position and time on.
func appendLedger(d *encoding.Dictionary, dst []byte, ledger []event.Coverage, first event.Seq, from int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ledger)))
	for i := range ledger {
		c := &ledger[i]
		dst = binary.AppendUvarint(dst, uint64(c.Seq-first))
		dst = binary.AppendUvarint(dst, uint64(c.Time.UnixMicro()-from))
		dst = d.AppendResource(dst, c.Resource)
		dst = block.AppendCoverage(dst, c)
		first, from = c.Seq, c.Time.UnixMicro()
	}
	return dst
}

// readLedger reads what appendLedger wrote.
func readLedger(w *encoding.Reader, words []string, first event.Seq, from int64) []event.Coverage {
	var ledger []event.Coverage
	for range w.CountUpTo(maxLedger, 6) {
		first, from = first+event.Seq(min(w.Uvarint(), event.MaxSeq)), from+int64(w.Uvarint())
		if first > event.MaxSeq {
			w.Fail()
		}
		resource := w.Resource(words)
		c := block.ReadCoverage(w)
		c.Seq, c.Time, c.Resource = first, time.UnixMicro(from).UTC(), resource
		ledger = append(ledger, c)
	}
	return ledger
}
