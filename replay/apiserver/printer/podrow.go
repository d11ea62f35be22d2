package printer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store/rawjson"
)

// pods shows Pods as printPod of Kubernetes does
// (pkg/printers/internalversion/printers.go).
func pods() Printer {
	p := Printer{Cells: podCells, Columns: columns("Name", "Ready", "Status", "Restarts", "Age",
		"+IP", "+Node", "+Nominated Node", "+Readiness Gates")}
	p.Conditions = func(object []byte) []metav1.TableRowCondition {
		done := metav1.TableRowCondition{Type: metav1.RowCompleted, Status: metav1.ConditionTrue}
		switch done.Reason = rawjson.Text(object, "status.phase"); done.Reason {
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

// pod is what a row shows of a Pod. There are more Pods than anything else, and
// decoding all of them whole takes four times as long.
type pod struct {
	name, node     string
	created        metav1.Time
	deleting       bool
	containers     int
	sidecars       map[string]bool // init containers that go on running, by name
	initContainers int
	gates          []corev1.PodConditionType
	podStatus
}

// podStatus is the part of the status that a row shows.
type podStatus struct {
	Phase             corev1.PodPhase `json:"phase"`
	Reason            string          `json:"reason"`
	NominatedNodeName string          `json:"nominatedNodeName"`
	PodIPs            []corev1.PodIP  `json:"podIPs"`
	Conditions        []struct {
		Type   corev1.PodConditionType `json:"type"`
		Status corev1.ConditionStatus  `json:"status"`
		Reason string                  `json:"reason"`
	} `json:"conditions"`
	InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
	ContainerStatuses     []containerStatus `json:"containerStatuses"`
}

type containerStatus struct {
	Name         string                `json:"name"`
	Ready        bool                  `json:"ready"`
	Started      bool                  `json:"started"`
	RestartCount int                   `json:"restartCount"`
	State        corev1.ContainerState `json:"state"`
	LastState    corev1.ContainerState `json:"lastState"`
}

func readPod(object []byte) (*pod, error) {
	var parts [3][]byte
	rawjson.Members(object, []string{"metadata", "spec", "status"}, parts[:])
	metadata, spec, status := parts[0], parts[1], parts[2]
	var meta [3][]byte
	rawjson.Members(metadata, []string{"name", "creationTimestamp", "deletionTimestamp"}, meta[:])
	var specs [4][]byte
	rawjson.Members(spec, []string{"nodeName", "containers", "initContainers", "readinessGates"}, specs[:])
	p := &pod{
		name: rawjson.Scalar(meta[0]), created: asTime(meta[1]), deleting: rawjson.Scalar(meta[2]) != "",
		node: rawjson.Scalar(specs[0]), sidecars: map[string]bool{},
	}
	for range rawjson.Elements(specs[1]) {
		p.containers++
	}
	for c := range rawjson.Elements(specs[2]) {
		p.initContainers++
		if rawjson.Text(c, "restartPolicy") == string(corev1.ContainerRestartPolicyAlways) {
			p.sidecars[rawjson.Text(c, "name")] = true
		}
	}
	for g := range rawjson.Elements(specs[3]) {
		p.gates = append(p.gates, corev1.PodConditionType(rawjson.Text(g, "conditionType")))
	}
	if status != nil {
		if err := json.Unmarshal(status, &p.podStatus); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func podCells(object []byte, at time.Time) ([]any, error) {
	p, err := readPod(object)
	if err != nil {
		return nil, err
	}
	s := p.summary()
	restarts := strconv.Itoa(s.restarts)
	if s.restarts > 0 && !s.lastRestart.IsZero() {
		restarts += " (" + age(s.lastRestart, at) + " ago)"
	}
	ip := ""
	if len(p.PodIPs) > 0 {
		ip = p.PodIPs[0].IP
	}
	return []any{
		p.name, fmt.Sprintf("%d/%d", s.ready, s.containers), s.status, restarts, age(p.created, at),
		or(ip, none), or(p.node, none), or(p.NominatedNodeName, none), p.readinessGates(),
	}, nil
}

// podSummary is a Pod in one line.
type podSummary struct {
	status            string
	ready, containers int // sidecars count, other init containers do not
	restarts          int
	lastRestart       metav1.Time
}

func (p *pod) summary() podSummary {
	s := podSummary{status: or(p.Reason, string(p.Phase)), containers: p.containers + len(p.sidecars)}
	for _, c := range p.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			s.status = corev1.PodReasonSchedulingGated
		}
	}
	if initialized := s.addInit(p); initialized || p.has(corev1.PodInitialized) {
		s.addMain(p)
	}
	switch {
	case !p.deleting:
	case p.Reason == "NodeLost": // pkg/util/node: the kubelet does not answer
		s.status = "Unknown"
	case p.Phase != corev1.PodSucceeded && p.Phase != corev1.PodFailed:
		s.status = "Terminating"
	}
	return s
}

// addInit takes up the first init container that is not done, and reports
// whether there is none.
func (s *podSummary) addInit(p *pod) bool {
	for i := range p.InitContainerStatuses {
		c := &p.InitContainerStatuses[i]
		s.restarted(c)
		ended, waiting := c.State.Terminated, c.State.Waiting
		switch {
		case ended != nil && ended.ExitCode == 0:
			continue
		case p.sidecars[c.Name] && c.Started:
			if c.Ready {
				s.ready++
			}
			continue
		case ended != nil:
			s.status = "Init:" + ending(ended)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			s.status = "Init:" + waiting.Reason
		default:
			s.status = fmt.Sprintf("Init:%d/%d", i, p.initContainers)
		}
		return false
	}
	return true
}

// addMain takes up the containers, the first one last, so that its
// trouble is the one shown. Restarts of init containers no longer count then,
// but those of sidecars do.
func (s *podSummary) addMain(p *pod) {
	s.restarts, s.lastRestart = 0, metav1.Time{}
	for i := range p.InitContainerStatuses {
		if c := &p.InitContainerStatuses[i]; p.sidecars[c.Name] {
			s.restarted(c)
		}
	}
	running, failure := false, ""
	for i := len(p.ContainerStatuses) - 1; i >= 0; i-- {
		c := &p.ContainerStatuses[i]
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
	case running && p.has(corev1.PodReady):
		s.status = "Running"
	case failure != "":
		s.status = failure
	case running:
		s.status = "NotReady"
	}
}

func (s *podSummary) restarted(c *containerStatus) {
	s.restarts += c.RestartCount
	if last := c.LastState.Terminated; last != nil && s.lastRestart.Before(&last.FinishedAt) {
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

// has reports whether a condition is true.
func (p *pod) has(kind corev1.PodConditionType) bool {
	for _, c := range p.Conditions {
		if c.Type == kind && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func (p *pod) readinessGates() string {
	if len(p.gates) == 0 {
		return none
	}
	open := 0
	for _, gate := range p.gates {
		if p.has(gate) {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(p.gates))
}
