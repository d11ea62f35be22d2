package analyzer

import (
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// A tag that moved is told by the builds alone, and only where they tell it.
func TestImageDigestMoved(t *testing.T) {
	const good, bad = "registry.test/web@sha256:aaaaaaaaaaaaaaaaaaaa", "docker-pullable://registry.test/web@sha256:bbbbbbbbbbbbbbbbbbbb"
	built := func(pod, id string) string {
		return strings.Replace(pod, "{name: web, ready:", "{name: web, imageID: "+id+", ready:", 1)
	}
	crashing := func(name, node, id string) string {
		status := containers(strings.NewReplacer("%d", "3", "%s", "Error").Replace(crashed))
		return built(pod(name, 1, node, "web:1", "1s", status), id)
	}
	working := func(name, node, id string) string { return built(pod(name, 1, node, "web:1", "1s", running("2s")), id) }
	base := sub(baseline(), "web:ok1", "web:1")
	arch := `
kind: Node
metadata: {name: n1, labels: {kubernetes.io/arch: arm64}}
status: {conditions: [{type: Ready, status: "True"}]}
---
kind: Node
metadata: {name: n2, labels: {kubernetes.io/arch: amd64}}
status: {conditions: [{type: Ready, status: "True"}]}
---
kind: Node
metadata: {name: n3, labels: {kubernetes.io/arch: amd64}}
status: {conditions: [{type: Ready, status: "True"}]}
---`
	for _, tt := range []struct {
		name, pods string
		moved      bool
	}{
		{"the one that fails has another", crashing("web-a", "n1", bad) + "---" + working("web-b", "n2", good) + "---" + working("web-c", "n3", good), true},
		{"one that works has it too", crashing("web-a", "n1", bad) + "---" + working("web-b", "n2", good) + "---" + working("web-c", "n3", "sha256:bbbbbbbbbbbbbbbbbbbb"), false},
		{"all have the same", crashing("web-a", "n1", good) + "---" + working("web-b", "n2", good) + "---" + working("web-c", "n3", good), false},
		{"those that fail have different ones", crashing("web-a", "n1", bad) + "---" + crashing("web-b", "n2", good) + "---" + working("web-c", "n3", good), false},
		{"nodes of another architecture", arch + crashing("web-a", "n1", bad) + "---" + working("web-b", "n2", good) + "---" + working("web-c", "n3", good), false},
		{"builds are not told", crashing("web-a", "n1", `""`) + "---" + working("web-b", "n2", good) + "---" + working("web-c", "n3", good), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			second := "ready"
			if strings.Count(tt.pods, "CrashLoopBackOff") > 1 {
				second = "notready"
			}
			w := newWorld(t)
			w.apply(time.Second, base)
			w.apply(20*time.Second, tt.pods+"---"+slice("web-a n1 notready", "web-b n2 "+second, "web-c n3 ready"))
			r := Diagnose(w.at(2*time.Minute), store.Ref{Resource: kindsByName["Service"].resource, Namespace: "shop", Name: "web"}, Options{})
			checkReport(t, r)
			message := ""
			for _, f := range r.Because {
				if f.Variant == "image-digest-moved" {
					message = f.Message
				}
			}
			if (message != "") != tt.moved {
				t.Errorf("moved: %q, want %t; headline %s, because %+v", message, tt.moved, r.Headline.ID, r.Because)
			}
			if tt.moved && !strings.Contains(message, "image web:1 is another build where it fails (sha256:bbbbbbbbbbbb) than where it works (sha256:aaaaaaaaaaaa)") {
				t.Errorf("it says %q", message)
			}
		})
	}
}
