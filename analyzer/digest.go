package analyzer

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// digestMoved: the Pods that fail run another build under the same image name
// than those that work: the tag was moved, which no template tells of. Nodes of
// another architecture run another build by rights, so only alike are compared.
func (s *service) digestMoved(g *group) *cause {
	w := g.units[0].workload
	if w == nil || g.root.layer() != startup && g.root.layer() != readiness {
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
		if !failing[p] && ready(p) {
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
		return firstWords(id, 40)
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
