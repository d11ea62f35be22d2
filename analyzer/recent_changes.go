package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/store"
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
	if w == nil || g.root.layer() != registry.Startup && g.root.layer() != registry.Readiness || registry.Lookup(g.root.id).Is(registry.NotOfTemplate) {
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
			c := s.q.rolloutCause(r, "image-change-preceded-failure", clause("only Pods with image %s fail; it replaced %s%s at %s", now.Image, was.Image, by, phrase.Clock(began, s.q.now)), e)
			c.certainty, c.since, c.next = Likely, began, nil
			return c
		}
	}
	return nil
}

// configChange: what the failing containers read changed before they started,
// however long before: environment is read at the start only.
func (s *service) configChange(g *group) []*cause {
	if !registry.Lookup(g.root.id).Is(registry.ReadsConfig) {
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
			c := s.cause(id, clause("%s at %s, %s before the containers that fail were started", change.what(), phrase.Clock(change.at, s.q.now), started.Sub(change.at).Round(time.Second)), change.keys[:min(len(change.keys), maxRows)]...)
			if change.at.After(started) {
				c.says = clause("%s at %s", change.what(), phrase.Clock(change.at, s.q.now))
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
				c := s.cause("config-change-preceded-failure", clause("%s at %s; containers started before that read it at their next start", change.what(), phrase.Clock(change.at, s.q.now)), change.keys[:min(len(change.keys), maxRows)]...)
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

// configRef is a ConfigMap or Secret that a container reads.
type configRef struct {
	kind, name string
	key        string // "" for all
	optional   bool
	volume     bool // as files, which follow changes; environment does not
}

// configRefs lists what a container reads, by environment and volumes, in the
// order of the spec.
func configRefs(spec *corev1.PodSpec, k *corev1.Container) []configRef {
	var refs []configRef
	add := func(kind, name, key string, optional *bool, volume bool) {
		if name != "" {
			refs = append(refs, configRef{kind, name, key, optional != nil && *optional, volume})
		}
	}
	for _, e := range k.EnvFrom {
		if r := e.ConfigMapRef; r != nil {
			add("ConfigMap", r.Name, "", r.Optional, false)
		}
		if r := e.SecretRef; r != nil {
			add("Secret", r.Name, "", r.Optional, false)
		}
	}
	for _, e := range k.Env {
		if e.ValueFrom == nil {
			continue
		}
		if r := e.ValueFrom.ConfigMapKeyRef; r != nil {
			add("ConfigMap", r.Name, r.Key, r.Optional, false)
		}
		if r := e.ValueFrom.SecretKeyRef; r != nil {
			add("Secret", r.Name, r.Key, r.Optional, false)
		}
	}
	for _, v := range spec.Volumes {
		if !slices.ContainsFunc(k.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name }) {
			continue
		}
		if v.ConfigMap != nil {
			add("ConfigMap", v.ConfigMap.Name, "", v.ConfigMap.Optional, true)
		}
		if v.Secret != nil {
			add("Secret", v.Secret.SecretName, "", v.Secret.Optional, true)
		}
		if v.Projected == nil {
			continue
		}
		for _, p := range v.Projected.Sources {
			if p.ConfigMap != nil {
				add("ConfigMap", p.ConfigMap.Name, "", p.ConfigMap.Optional, true)
			}
			if p.Secret != nil {
				add("Secret", p.Secret.Name, "", p.Secret.Optional, true)
			}
		}
	}
	return refs
}

// missingConfig adds what the container refers to and what does not exist.
func (c *podCase) missingConfig(k *container, found *cause) {
	for _, ref := range configRefs(&c.pod.Spec, k.spec) {
		kd := kindsByName[ref.kind]
		if c.q.covered(kd, c.pod.Namespace) && c.q.view.Get(store.Ref{Resource: kd.resource, Namespace: c.pod.Namespace, Name: ref.name}) == nil && !ref.optional {
			found.evidence = append(found.evidence, c.q.absent(kd, c.pod.Namespace, ref.name))
			found.variant = ref.kind + " " + ref.name
			found.next = append(commands(command.Kubectl("get").Add(command.Object(strings.ToLower(ref.kind), c.pod.Namespace, ref.name)...)), found.next...)
		}
	}
}

// configChange is the last recorded change of a ConfigMap or Secret.
type configChange struct {
	ref     configRef
	at      time.Time
	deleted bool
	keys    []Evidence // what changed, one row a key
}

// configChanged returns the last recorded change of what is referred to, nil
// if none was recorded. Values of Secrets are what the recording has: hashes.
func (q *inquiry) configChanged(ref configRef, namespace string) *configChange {
	if ref.kind == "Secret" {
		return changeOf(q, ref, namespace, func(s *corev1.Secret) map[string]string {
			values := map[string]string{}
			for k, v := range s.Data {
				values[k] = string(v)
			}
			return values
		})
	}
	return changeOf(q, ref, namespace, func(c *corev1.ConfigMap) map[string]string { return c.Data })
}

// redacted begins what the recorder writes for a value it does not record: a
// keyed hash that differs where the values differ.
const redacted = "‹r:"

// shown is how a value appears in evidence; that of a Secret only if it is
// redacted.
func (ref configRef) shown(value string) string {
	if ref.kind == "Secret" && value != "" && !strings.HasPrefix(value, redacted) {
		return phrase.Quantity(len(value), "byte")
	}
	return phrase.FirstWords(value, 80)
}

func changeOf[T any](q *inquiry, ref configRef, namespace string, data func(*T) map[string]string) *configChange {
	var newer *T
	var newest *Object
	n := 0
	for o, v := range past[T](q, namespace, ref.name) {
		if newer == nil {
			newer, newest = v, o
			if o.Type == watch.Deleted {
				return &configChange{ref: ref, at: o.Time, deleted: true, keys: []Evidence{q.see(v, "", "deleted")}}
			}
			continue
		}
		if o.UID != newest.UID || n == maxHistory {
			return nil
		}
		n++
		if keys := q.changedKeys(ref, newer, data(v), data(newer)); len(keys) > 0 {
			return &configChange{ref: ref, at: newest.Time, keys: keys}
		}
		newer, newest = v, o
	}
	return nil
}

// changedKeys compares the data of two versions.
func (q *inquiry) changedKeys(ref configRef, newer any, from, to map[string]string) []Evidence {
	var keys []string
	for k, v := range to {
		if old, had := from[k]; !had || old != v {
			keys = append(keys, k)
		}
	}
	for k := range from {
		if _, has := to[k]; !has {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var rows []Evidence
	for _, k := range keys {
		e := q.see(newer, "/data/"+k, ref.shown(to[k]))
		e.Old = ref.shown(from[k])
		rows = append(rows, e)
	}
	return rows
}

// what names the change: "ConfigMap web-config key MODE".
func (c *configChange) what() string {
	var keys []string
	for _, e := range c.keys {
		keys = append(keys, strings.TrimPrefix(e.Path, "/data/"))
	}
	switch {
	case c.deleted:
		return fmt.Sprintf("%s %s was deleted", c.ref.kind, c.ref.name)
	case len(keys) == 1:
		return fmt.Sprintf("%s %s key %s changed", c.ref.kind, c.ref.name, keys[0])
	}
	return fmt.Sprintf("%s %s keys %s changed", c.ref.kind, c.ref.name, phrase.Enumerate(keys, 3))
}

// digestMoved: the Pods that fail run another build under the same image name
// than those that work: the tag was moved, which no template tells of. Nodes of
// another architecture run another build by rights, so only alike are compared.
func (s *service) digestMoved(g *group) *cause {
	w := g.units[0].workload
	if w == nil || g.root.layer() != registry.Startup && g.root.layer() != registry.Readiness {
		return nil
	}
	failing := map[*corev1.Pod]bool{}
	for _, u := range g.units {
		if u.pod != nil && u.workload == w {
			failing[u.pod] = true
		}
	}
	working := s.workingPods(w, failing)
	for i := range g.units[0].pod.Status.ContainerStatuses {
		name := g.units[0].pod.Status.ContainerStatuses[i].Name
		bad, one := s.digest(name, g.units[0].pod)
		if !one {
			continue
		}
		for p := range failing {
			if d, known := s.digest(name, p); !known || d != bad {
				one = false
			}
		}
		var good *corev1.Pod
		for _, p := range working {
			switch d, known := s.digest(name, p); {
			case !known || d.image != bad.image || d.arch != bad.arch:
			case d.id == bad.id:
				one = false // it works with this build too
			case good == nil:
				good = p
			}
		}
		if !one || good == nil {
			continue
		}
		now := s.q.see(g.units[0].pod, "/status/containerStatuses[name="+name+"]/imageID", bad.id)
		was, _ := s.digest(name, good)
		now.Old = was.id
		c := s.cause("image-change-preceded-failure", clause("image %s is another build where it fails (%s) than where it works (%s): the tag was moved", bad.image, shortDigest(bad.id), shortDigest(was.id)),
			now, s.q.see(good, "/status/containerStatuses[name="+name+"]/imageID", was.id))
		c.variant, c.certainty, c.subject, c.since = "image-digest-moved", Likely, s.q.subject(w.object), firstMade(failing)
		return c
	}
	return nil
}

// workingPods are the workload's Pods that are ready, and those that were and
// are gone, latest first.
func (s *service) workingPods(w *workload, failing map[*corev1.Pod]bool) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range w.pods {
		if !failing[p] && kube.Ready(p) {
			pods = append(pods, p)
		}
	}
	if len(pods) > 0 {
		return pods
	}
	s.formerPods(func(_ *Object, p *corev1.Pod) bool {
		if top := s.q.lastController(p); top != nil && top.meta.UID == w.meta.UID {
			pods = append(pods, p)
		}
		return len(pods) < maxRows
	})
	return pods
}

// build is what a container runs: the image it asks for, and what that was.
type build struct{ image, id, arch string }

// digest returns what a container of a Pod runs; ok is false if that is not
// known.
func (s *service) digest(container string, p *corev1.Pod) (b build, ok bool) {
	for i := range p.Status.ContainerStatuses {
		if cs := &p.Status.ContainerStatuses[i]; cs.Name == container {
			// The runtime's prefix and the repository stand before the digest.
			b.id = cs.ImageID[strings.LastIndexByte(cs.ImageID, '@')+1:]
		}
	}
	for i := range p.Spec.Containers {
		if p.Spec.Containers[i].Name == container {
			b.image = p.Spec.Containers[i].Image
		}
	}
	if n := s.q.node(p.Spec.NodeName); n != nil {
		b.arch = n.Labels[corev1.LabelArchStable]
	}
	return b, b.id != "" && b.image != ""
}

// shortDigest is enough of a digest to tell two apart.
func shortDigest(id string) string {
	const algorithm, shown = "sha256:", 12
	hash, isHash := strings.CutPrefix(id, algorithm)
	if !isHash || len(hash) <= shown {
		return phrase.FirstWords(id, 40)
	}
	return algorithm + hash[:shown]
}

// firstMade is when the first of the Pods was made.
func firstMade(pods map[*corev1.Pod]bool) time.Time {
	var first time.Time
	for p := range pods {
		if t := p.CreationTimestamp.Time; first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}
