package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

var web = store.Ref{Resource: Services, Namespace: "shop", Name: "web"}

// recordings opens every recorded incident.
func recordings(t *testing.T, each func(t *testing.T, name string, r *store.Recording)) {
	t.Helper()
	paths, err := filepath.Glob("../fixtures/incidents/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".db")
		t.Run(name, func(t *testing.T) {
			r, err := store.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			each(t, name, r)
		})
	}
}

// momentsOf returns the moments at which something was heard, and those a second
// apart between them: graces end without an event.
func momentsOf(t rapidT, timeline Timeline, last store.Seq) []time.Time {
	info := timeline.Info()
	at := []time.Time{info.Start}
	add := func(to time.Time) {
		for next := at[len(at)-1].Add(time.Second); next.Before(to); next = next.Add(time.Second) {
			at = append(at, next)
		}
		if to.After(at[len(at)-1]) {
			at = append(at, to)
		}
	}
	for seq := max(info.First, 1); seq <= last; seq++ {
		heard, err := timeline.TimeOf(seq)
		if err != nil {
			t.Fatal(err)
		}
		add(heard)
	}
	add(info.End)
	return at
}

type rapidT interface {
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

// oracle is a report made at one instant, without looking at others.
func oracle(t rapidT, h *heard, c *Cursor, subject store.Ref, at time.Time) string {
	s, err := h.seek(c, at)
	if err != nil {
		t.Fatal(err)
	}
	w := &listener{State: s}
	new(analyzer.Judge).At(w, subject, analyzer.Options{})
	r := analyzer.Diagnose(s, subject, analyzer.Options{})
	return verdictKey(&r, w.gap)
}

func verdictKey(r *analyzer.Report, gap string) string {
	return fmt.Sprintf("%s %s %s %s/%s [%s]", r.Verdict.State, r.Verdict.Intent, r.Headline.ID, r.Headline.Subject.Kind, r.Headline.Subject.Name, gap)
}

// What is judged first and put into words later is what the report made at once
// says, for whatever subject.
func TestOutline(t *testing.T) {
	recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		cursor, info := NewCursor(r), r.Info()
		var judge analyzer.Judge
		for seq := info.First; seq <= info.Last; seq += 7 {
			s, err := cursor.Seek(seq)
			if err != nil {
				t.Fatal(err)
			}
			for _, resource := range []schema.GroupVersionResource{Services, podResource, workloads["Deployment"], {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}} {
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
func comparePlain(t rapidT, timeline Timeline, subject store.Ref, one int) {
	info := timeline.Info()
	segments, err := Verdicts(context.Background(), timeline, subject, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHeard(timeline)
	if err != nil {
		t.Fatal(err)
	}
	cursor := NewCursor(timeline)
	i := 0
	for n, at := range momentsOf(t, timeline, h.last) {
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
	recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		comparePlain(t, r, web, one)
	})
}

// And on recordings in which anything happens in any order.
func TestVerdictsOfRandomRecordings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := randomRecording(t)
		comparePlain(t, m, web, 1)
		comparePlain(t, m, store.Ref{Resource: workloads["Deployment"], Namespace: "shop", Name: "web"}, 1)
	})
}

// What is found for all Services together is what is found for each alone, and
// what is known when the computation is stopped is the beginning of that.
func TestAllVerdictsAreThoseOfEach(t *testing.T) {
	recordings(t, func(t *testing.T, _ string, r *store.Recording) {
		info := r.Info()
		whole := map[store.Ref][]string{}
		line := func(g *Segment) string {
			return fmt.Sprintf("%s %s", g.From.Sub(info.Start), verdictKey(&g.Report, g.Gap))
		}
		for c, err := range AllVerdicts(t.Context(), r, info.Start, info.End, nil) {
			if err != nil {
				t.Fatal(err)
			}
			alone, err := Verdicts(t.Context(), r, c.Subject, info.Start, info.End)
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
		h, err := newHeard(r)
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

// randomRecording is a cluster of few objects, to which much happens: Pods come,
// change their readiness and labels, and go; slices follow or do not; selectors
// are edited; streams break and are listed anew.
func randomRecording(t *rapid.T) *store.Memory {
	m := store.NewMemory(store.Header{ID: "random", Start: start})
	at := start
	rv := 0
	kinds := []schema.GroupVersionResource{Services, podResource, nodeResource, sliceResource, workloads["Deployment"], workloads["ReplicaSet"]}
	for _, k := range kinds {
		if _, err := m.Cover(store.Coverage{Time: at, Resource: k, Status: store.Current}); err != nil {
			t.Fatal(err)
		}
	}
	live := map[store.Ref]bool{}
	say := func(resource schema.GroupVersionResource, namespace, name, body string, deleted bool) {
		ref := store.Ref{Resource: resource, Namespace: namespace, Name: name}
		typ := watch.Added
		switch {
		case deleted && !live[ref]:
			return
		case deleted:
			typ = watch.Deleted
		case live[ref]:
			typ = watch.Modified
		}
		live[ref] = !deleted
		rv++
		meta := fmt.Sprintf(`"namespace":%q,"name":%q,"uid":"%s-%s","resourceVersion":"%d","creationTimestamp":%q`, namespace, name, resource.Resource, name, rv, start.Format(time.RFC3339))
		object := strings.Replace(body, `"metadata":{`, `"metadata":{`+meta+`,`, 1)
		object = strings.Replace(object, `,}`, `}`, 1)
		_, err := m.Append(store.Event{
			Time: at, Type: typ, Resource: resource, Namespace: namespace, Name: name,
			UID: types.UID(resource.Resource + "-" + name), ResourceVersion: fmt.Sprint(rv), Object: []byte(object),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := rapid.IntRange(1, 25).Draw(t, "steps")
	for range steps {
		at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 300, 1500, 8000, 40000}).Draw(t, "after")) * time.Millisecond)
		pod := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "pod")
		truth := rapid.SampledFrom([]string{"True", "False"}).Draw(t, "ready")
		gone := rapid.IntRange(0, 5).Draw(t, "gone") == 0
		label := rapid.SampledFrom([]string{"web", "web", "wbe"}).Draw(t, "label")
		switch rapid.IntRange(0, 6).Draw(t, "what") {
		case 0:
			say(Services, "shop", "web", fmt.Sprintf(`{"metadata":{},"spec":{"clusterIP":"10.0.0.1","type":"ClusterIP","ipFamilies":["IPv4"],"selector":{"app":%q},"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080}]}}`, label), gone)
		case 1, 2:
			say(podResource, "shop", pod, fmt.Sprintf(`{"metadata":{"labels":{"app":%q},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-1","uid":"replicasets-web-1","controller":true}]},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i","readinessProbe":{"httpGet":{"port":8080},"periodSeconds":1}}]},"status":{"phase":"Running","podIP":"10.1.0.%d","podIPs":[{"ip":"10.1.0.%[2]d"}],"conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":%[3]q,"lastTransitionTime":%[4]q},{"type":"ContainersReady","status":%[3]q}],"containerStatuses":[{"name":"c","ready":%[5]t,"started":true,"state":{"running":{"startedAt":%[4]q}}}]}}`,
				label, pod[0], truth, at.Format(time.RFC3339), truth == "True"), gone)
		case 3:
			say(sliceResource, "shop", "web-x", fmt.Sprintf(`{"metadata":{"labels":{"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"},"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"web","uid":"services-web","controller":true}]},"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[{"addresses":["10.1.0.%d"],"conditions":{"ready":%t,"serving":%[2]t},"nodeName":"n1","targetRef":{"kind":"Pod","namespace":"shop","name":%[3]q,"uid":"pods-%[4]s"}}]}`, pod[0], truth == "True", pod, pod), gone)
		case 4:
			say(nodeResource, "", "n1", fmt.Sprintf(`{"metadata":{},"status":{"conditions":[{"type":"Ready","status":%q,"lastHeartbeatTime":%q}]}}`, truth, at.Format(time.RFC3339)), gone)
		case 5:
			n := rapid.IntRange(0, 3).Draw(t, "replicas")
			say(workloads["Deployment"], "shop", "web", fmt.Sprintf(`{"metadata":{"generation":1},"spec":{"replicas":%d,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}},"status":{"observedGeneration":1,"replicas":%[1]d}}`, n), gone)
			say(workloads["ReplicaSet"], "shop", "web-1", fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"deployments-web","controller":true}]},"spec":{"replicas":%d,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}}}}}`, n), gone)
		case 6:
			k := rapid.SampledFrom(kinds).Draw(t, "kind")
			for _, c := range []store.Coverage{{Status: store.Gap, Reason: "410 Gone"}, {Status: store.Listing}} {
				c.Time, c.Resource = at, k
				if _, err := m.Cover(c); err != nil {
					t.Fatal(err)
				}
				at = at.Add(time.Second)
			}
			for _, e := range []store.Event{
				{Type: store.Relist},
				{Type: watch.Bookmark, Object: fmt.Appendf(nil, `{"metadata":{"resourceVersion":"%d","annotations":{%q:"true"}}}`, rv, store.InitialEventsEnd)},
			} {
				e.Time, e.Resource = at, k
				if _, err := m.Append(e); err != nil {
					t.Fatal(err)
				}
			}
			for ref := range live {
				if ref.Resource == k {
					live[ref] = false
				}
			}
			if _, err := m.Cover(store.Coverage{Time: at, Resource: k, Status: store.Current}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.Commit(at.Add(90 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSettle(t *testing.T) {
	// A sequence of stretches: state and length.
	segments := func(spec ...any) []Segment {
		var all []Segment
		at := start
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
	m := store.NewMemory(store.Header{Start: start})
	if _, err := m.Cover(store.Coverage{Time: start, Resource: Services, Status: store.Current}); err != nil {
		t.Fatal(err)
	}
	if segments, err := Verdicts(ctx, m, web, start, start.Add(time.Hour)); err == nil || len(segments) > 0 {
		t.Errorf("%d segments, error %v; want the error of the context", len(segments), err)
	}
}
