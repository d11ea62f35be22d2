package analyzer

import (
	"fmt"
	"slices"
	"time"
)

// explain looks for changes that came right before what now fails. They never
// replace the cause, they point at it.
func (s *service) explain(a *answer) []*cause {
	groups := a.groups()
	if len(groups) == 0 || groups[0].units[0].kind != podUnit {
		return nil
	}
	g := groups[0]
	var found []*cause
	if c := s.imageChange(g); c != nil {
		found = append(found, c)
	} else if c := s.digestMoved(g); c != nil {
		found = append(found, c)
	}
	return append(found, s.configChange(g)...)
}

// imageChange: only Pods with a new image fail.
func (s *service) imageChange(g *group) *cause {
	w := g.units[0].workload
	if w == nil || g.root.layer() != startup && g.root.layer() != readiness || g.root.id == "pod-stalled-on-node" {
		return nil
	}
	r := s.q.rollout(w)
	if r == nil || r.current == nil || len(r.older) == 0 {
		return nil
	}
	for _, u := range g.units {
		if u.workload != w || s.q.revision(u.pod) != r.revision() {
			return nil
		}
	}
	began := r.started()
	since, _ := g.onset()
	if since.Before(began.Add(-time.Second)) || since.Sub(began) > window+time.Duration(deadline(r.deployment))*time.Second {
		return nil
	}
	for i := range r.current.Spec.Template.Spec.Containers {
		now := &r.current.Spec.Template.Spec.Containers[i]
		for j := range r.older[0].Spec.Template.Spec.Containers {
			was := &r.older[0].Spec.Template.Spec.Containers[j]
			if was.Name != now.Name || was.Image == now.Image {
				continue
			}
			by := ""
			if wr := writerOf(&r.deployment.ObjectMeta, "f:spec", "f:template", "f:spec", "f:containers", fmt.Sprintf(`k:{"name":%q}`, now.Name), "f:image"); wr != nil {
				by = " by " + wr.String()
			}
			e := s.q.see(r.current, "/spec/template/spec/containers[name="+now.Name+"]/image", now.Image)
			e.Old = was.Image
			c := s.q.rolloutCause(r, "image-change-preceded-failure", clause("only Pods with image %s fail; it replaced %s%s at %s", now.Image, was.Image, by, clock(began, s.q.now)), e)
			c.certainty, c.since, c.next = Likely, began, nil
			return c
		}
	}
	return nil
}

// configChange: what the failing containers read changed before they started,
// however long before: environment is read at the start only.
func (s *service) configChange(g *group) []*cause {
	if !slices.Contains([]string{"crash-loop", "oom-killed", "liveness-killing", "container-start-error", "container-config-error", "readiness-probe-failing", "startup-probe-pending", "init-blocking"}, g.root.id) {
		return nil
	}
	pc := &podCase{q: s.q, pod: g.units[0].pod, workload: g.units[0].workload}
	var found []*cause
	for _, k := range pc.containers() {
		if !k.blocking() {
			continue
		}
		started := s.q.now
		if r := k.status.State.Running; r != nil {
			started = r.StartedAt.Time
		} else if t := k.exited(); t != nil {
			started = t.StartedAt.Time
		}
		for _, ref := range configRefs(&pc.pod.Spec, k.spec) {
			change := s.q.configChanged(ref, pc.pod.Namespace)
			if change == nil || !ref.volume && change.at.After(started.Add(time.Second)) {
				continue
			}
			id := "config-change-preceded-failure"
			if change.deleted {
				id = "deletion-order"
			}
			c := s.cause(id, clause("%s at %s, %s before the containers that fail were started", change.what(), clock(change.at, s.q.now), started.Sub(change.at).Round(time.Second)), change.keys[:min(len(change.keys), maxRows)]...)
			if change.at.After(started) {
				c.says = clause("%s at %s", change.what(), clock(change.at, s.q.now))
			}
			c.certainty, c.since, c.key = Likely, change.at, ref.kind+ref.name
			if len(found) < 3 && !slices.ContainsFunc(found, c.same) {
				found = append(found, c)
			}
		}
	}
	return found
}

// latentConfig: configuration changed after all containers that read it as
// environment had started: it takes effect, good or bad, at the next restart.
func (s *service) latentConfig() []*cause {
	var found []*cause
	for _, w := range s.workloads {
		if len(w.pods) == 0 {
			continue
		}
		for i := range w.template.Spec.Containers {
			k := &w.template.Spec.Containers[i]
			for _, ref := range configRefs(&w.template.Spec, k) {
				if ref.volume {
					continue
				}
				change := s.q.configChanged(ref, s.svc.Namespace)
				if change == nil || s.startedAfter(w, k.Name, change.at) {
					continue
				}
				c := s.cause("config-change-preceded-failure", clause("%s at %s; containers started before that read it at their next start", change.what(), clock(change.at, s.q.now)), change.keys[:min(len(change.keys), maxRows)]...)
				c.variant, c.since, c.certainty, c.key = "latent", change.at, Possible, ref.kind+ref.name
				if len(found) < 3 && !slices.ContainsFunc(found, c.same) {
					found = append(found, c)
				}
			}
		}
	}
	return found
}

// startedAfter reports whether some container of that name started since.
func (s *service) startedAfter(w *workload, name string, at time.Time) bool {
	for _, p := range w.pods {
		for _, cs := range p.Status.ContainerStatuses {
			if cs.Name == name && cs.State.Running != nil && cs.State.Running.StartedAt.After(at) {
				return true
			}
		}
	}
	return false
}
