package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
	"github.com/svcspy/svcspy/analyzer/phrase"
)

// unlikePods: of the Pods that get traffic some made from one template have a container
// that the others have not. A template gives all the same, so admission added it to some
// only, as when an injector was away, or came or went in between. What the container does
// for them no object tells.
func (s *service) unlikePods() []*cause {
	type group struct{ with, without []*corev1.Pod }
	type made struct{ by, revision string }
	pods := map[made][]*corev1.Pod{}
	for _, p := range s.pods {
		owner := metav1.GetControllerOfNoCopy(p)
		revision := p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] + p.Labels[appsv1.ControllerRevisionHashLabelKey]
		if owner == nil || revision == "" || !kube.Ready(p) || kube.Terminating(p) {
			continue
		}
		of := made{string(owner.UID), revision}
		pods[of] = append(pods[of], p)
	}
	found := map[string]*group{} // by container
	for _, alike := range pods {
		names := map[string][]*corev1.Pod{}
		for _, p := range alike {
			for c := range kube.PortContainers(&p.Spec) {
				names[c.Name] = append(names[c.Name], p)
			}
		}
		for name, with := range names {
			if len(with) == len(alike) {
				continue
			}
			g := found[name]
			if g == nil {
				g = &group{}
				found[name] = g
			}
			g.with = append(g.with, with...)
			g.without = append(g.without, slices.DeleteFunc(slices.Clone(alike), func(p *corev1.Pod) bool { return slices.Contains(with, p) })...)
		}
	}
	var causes []*cause
	for name, g := range found {
		byName := func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(g.with, byName)
		slices.SortFunc(g.without, byName)
		var names []string
		for _, p := range g.without {
			names = append(names, p.Name)
		}
		has := "has"
		if len(g.without) > 1 {
			has = "have"
		}
		c := s.cause("sidecar-missing", clause("%s made from the same template %s no container %s, which %s: %s; what it does there it does not do here",
			phrase.Quantity(len(g.without), "Pod"), has, name, theyHave(len(g.with)), phrase.Enumerate(names, 3)),
			s.q.see(g.without[0], "/spec/containers", strings.Join(containerNames(&g.without[0].Spec), ", ")),
			s.q.see(g.with[0], "/spec/containers", strings.Join(containerNames(&g.with[0].Spec), ", ")))
		c.key, c.certainty, c.since = name, Likely, firstOf(g.with)
		if at := firstOf(g.without); at.After(c.since) {
			c.since = at
		}
		c.next = commands(describe("pod", g.without[0].Namespace, g.without[0].Name))
		causes = append(causes, c)
	}
	slices.SortFunc(causes, func(a, b *cause) int { return strings.Compare(a.key, b.key) })
	return causes
}

func theyHave(n int) string {
	if n == 1 {
		return "another has"
	}
	return fmt.Sprintf("%d others have", n)
}

func containerNames(spec *corev1.PodSpec) []string {
	var names []string
	for c := range kube.PortContainers(spec) {
		names = append(names, c.Name)
	}
	return names
}

// firstOf is when the first of the Pods was made.
func firstOf(pods []*corev1.Pod) time.Time {
	at := pods[0].CreationTimestamp.Time
	for _, p := range pods {
		if p.CreationTimestamp.Time.Before(at) {
			at = p.CreationTimestamp.Time
		}
	}
	return at
}
