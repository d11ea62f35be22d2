package verdict

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// oracle is a report made at one instant, without looking at others.
func oracle(t replaytest.T, h *Index, c *replay.Cursor, subject store.Ref, at time.Time) string {
	s, err := h.Seek(c, at)
	if err != nil {
		t.Fatal(err)
	}
	w := &GapView{State: s}
	new(analyzer.Judge).At(w, subject, analyzer.Options{})
	r := analyzer.Diagnose(s, subject, analyzer.Options{})
	return verdictKey(&r, w.Gap)
}

func verdictKey(r *analyzer.Report, gap string) string {
	return fmt.Sprintf("%s %s %s %s/%s [%s]", r.Verdict.State, r.Verdict.Intent, r.Headline.ID, r.Headline.Subject.Kind, r.Headline.Subject.Name, gap)
}

// What is judged first and put into words later is what the report made at once
// says, for whatever subject.
func TestOutline(t *testing.T) {
	replaytest.Recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		cursor, info := replay.NewCursor(r), r.Info()
		var judge analyzer.Judge
		for seq := info.First; seq <= info.Last; seq += 7 {
			s, err := cursor.Seek(seq)
			if err != nil {
				t.Fatal(err)
			}
			for _, resource := range []schema.GroupVersionResource{replay.Services, replay.Pods, replay.Workloads["Deployment"], {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}} {
				for _, o := range s.List(store.Query{Resource: resource}) {
					judged := judge.At(s, o.Ref(), analyzer.Options{})
					got, want := judged.Outline(), analyzer.Diagnose(s, o.Ref(), analyzer.Options{Brief: true})
					want.Endpoints.Items = nil
					want = analyzer.Report{Subject: want.Subject, Verdict: want.Verdict, Headline: want.Headline, Endpoints: want.Endpoints}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("#%d, %s: what is told later differs (-at once +later):\n%s", seq, o.Ref(), diff)
					}
					if judged.State != want.Verdict.State || judged.Intent != want.Verdict.Intent || judged.Headline != want.Headline.ID || judged.About != want.Headline.Subject {
						t.Fatalf("#%d, %s: judged %+v, want %+v %+v", seq, o.Ref(), judged, want.Verdict, want.Headline)
					}
				}
			}
		}
	})
}

// comparePlain checks the segments against a plain evaluation at instants; one
// of so many is taken.
func comparePlain(t replaytest.T, timeline replay.Timeline, subject store.Ref, one int) {
	info := timeline.Info()
	segments, err := Of(context.Background(), timeline, subject, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewIndex(timeline)
	if err != nil {
		t.Fatal(err)
	}
	cursor := replay.NewCursor(timeline)
	i := 0
	for n, at := range replaytest.Instants(t, timeline, h.Last) {
		for i+1 < len(segments) && !segments[i+1].From.After(at) {
			i++
		}
		if n%one != 0 {
			continue
		}
		got := verdictKey(&segments[i].Report, segments[i].Gap)
		if want := oracle(t, h, cursor, subject, at); got != want {
			t.Errorf("at +%v the timeline says\n  %s, a report made then\n  %s", at.Sub(info.Start), got, want)
			return
		}
	}
}

// The timeline is what plain evaluation at every instant gives, on every
// recorded incident. Without SVCSPY_EVERY=1 only some instants are compared.
func TestVerdictsAreThoseOfPlainEvaluation(t *testing.T) {
	one := 5
	switch {
	case os.Getenv("SVCSPY_EVERY") != "":
		one = 1
	case testing.Short():
		one = 40
	}
	replaytest.Recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		comparePlain(t, r, replaytest.Web, one)
	})
}

// And on recordings in which anything happens in any order.
func TestVerdictsOfRandomRecordings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := replaytest.RandomRecording(t)
		comparePlain(t, m, replaytest.Web, 1)
		comparePlain(t, m, store.Ref{Resource: replay.Workloads["Deployment"], Namespace: "shop", Name: "web"}, 1)
	})
}

