package flight

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// References follows references that lead out of the recorded scope: whatever a
// diagnosis wanted to know of a namespace that is not recorded, such as the one
// an ExternalName or a Gateway points at, is recorded from then on.
type References struct {
	// Targets is for recorder.Options.Follow.
	Targets chan recorder.Target
	named   map[recorder.Target]bool
}

// NewReferences returns References that have followed nothing yet.
func NewReferences() *References {
	return &References{Targets: make(chan recorder.Target), named: map[recorder.Target]bool{}}
}

// View is a State that notes which resources were asked for and are not
// recorded.
type View struct {
	*replay.State
	unrecorded []recorder.Target
}

// Coverage notes the resource if it is not recorded in the namespace. A question
// about all namespaces at once is not followed: that would be the whole cluster.
func (v *View) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	c := v.State.Coverage(resource, namespace)
	if c.Status == store.NotRecorded && namespace != "" {
		v.unrecorded = append(v.unrecorded, recorder.Target{Resource: resource, Namespace: namespace})
	}
	return c
}

// Follow has the recorder record what the View noted, and returns the targets
// that are new to it.
func (r *References) Follow(ctx context.Context, v *View) []recorder.Target {
	var news []recorder.Target
	for _, target := range v.unrecorded {
		if r.named[target] {
			continue
		}
		select {
		case r.Targets <- target:
			r.named[target] = true
			news = append(news, target)
		case <-ctx.Done():
			return news
		}
	}
	return news
}
