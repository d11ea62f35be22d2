package analyzer

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

// found is what tests compare of a report.
type found struct {
	State    State
	Headline string // diagnosis id, with its variant in brackets
	About    string // Kind/name
}

func brief(r Report) found {
	f := found{State: r.Verdict.State, Headline: r.Headline.ID, About: r.Headline.Subject.Kind + "/" + r.Headline.Subject.Name}
	for _, b := range r.Because {
		if b.ID == r.Headline.ID && b.Variant != "" {
			f.Headline += "[" + b.Variant + "]"
			break
		}
	}
	return f
}

func ref[T any](name string) store.Ref {
	k := kindOf[T]()
	r := store.Ref{Resource: k.resource, Namespace: "shop", Name: name}
	if k.cluster {
		r.Namespace = ""
	}
	return r
}

func TestService(t *testing.T) {
	type moment struct {
		at   time.Duration
		text string
	}
	for _, c := range []struct {
		name    string
		history []moment
		at      time.Duration
		want    found
		says    string
	}{
		{
			name: "missing", at: time.Second,
			want: found{Absent, "svc-missing", "Service/web"},
		},
		{
			name:    "in order",
			history: []moment{{time.Second, baseline()}}, at: 30 * time.Second,
			want: found{Serving, "", "Service/web"}, says: "3 ready endpoints",
		},
		{
			name:    "no workload yet",
			history: []moment{{time.Second, shop + webService + slice()}}, at: 3 * time.Second,
			want: found{NotServing, "selector-matches-nothing", "Service/web"},
		},
		{
			name: "starting",
			history: []moment{
				{time.Second, shop + webService + slice()},
				{6 * time.Second, strings.ReplaceAll(deployment(1, "ReplicaSetUpdated", "web:ok1 1 0"), "$(created-1)", "$(6s)") + pod("web-a", 1, "n1", "web:ok1", "6s", waiting("ContainerCreating", "", "6s"))},
			},
			at:   7 * time.Second,
			want: found{Converging, "rollout-in-progress", "Deployment/web"},
		},
		{
			name: "image cannot be pulled, old revision serves",
			history: []moment{
				{time.Second, baseline()},
				{20 * time.Second, strings.NewReplacer("$(created-1)", "$(0s)", "$(created-2)", "$(20s)").Replace(deployment(3, "ReplicaSetUpdated", "web:ok1 3 3", "web:bad 1 0")) +
					pod("web-d", 2, "n1", "web:bad", "20s", waiting("ErrImagePull", `failed to pull image "web:bad": manifest unknown`, "20s"))},
			},
			at:   40 * time.Second,
			want: found{Degraded, "image-pull-failed[not found]", "Deployment/web"},
			says: "serves from 3 Pods, but 1 of 4 Pods of Deployment web (rev 2) cannot pull image web:bad (not found)",
		},
		{
			name: "readiness fails",
			history: []moment{
				{time.Second, baseline()},
				{20 * time.Second, pod("web-a", 1, "n1", "web:ok1", "0s", unready("1s", "20s")) + pod("web-b", 1, "n2", "web:ok1", "0s", unready("1s", "20s")) +
					slice("web-a n1 notready", "web-b n2 notready", "web-c n3 ready")},
			},
			at:   40 * time.Second,
			want: found{Degraded, "readiness-probe-failing", "Deployment/web"},
			says: "serves from 1 of 3 Pods: 2 of 3 Pods of Deployment web (rev 1) cannot pass the readiness probe of container web (GET :8080/healthz), since 14:00:20Z",
		},
		{
			name: "unschedulable",
			history: []moment{{time.Second, shop + webService + slice() + strings.ReplaceAll(deployment(1, "ReplicaSetUpdated", "web:ok1 1 0"), "$(created-1)", "$(1s)") +
				pod("web-a", 1, "", "web:ok1", "1s", unscheduled("0/3 nodes are available: 1 Insufficient memory, 2 Insufficient cpu. preemption: 0/3 nodes are available.", "1s"))}},
			at:   40 * time.Second,
			want: found{NotServing, "pod-unschedulable[Insufficient cpu]", "Deployment/web"},
		},
		{
			name:    "scaled to zero",
			history: []moment{{time.Second, baseline()}, {20 * time.Second, strings.ReplaceAll(deployment(0, "NewReplicaSetAvailable", "web:ok1 0 0"), "$(created-1)", "$(0s)") + slice()}},
			at:      40 * time.Second,
			want:    found{NotServing, "workload-scaled-to-zero", "Deployment/web"},
			says:    "scaled from 3 to 0",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, h := range c.history {
				w.apply(h.at, h.text)
			}
			if c.name == "scaled to zero" {
				w.remove(20*time.Second, pod("web-a", 1, "n1", "web:ok1", "0s", running("1s"))+pod("web-b", 1, "n2", "web:ok1", "0s", running("1s"))+pod("web-c", 1, "n3", "web:ok1", "0s", running("1s")))
			}
			r := Diagnose(w.at(c.at), ref[corev1.Service]("web"), Options{})
			if diff := cmp.Diff(c.want, brief(r)); diff != "" {
				t.Errorf("report (-want +got):\n%s\n%s", diff, r.Headline.Message)
			}
			if !strings.Contains(r.Headline.Message, c.says) {
				t.Errorf("message %q, want %q in it", r.Headline.Message, c.says)
			}
		})
	}
}
