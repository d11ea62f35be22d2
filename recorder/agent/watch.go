package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

const (
	// watchEvery is how often the verdicts are looked at.
	watchEvery = 5 * time.Second
	// watchMemory bounds the decoded objects that are held for them.
	watchMemory = 64 << 20
)

// watch follows the verdicts on Services until ctx ends, and has a segment cut when
// one breaks. While the ring cannot be read it tries again.
func (a *Agent) watch(ctx context.Context) {
	if a.Services == 0 {
		return
	}
	select {
	case <-a.ready:
	case <-ctx.Done():
		return
	}
	known := map[store.Ref]analyzer.State{}
	for ctx.Err() == nil {
		if err := a.follow(ctx, known); err != nil && ctx.Err() == nil {
			a.Metric.watchFailures.Inc()
		}
		pause(ctx, watchEvery)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow looks at the ring again and again until it cannot be read.
func (a *Agent) follow(ctx context.Context, known map[store.Ref]analyzer.State) error {
	r, err := store.Open(a.ring)
	if err != nil {
		return err
	}
	defer r.Close()
	cursor := replay.NewCursor(r)
	cursor.BoundMemory(watchMemory)
	for ctx.Err() == nil {
		s, err := cursor.End()
		if err != nil {
			return err
		}
		if err := a.look(s, known); err != nil {
			return err
		}
		s.Cache().Age()
		pause(ctx, watchEvery)
		tick, cancel := context.WithTimeout(ctx, watchEvery)
		err = r.Wait(tick, s.Seq())
		late := tick.Err() != nil
		cancel()
		if err != nil && !late {
			return err
		}
	}
	return ctx.Err()
}

// look judges the first Services, in the order of their names.
func (a *Agent) look(s *replay.State, known map[store.Ref]analyzer.State) error {
	services := s.List(store.Query{Resource: replay.Services})
	now, shown := map[store.Ref]analyzer.State{}, map[store.Ref]string{}
	for _, o := range services[:min(len(services), a.Services)] {
		v := analyzer.Diagnose(s, o.Ref(), analyzer.Options{}).Verdict
		now[o.Ref()], shown[o.Ref()] = v.State, string(v.State)
		if v.Intent != "" { // nobody is to be woken for what is wanted
			shown[o.Ref()] = v.Intent
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	why := ""
	for ref, state := range now {
		before, seen := known[ref]
		if name := ref.Namespace + "/" + ref.Name; seen && breaks(before, state) && (why == "" || name < why) {
			why = name
		}
		known[ref] = state
	}
	for ref := range known {
		if _, is := now[ref]; !is {
			delete(known, ref)
		}
	}
	a.Metric.verdicts(shown, len(services)-len(now))
	if why != "" {
		a.Say("a segment is cut now: %s", fmt.Sprintf("the verdict on Service %s became worse", why))
		a.ask(broken)
	}
	return nil
}

// breaks reports whether a Service lost traffic.
func breaks(before, now analyzer.State) bool {
	return verdict.Rank(now) <= verdict.Rank(analyzer.PartiallyServing) && verdict.Rank(now) < verdict.Rank(before)
}
