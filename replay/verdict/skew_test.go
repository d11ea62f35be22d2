package verdict

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// skewed is a timeline of a recorder whose clock is off: all that it noted itself is by so
// much later, and what objects and the API server say is as it was.
type skewed struct {
	*store.Recording
	by time.Duration
}

func (k skewed) Info() store.Info {
	i := k.Recording.Info()
	i.Start, i.End = i.Start.Add(k.by), i.End.Add(k.by)
	return i
}
func (k skewed) SeqAt(t time.Time) (store.Seq, error) { return k.Recording.SeqAt(t.Add(-k.by)) }
func (k skewed) TimeOf(seq store.Seq) (time.Time, error) {
	t, err := k.Recording.TimeOf(seq)
	return t.Add(k.by), err
}

func (k skewed) Event(seq store.Seq) (store.Event, error) {
	e, err := k.Recording.Event(seq)
	e.Time = e.Time.Add(k.by)
	return e, err
}

func (k skewed) Events(from, to store.Seq) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		for e, err := range k.Recording.Events(from, to) {
			if e.Time = e.Time.Add(k.by); !yield(e, err) {
				return
			}
		}
	}
}

func (k skewed) Ledger(from, to store.Seq) ([]store.Coverage, error) {
	ledger, err := k.Recording.Ledger(from, to)
	ledger = slices.Clone(ledger)
	for i := range ledger {
		ledger[i].Time = ledger[i].Time.Add(k.by)
	}
	return ledger, err
}

func (k skewed) Coverage(resource schema.GroupVersionResource, namespace string, at store.Seq) (store.Coverage, error) {
	c, err := k.Recording.Coverage(resource, namespace, at)
	c.Time = c.Time.Add(k.by)
	return c, err
}

// Clocks are samples as the recorder takes them; those of some recordings say nothing.
func (k skewed) Clocks() ([]store.Clock, error) {
	info, clocks := k.Recording.Info(), []store.Clock{}
	for at := 300 * time.Millisecond; at < 4*time.Second; at += 700 * time.Millisecond {
		now := info.Start.Add(at)
		clocks = append(clocks, store.Clock{Time: now.Add(k.by), Monotonic: at, ServerDate: now.Truncate(time.Second)})
	}
	return clocks, nil
}

// TestSkewedClock: what is said of a subject does not depend on the recorder's clock. Times
// in objects are cut to the second and the skew is known to about one, so a grace may end
// that much earlier or later.
func TestSkewedClock(t *testing.T) {
	for _, name := range []string{"load-balancer-pending", "kubelet-hangs", "recreate-rollout", "node-loss", "selector-edited", "bad-image-rollout"} {
		r, subject := replaytest.Open(t, name), replaytest.Subject(t, name)
		course := func(timeline replay.Timeline, by time.Duration) (told []string, from []time.Time) {
			info := timeline.Info()
			raw, err := Of(t.Context(), timeline, subject, info.Start, info.End)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range Settle(raw) {
				told = append(told, fmt.Sprint(s.Report.Verdict.State, " ", s.Report.Headline.ID))
				from = append(from, s.From.Add(-by))
			}
			return told, from
		}
		want, began := course(r, 0)
		for _, by := range []time.Duration{-90 * time.Second, 90 * time.Second} {
			got, from := course(skewed{r, by}, by)
			if !slices.Equal(want, got) {
				t.Errorf("%s, clock off by %s:\n%q\nwant\n%q", name, by, got, want)
				continue
			}
			for i := range from {
				if d := from[i].Sub(began[i]); d.Abs() > 2500*time.Millisecond {
					t.Errorf("%s, clock off by %s: %s begins %s later", name, by, got[i], d)
				}
			}
		}
	}
}

// disordered is a timeline whose index says of no position when it comes.
type disordered struct{ *store.Recording }

func (d disordered) SeqAt(time.Time) (store.Seq, error) { return 1, nil }

// TestTimesOutOfOrder: a damaged file ends with an error; nothing goes round for ever.
func TestTimesOutOfOrder(t *testing.T) {
	r := replaytest.Open(t, "selector-typo")
	info := r.Info()
	if _, err := Of(t.Context(), disordered{r}, replaytest.Subject(t, "selector-typo"), info.End.Add(-time.Second), info.End); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("error %v, want that the recording is damaged", err)
	}
}
