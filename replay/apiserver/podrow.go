package apiserver

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pods shows Pods as printPod of Kubernetes does
// (pkg/printers/internalversion/printers.go).
func pods() printer {
	p := rows(podCells, "Name", "Ready", "Status", "Restarts", "Age",
		"+IP", "+Node", "+Nominated Node", "+Readiness Gates")
	p.conditions = func(object []byte) []metav1.TableRowCondition {
		done := metav1.TableRowCondition{Type: metav1.RowCompleted, Status: metav1.ConditionTrue}
		switch done.Reason = text(object, "status.phase"); done.Reason {
		case string(corev1.PodSucceeded):
			done.Message = "The pod has completed successfully."
		case string(corev1.PodFailed):
			done.Message = "The pod failed."
		default:
			return nil
		}
		return []metav1.TableRowCondition{done}
	}
	return p
}

func podCells(p *corev1.Pod, at time.Time) []any {
	s := summarize(p)
	restarts := strconv.Itoa(s.restarts)
	if s.restarts > 0 && !s.lastRestart.IsZero() {
		restarts += " (" + age(s.lastRestart, at) + " ago)"
	}
	ip := ""
	if len(p.Status.PodIPs) > 0 {
		ip = p.Status.PodIPs[0].IP
	}
	return []any{
		p.Name, fmt.Sprintf("%d/%d", s.ready, s.containers), s.status, restarts, age(p.CreationTimestamp, at),
		or(ip, none), or(p.Spec.NodeName, none), or(p.Status.NominatedNodeName, none), readinessGates(p),
	}
}

// podSummary is a Pod in one line.
type podSummary struct {
	status            string
	ready, containers int // sidecars count, other init containers do not
	restarts          int
	lastRestart       metav1.Time
}

func summarize(p *corev1.Pod) podSummary {
	s := podSummary{status: or(p.Status.Reason, string(p.Status.Phase)), containers: len(p.Spec.Containers)}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			s.status = corev1.PodReasonSchedulingGated
		}
	}
	sidecars := map[string]bool{}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars[c.Name] = true
			s.containers++
		}
	}
	if initialized := s.initContainers(p, sidecars); initialized || hasCondition(p, corev1.PodInitialized) {
		s.mainContainers(p, sidecars)
	}
	switch {
	case p.DeletionTimestamp == nil:
	case p.Status.Reason == "NodeLost": // pkg/util/node: the kubelet does not answer
		s.status = "Unknown"
	case p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed:
		s.status = "Terminating"
	}
	return s
}

// initContainers takes up the first init container that is not done, and
// reports whether there is none.
func (s *podSummary) initContainers(p *corev1.Pod, sidecars map[string]bool) bool {
	for i, c := range p.Status.InitContainerStatuses {
		s.restarted(&c)
		ended, waiting := c.State.Terminated, c.State.Waiting
		switch {
		case ended != nil && ended.ExitCode == 0:
			continue
		case sidecars[c.Name] && c.Started != nil && *c.Started:
			if c.Ready {
				s.ready++
			}
			continue
		case ended != nil:
			s.status = "Init:" + ending(ended)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			s.status = "Init:" + waiting.Reason
		default:
			s.status = fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
		}
		return false
	}
	return true
}

// mainContainers takes up the containers, the first one last, so that its
// trouble is the one shown. Restarts of init containers no longer count then,
// but those of sidecars do.
func (s *podSummary) mainContainers(p *corev1.Pod, sidecars map[string]bool) {
	s.restarts, s.lastRestart = 0, metav1.Time{}
	for _, c := range p.Status.InitContainerStatuses {
		if sidecars[c.Name] {
			s.restarted(&c)
		}
	}
	running, failure := false, ""
	for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := &p.Status.ContainerStatuses[i]
		s.restarted(c)
		switch ended := c.State.Terminated; {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			s.status = c.State.Waiting.Reason
		case ended != nil:
			s.status = ending(ended)
			if ended.ExitCode != 0 {
				failure = s.status
			}
		case c.Ready && c.State.Running != nil:
			running = true
			s.ready++
		}
	}
	if s.status != "Completed" {
		return
	}
	switch {
	case running && hasCondition(p, corev1.PodReady):
		s.status = "Running"
	case failure != "":
		s.status = failure
	case running:
		s.status = "NotReady"
	}
}

func (s *podSummary) restarted(c *corev1.ContainerStatus) {
	s.restarts += int(c.RestartCount)
	if last := c.LastTerminationState.Terminated; last != nil && s.lastRestart.Before(&last.FinishedAt) {
		s.lastRestart = last.FinishedAt
	}
}

// ending says how a container ended.
func ending(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

func hasCondition(p *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == kind && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func readinessGates(p *corev1.Pod) string {
	if len(p.Spec.ReadinessGates) == 0 {
		return none
	}
	open := 0
	for _, gate := range p.Spec.ReadinessGates {
		if hasCondition(p, gate.ConditionType) {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(p.Spec.ReadinessGates))
}
