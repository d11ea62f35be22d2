package main

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// pursuit follows references that lead out of what is being recorded: whatever
// a diagnosis wanted to know of a namespace that nobody listens to, such as the
// one an ExternalName or a Gateway points at, is recorded from then on.
type pursuit struct {
	targets chan recorder.Target // recorder.Options.Follow
	named   map[recorder.Target]bool
}

func newPursuit() *pursuit {
	return &pursuit{targets: make(chan recorder.Target), named: map[recorder.Target]bool{}}
}

// asking is a State that notes what it was asked for and could not know.
type asking struct {
	*replay.State
	unheard []recorder.Target
}

// Coverage notes the resource if it is not recorded in the namespace. What is
// asked about all namespaces at once is not followed: that would be the cluster.
func (a *asking) Coverage(resource schema.GroupVersionResource, namespace string) store.Coverage {
	c := a.State.Coverage(resource, namespace)
	if c.Status == store.NotRecorded && namespace != "" {
		a.unheard = append(a.unheard, recorder.Target{Resource: resource, Namespace: namespace})
	}
	return c
}

// pursue has the recorder listen to what was asked for, and returns what it had
// not been told of before.
func (p *pursuit) pursue(ctx context.Context, a *asking) []recorder.Target {
	var news []recorder.Target
	for _, target := range a.unheard {
		if p.named[target] {
			continue
		}
		select {
		case p.targets <- target:
			p.named[target] = true
			news = append(news, target)
		case <-ctx.Done():
			return news
		}
	}
	return news
}
