package cause

import (
	"cmp"
	"maps"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// Drop is a fall of the number of ready endpoints of a subject: from the event with
// which fewer were ready until as many were again. One may lie within another.
type Drop struct {
	From   time.Time `json:"from"`
	Seq    store.Seq `json:"seq"`
	To     time.Time `json:"to,omitzero"` // zero: it lasts
	Before int       `json:"before"`      // how many were ready
	Ready  int       `json:"ready"`       // how many were then, but for later drops
	Lost   []Loss    `json:"lost"`
	// Ended is what brought as many back, as far as that is proven; nothing where it
	// ended by itself. Replaced says that others are ready then, none of the Pods lost.
	Ended    []change.Change `json:"ended,omitempty"`
	Replaced bool            `json:"replaced,omitempty"`
	ended    store.Seq       // the event with which it ended
}

const (
	shortest = 2 * time.Second // of what is told
	maxDrops = 16
)

// Drops returns the drops of a Service between two instants, in the order in which
// they began. What falls within OneAct is one of them; that there are fewer of more
// than at the beginning, as in a rollout, is none.
func (r *Relations) Drops(from, to time.Time) []Drop {
	var stack, all []*openDrop
	before, level := map[string]bool{}, 0
	over := r.readyOver(to)
	for _, c := range over {
		switch {
		case c.at.Before(from):
			level = len(c.pods)
		case level > 0 && len(c.pods) >= level:
		case len(c.pods) < len(before):
			if n := len(stack); n > 0 && c.at.Sub(stack[n-1].last) <= OneAct && len(before) == stack[n-1].Ready {
				stack[n-1].Ready, stack[n-1].lowest, stack[n-1].last = len(c.pods), c.pods, c.at
				break
			}
			d := &openDrop{Drop: Drop{From: c.at, Seq: c.seq, Before: len(before), Ready: len(c.pods)}, was: before, lowest: c.pods, last: c.at}
			stack, all = append(stack, d), append(all, d)
		}
		for n := len(stack); n > 0 && len(c.pods) >= stack[n-1].Before; n = len(stack) {
			d := stack[n-1]
			d.To, d.ended, d.Replaced = c.at, c.seq, !d.isBack(c.pods)
			stack = stack[:n-1]
		}
		before = c.pods
	}
	drops := []Drop{}
	for _, d := range all {
		if !d.To.IsZero() && d.To.Sub(d.From) < shortest || len(drops) == maxDrops {
			continue
		}
		after, err := r.State.Timeline().SeqAt(d.From.Add(-OneAct))
		r.State.Note(err)
		for _, name := range slices.Sorted(maps.Keys(d.was)) {
			if ref := (store.Ref{Resource: replay.Pods, Namespace: r.Refs[0].Namespace, Name: name}); !d.lowest[name] && r.seen[ref] {
				d.Lost = append(d.Lost, r.loss(ref, after))
			}
		}
		unlisted(d.Lost, over)
		slices.SortStableFunc(d.Lost, func(a, b Loss) int { return a.At.Compare(b.At) })
		if len(d.Lost) > 0 {
			drops = append(drops, d.Drop)
		}
	}
	return drops
}

// openDrop is a Drop that lasts: which Pods were ready before it, and at its lowest.
type openDrop struct {
	Drop
	was, lowest map[string]bool
	last        time.Time // the latest event that belongs to its fall
}

// isBack reports whether one of the Pods that were lost is ready.
func (d *openDrop) isBack(ready map[string]bool) bool {
	for name := range d.was {
		if !d.lowest[name] && ready[name] {
			return true
		}
	}
	return false
}

// Explain finds what ended a drop of the subject.
func (x *Finder) Explain(d *Drop) error {
	if d.To.IsZero() {
		return nil
	}
	s, err := replay.NewCursorWith(x.Timeline, x.Cache).SeekTimeUpTo(d.To, d.ended-1)
	if err != nil {
		return err
	}
	before := analyzer.Diagnose(s, x.Subject, analyzer.Options{})
	if s, err = replay.NewCursorWith(x.Timeline, x.Cache).SeekTimeUpTo(d.To, d.ended); err != nil {
		return err
	}
	after := analyzer.Diagnose(s, x.Subject, analyzer.Options{})
	m := &Case{
		Before: &before, After: &after, at: d.To, Seq: d.ended, Related: RelationsOf(s, x.Subject), Improved: true, Rose: true,
		Root: before.Headline.ID, Floor: d.Seq, Began: d.Seq, causes: before.Because,
	}
	m.Related.shown(m.causes)
	m.Related.remade = false
	m.pods = m.fates()
	all, err := x.Changes(m)
	if err != nil {
		return err
	}
	d.Ended = slices.DeleteFunc(all, func(c change.Change) bool { return c.Link == change.Correlated })
	return s.Err()
}

// readyPods are the Pods that were ready endpoints from an event on.
type readyPods struct {
	at   time.Time
	seq  store.Seq
	pods map[string]bool
}

// readyOver returns which Pods were ready endpoints of the subject, in order, up to
// an instant.
func (r *Relations) readyOver(to time.Time) []readyPods {
	type version struct {
		slice store.Ref
		readyPods
	}
	var versions []version
	for _, ref := range r.Refs {
		if ref.Resource != replay.EndpointSlices {
			continue
		}
		n := 0
		for o := range r.State.Past(ref) {
			if n++; n > 4*maxVersions {
				break
			}
			sl := analyzer.As[discoveryv1.EndpointSlice](o)
			if sl.Labels[discoveryv1.LabelServiceName] != r.Refs[0].Name || o.Time.After(to) {
				continue
			}
			v := version{ref, readyPods{o.Time, o.Seq, map[string]bool{}}}
			for i := range sl.Endpoints {
				if e := &sl.Endpoints[i]; kube.EndpointReady(e) && e.TargetRef != nil && e.TargetRef.Kind == "Pod" && o.Type != watch.Deleted {
					v.pods[e.TargetRef.Name] = true
				}
			}
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, func(a, b version) int { return cmp.Compare(a.seq, b.seq) })
	current := map[store.Ref]map[string]bool{}
	all := make([]readyPods, 0, len(versions))
	for _, v := range versions {
		current[v.slice] = v.pods
		sum := map[string]bool{}
		for _, pods := range current {
			maps.Copy(sum, pods)
		}
		all = append(all, readyPods{v.at, v.seq, sum})
	}
	return all
}
