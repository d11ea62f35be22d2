package story

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// A change that keeps all endpoints ready is on the timeline as a change of risk,
// with who made it, and bisect finds it.
func TestRisksOfIncidents(t *testing.T) {
	for _, name := range []string{"service-port-changed", "target-port-undeclared"} {
		r, subject := replaytest.Open(t, name), replaytest.Subject(t, name)
		info, steps := r.Info(), replaytest.Steps(t, name)
		raw, err := verdict.Of(context.Background(), r, subject, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		all, err := Risks(context.Background(), r, subject, verdict.Settle(raw))
		if err != nil {
			t.Fatal(err)
		}
		during := func(c *change.Change, step int) bool {
			return !c.ObservedAt.Before(steps[step][0]) && c.ObservedAt.Before(steps[step][1].Add(time.Second))
		}
		if len(all) != 2 || !during(&all[0].Change, 0) || !during(&all[1].Change, 1) || !all[0].Raises() || all[1].Raises() ||
			!slices.Equal(all[0].Began, []string{"service-port-changed"}) || !slices.Equal(all[1].Ended, all[0].Began) || all[0].Change.Writer == nil {
			t.Errorf("%s: %+v", name, all)
		}
		found, err := Bisect(context.Background(), r, subject, steps[0][0].Add(-time.Second), steps[1][0].Add(-time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if found.Risk == nil || found.Changes[0].Seq != all[0].Change.Seq {
			t.Errorf("%s: bisect found %+v", name, found.Changes)
		}
		if _, err := Bisect(context.Background(), r, subject, steps[0][0].Add(-time.Second), info.End.Add(-time.Second)); err == nil {
			t.Errorf("%s: bisect found a risk that was taken back", name)
		}
	}
}

// Where a DaemonSet may run is written on Nodes: taking a label away takes a Pod from the
// Service, though as many are ready as are wanted.
func TestRisksOfNodeLabels(t *testing.T) {
	r, subject := replaytest.Open(t, "node-label-removed"), replaytest.Subject(t, "node-label-removed")
	info, steps := r.Info(), replaytest.Steps(t, "node-label-removed")
	raw, err := verdict.Of(context.Background(), r, subject, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Risks(context.Background(), r, subject, verdict.Settle(raw))
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, risk := range all {
		if risk.Change.ObservedAt.Before(steps[0][0]) || risk.Change.ObservedAt.After(steps[0][1].Add(time.Second)) || !risk.Raises() {
			t.Errorf("%s at %s: %v %v", risk.Change.Subject.Name, risk.Change.ObservedAt, risk.Worse, risk.Better)
		}
		got = append(got, risk.Worse)
	}
	want := [][]string{
		{"DaemonSet agent does not run on Node n1 any more: it may run on 2 Nodes instead of 3"},
		{"DaemonSet agent does not run on Node n2 any more: it may run on 1 Node instead of 2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("risks (-want +got):\n%s", diff)
	}
}

// What a write takes from the Pods that serve, and what it gives them.
func TestWeighed(t *testing.T) {
	deployment, budget := replay.Workloads["Deployment"], schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
	const probed = "spec: {replicas: 3, template: {spec: {containers: [{name: web, readinessProbe: {periodSeconds: 2}}]}}}"
	tests := []struct {
		name          string
		resource      schema.GroupVersionResource
		before, after string // "": deleted
		worse, better []string
	}{
		{"one replica", deployment, "spec: {replicas: 3}", "spec: {replicas: 1}", []string{"1 replica instead of 3: the loss of a single Pod is an outage"}, nil},
		{"more replicas", deployment, "spec: {replicas: 3}", "spec: {replicas: 5}", nil, []string{"5 replicas instead of 3"}},
		{"to zero is no risk", deployment, "spec: {replicas: 3}", "spec: {replicas: 0}", nil, nil},
		{"no probe", deployment, probed, "spec: {replicas: 3, template: {spec: {containers: [{name: web}]}}}", []string{"container web has no readiness probe any more: it gets traffic as soon as it runs"}, nil},
		{"another image", deployment, probed, "spec: {replicas: 3, template: {spec: {containers: [{name: web, image: b, readinessProbe: {periodSeconds: 2}}]}}}", nil, nil},
		{"all at once", deployment, "spec: {replicas: 3, strategy: {type: RollingUpdate}}", "spec: {replicas: 3, strategy: {type: Recreate}}", []string{"a rollout stops all Pods before it starts new ones"}, nil},
		{"most at once", deployment, "spec: {replicas: 4, strategy: {rollingUpdate: {maxUnavailable: 25%}}}", "spec: {replicas: 4, strategy: {rollingUpdate: {maxUnavailable: 3}}}", []string{"a rollout may take away 3 Pods at once instead of 1"}, nil},
		{"no budget", budget, "spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}", "", []string{"PodDisruptionBudget x does not hold back evictions any more"}, nil},
		{"the budget of others", budget, "spec: {minAvailable: 2, selector: {matchLabels: {app: db}}}", "", nil, nil},
		{"a smaller budget", budget, "spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}", "spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}", []string{"at least 1 of its Pods must stay during evictions, instead of 2"}, nil},
	}
	related := &cause.Relations{Pods: map[types.UID]*corev1.Pod{"p": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Labels: map[string]string{"app": "web"}}}}}
	for _, tt := range tests {
		m := store.NewMemory(store.Header{Start: replaytest.Start})
		first := replaytest.Append(t, m, time.Second, watch.Added, tt.resource, "x", "u", tt.before)
		typ, text := watch.Modified, tt.after
		if text == "" {
			typ, text = watch.Deleted, tt.before
		}
		last := replaytest.Append(t, m, 2*time.Second, typ, tt.resource, "x", "u", text)
		changes, err := change.List(m, store.Ref{Resource: tt.resource, Namespace: "shop", Name: "x"}, first, last)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%s: %d changes, %v", tt.name, len(changes), err)
		}
		w := weighed(&changes[0], related)
		if diff := cmp.Diff([][]string{tt.worse, tt.better}, [][]string{w.worse, w.better}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A risk is taken back by what gives back the same, not by as many statements.
func TestRiskTakenBack(t *testing.T) {
	deployment := store.Ref{Resource: replay.Workloads["Deployment"], Namespace: "shop", Name: "web"}
	other := store.Ref{Resource: replay.Workloads["Deployment"], Namespace: "shop", Name: "api"}
	probe := func(before, after int) turn { return turn{"probe web", before, after} }
	replicas := func(before, after int) turn { return turn{"replicas", before, after} }
	tests := []struct {
		name string
		all  []RiskChange
		want store.Seq // 0: none
	}{
		{"taken back", []RiskChange{{turns: []turn{probe(1, 0)}}, {turns: []turn{probe(0, 1)}}}, 0},
		{"another instead", []RiskChange{{turns: []turn{probe(1, 0)}}, {turns: []turn{probe(0, 1), replicas(3, 1)}}}, 2},
		{"another given", []RiskChange{{turns: []turn{probe(1, 0)}}, {turns: []turn{replicas(3, 5)}}}, 1},
		{"the same of another object", []RiskChange{{turns: []turn{probe(1, 0)}}, {Change: change.Change{Ref: other}, turns: []turn{probe(0, 1)}}}, 1},
		{"in part", []RiskChange{{turns: []turn{replicas(5, 1)}}, {turns: []turn{replicas(1, 3)}}}, 1},
		{"step by step", []RiskChange{{turns: []turn{replicas(5, 3)}}, {turns: []turn{replicas(3, 1)}}, {turns: []turn{replicas(1, 5)}}}, 0},
		{"the earlier of two is left", []RiskChange{{turns: []turn{probe(1, 0)}}, {turns: []turn{replicas(3, 1)}}, {turns: []turn{replicas(1, 3)}}}, 1},
		{"of the report", []RiskChange{{Began: []string{"a", "b"}}, {Ended: []string{"a"}, Began: []string{"c"}}}, 2},
		{"of the report, one left", []RiskChange{{Began: []string{"a", "b"}}, {Ended: []string{"a"}}}, 1},
		{"before", nil, 0},
	}
	for _, tt := range tests {
		for i := range tt.all {
			c := &tt.all[i].Change
			if c.Seq, c.ObservedAt = store.Seq(i+1), replaytest.Start.Add(time.Duration(i+1)*time.Second); c.Ref.Name == "" {
				c.Ref = deployment
			}
		}
		got := store.Seq(0)
		if r := riskBetween(tt.all, replaytest.Start, replaytest.Start.Add(time.Minute)); r != nil {
			got = r.Change.Seq
		}
		if got != tt.want {
			t.Errorf("%s: #%d, want #%d", tt.name, got, tt.want)
		}
	}
}