// What is found for all Services together is what is found for each alone, and
// what is known when the computation is stopped is the beginning of that.
func TestAllVerdictsAreThoseOfEach(t *testing.T) {
	replaytest.Recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		info := r.Info()
		whole := map[store.Ref][]string{}
		line := func(g *Segment) string {
			return fmt.Sprintf("%s %s", g.From.Sub(info.Start), verdictKey(&g.Report, g.Gap))
		}
		for c, err := range All(t.Context(), r, info.Start, info.End, nil) {
			if err != nil {
				t.Fatal(err)
			}
			alone, err := Of(t.Context(), r, c.Subject, info.Start, info.End)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for i := range c.Segments {
				got = append(got, line(&c.Segments[i]))
			}
			for i := range alone {
				want = append(want, line(&alone[i]))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s alone and together (-alone +together):\n%s", c.Subject.Name, diff)
			}
			whole[c.Subject] = got
		}
		h, err := NewIndex(r)
		if err != nil {
			t.Fatal(err)
		}
		subjects, err := h.services()
		if err != nil {
			t.Fatal(err)
		}
		for _, steps := range []int{0, 1, 7, 50} {
			ctx := &stops{Context: t.Context(), after: steps}
			var reached atomic.Int64
			part, err := h.sweep(ctx, subjects, info.Start, info.End, &reached)
			if !errors.Is(err, context.Canceled) && err != nil {
				t.Fatal(err)
			}
			for _, c := range part {
				for i := range c.Segments {
					g := &c.Segments[i]
					if got, want := line(g), whole[c.Subject][i]; got != want {
						t.Errorf("stopped after %d steps: %s, want %s", steps, got, want)
					}
					if err != nil && g.To.Equal(info.End) && i+1 < len(whole[c.Subject]) {
						t.Errorf("stopped after %d steps: the last verdict on %s is said to last to the end", steps, c.Subject.Name)
					}
				}
			}
		}
	})
}

// stops is a context that is done after it was asked so often.
type stops struct {
	context.Context
	after int
}

func (s *stops) Err() error {
	if s.after--; s.after < 0 {
		return context.Canceled
	}
	return nil
}

func TestSettle(t *testing.T) {
	// A sequence of stretches: state and length.
	segments := func(spec ...any) []Segment {
		var all []Segment
		at := replaytest.Start
		for i := 0; i < len(spec); i += 2 {
			to := at.Add(spec[i+1].(time.Duration))
			s := Segment{From: at, To: to, Seq: store.Seq(i/2 + 1)}
			s.Report.Verdict.State = spec[i].(analyzer.State)
			all = append(all, s)
			at = to
		}
		return all
	}
	later := func(by store.Seq, all []Segment) []Segment {
		for i := range all {
			all[i].Seq += by
		}
		return all
	}
	const s = time.Second
	tests := []struct {
		name string
		in   []Segment
		want []string
	}{
		{"a blink is not seen", segments(analyzer.Serving, 10*s, analyzer.Degraded, s, analyzer.Serving, 10*s), []string{"Serving 21s #1"}},
		{"a dip of six seconds is", segments(analyzer.Serving, 10*s, analyzer.NotServing, 6*s, analyzer.Serving, 10*s), []string{"Serving 10s #1", "NotServing 6s #2", "Serving 10s #3"}},
		{"on the way to the next", segments(analyzer.Serving, 10*s, analyzer.Converging, s, analyzer.NotServing, 10*s), []string{"Serving 11s #1", "NotServing 10s #3"}},
		{"many blinks are the worst of them", segments(analyzer.Serving, 10*s, analyzer.Degraded, s, analyzer.NotServing, s, analyzer.Converging, s, analyzer.Serving, 10*s), []string{"Serving 10s #1", "NotServing 3s #2", "Serving 10s #5"}},
		{"what comes first belongs to what follows", segments(analyzer.Unknown, s/10, analyzer.Absent, s/10, analyzer.Serving, 10*s), []string{"Serving 10.2s #1"}},
		{"what a window begins with is not short", later(500, segments(analyzer.Serving, 2*s/5, analyzer.NotServing, 10*s)), []string{"Serving 400ms #501", "NotServing 10s #502"}},
		{"all of it short", segments(analyzer.Unknown, s/10, analyzer.Serving, s/10), []string{"Unknown 200ms #1"}},
		{"nothing", nil, nil},
	}
	for _, tt := range tests {
		before := fmt.Sprint(tt.in)
		var got []string
		for _, s := range Settle(tt.in) {
			got = append(got, fmt.Sprintf("%s %v #%d", s.Report.Verdict.State, s.To.Sub(s.From), s.Seq))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if fmt.Sprint(tt.in) != before {
			t.Errorf("%s: the input was changed", tt.name)
		}
	}
}

func TestVerdictsStopWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := store.NewMemory(store.Header{Start: replaytest.Start})
	if _, err := m.Cover(store.Coverage{Time: replaytest.Start, Resource: replay.Services, Status: store.Current}); err != nil {
		t.Fatal(err)
	}
	if segments, err := Of(ctx, m, replaytest.Web, replaytest.Start, replaytest.Start.Add(time.Hour)); err == nil || len(segments) > 0 {
		t.Errorf("%d segments, error %v; want the error of the context", len(segments), err)
	}
}
