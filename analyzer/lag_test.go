package analyzer

import (
	"slices"
	"testing"
	"time"

	"github.com/svcspy/svcspy/store"
)

// Endpoints lag behind Pods that are selected. They have nothing to follow while
// the selector is another, or the Pod has other labels.
func TestEndpointLag(t *testing.T) {
	late := slice("web-a n1 ready", "web-b n2 ready", "web-c n3 ready")
	before := slice("web-a n1 notready", "web-b n2 ready", "web-c n3 ready")
	missing := slice("web-b n2 ready", "web-c n3 ready")
	unready := pod("web-a", 1, "n1", "web:ok1", "1s", unready("2s", "4s"))
	ready := pod("web-a", 1, "n1", "web:ok1", "1s", running("10s"))
	for _, tt := range []struct {
		name  string
		story func(*world)
		lags  bool
	}{
		{"written late", func(w *world) {
			w.apply(4*time.Second, unready+"---"+before)
			w.apply(10*time.Second, ready)
			w.apply(30*time.Second, late)
		}, true},
		{"written at once", func(w *world) {
			w.apply(4*time.Second, unready+"---"+before)
			w.apply(10*time.Second, ready)
			w.apply(11*time.Second, late)
		}, false},
		{"the selector was another", func(w *world) {
			w.apply(4*time.Second, unready+"---"+sub(webService, "selector: {app: web}", "selector: {app: wbe}")+"---"+missing)
			w.apply(10*time.Second, ready)
			w.apply(29*time.Second, webService)
			w.apply(30*time.Second, late)
		}, false},
		{"the Pod had other labels", func(w *world) {
			w.apply(4*time.Second, sub(unready, "app: web,", "app: wbe,")+"---"+missing)
			w.apply(10*time.Second, sub(ready, "app: web,", "app: wbe,"))
			w.apply(29*time.Second, ready)
			w.apply(30*time.Second, late)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(time.Second, baseline())
			tt.story(w)
			r := Diagnose(w.at(40*time.Second), store.Ref{Resource: kindsByName["Service"].resource, Namespace: "shop", Name: "web"}, Options{})
			checkReport(t, r)
			if got := slices.ContainsFunc(r.Risks, func(f Finding) bool { return f.ID == "endpoint-lag" }); got != tt.lags {
				t.Errorf("lags: %t, want %t; risks %+v, headline %s", got, tt.lags, r.Risks, r.Headline.Message)
			}
		})
	}
}
