package analyzer

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer/command"
)

// cause is why units of service are missing: a diagnosis about a subject, with
// what proves it, and what caused it in turn.
type cause struct {
	id      string
	variant string
	subject Subject
	// key tells causes of one id and variant apart: units whose root causes
	// have the same id, variant and key are explained together.
	key string
	// says is the sentence without its full stop; who names the units it is
	// about ("2 Pods of Deployment web"). It reads well for one and for many:
	// could, cannot, did.
	says      func(who string) string
	units     int  // how many units a cause of the Service itself explains, if it knows
	grace     bool // nothing is wrong yet: a recent change is still taking effect
	certainty Certainty
	since     time.Time                  // per status, until onset is asked
	onset     func() (time.Time, string) // since when it has held, by recorded history; nil if only the status tells
	evidence  []Evidence
	next      []next
	from      *cause
}

// root is the deepest cause.
func (c *cause) root() *cause {
	for c.from != nil {
		c = c.from
	}
	return c
}

// chain returns the causes from the root to this one.
func (c *cause) chain() []*cause {
	var down []*cause
	for ; c != nil; c = c.from {
		down = append([]*cause{c}, down...)
	}
	return down
}

// because makes a deeper cause of the root, if there is one.
func (c *cause) because(deeper *cause) *cause {
	if deeper != nil && deeper != c {
		c.root().from = deeper
	}
	return c
}

func (c *cause) same(d *cause) bool {
	return c.id == d.id && c.variant == d.variant && c.key == d.key
}

// short names a cause in a few words, for a table.
func (c *cause) short() string {
	if c.grace && c.variant == "" {
		return c.id + " (starting)"
	}
	if c.variant != "" {
		return c.id + " (" + c.variant + ")"
	}
	return c.id
}

// clause is a sentence that stands without naming units.
func clause(format string, args ...any) func(string) string {
	text := fmt.Sprintf(format, args...)
	return func(string) string { return text }
}

// about is a sentence that begins with the units.
func about(format string, args ...any) func(string) string {
	text := fmt.Sprintf(format, args...)
	return func(who string) string { return who + " " + text }
}

// unit is one missing unit of service.
type unit struct {
	kind     unitKind
	count    int
	pod      *corev1.Pod // for podUnit
	workload *workload   // who makes the Pod, or should
	cause    *cause
}

type unitKind int

// What can be missing (diagnoses are attributed to these, not to objects).
const (
	serviceUnit  unitKind = iota // the Service itself is absent or unusable
	podUnit                      // a selected Pod that should serve and does not
	unbornUnit                   // Pods a workload should have and has not
	portUnit                     // a port no address serves though Pods are ready
	nodeUnit                     // nodes whose clients are not served
	externalUnit                 // the way in from outside
)

// next is one thing to do: a command, or advice where no command is.
type next struct {
	command command.Command
	advice  string
}

func (n next) String() string {
	if n.advice != "" {
		return n.advice
	}
	return n.command.String()
}

func commands(list ...command.Command) []next {
	all := make([]next, len(list))
	for i, c := range list {
		all[i].command = c
	}
	return all
}

// printed is what a Finding holds of it.
func printed(list []next) []string {
	var lines []string
	for _, n := range list {
		lines = append(lines, n.String())
	}
	return lines
}

// kubectl is a kubectl command about the Service.
func (s *service) kubectl(verb string) command.Command {
	return command.Kubectl(verb).Add(command.Object("service", s.svc.Namespace, s.svc.Name)...)
}

func describe(kind, namespace, name string) command.Command {
	return command.Kubectl("describe").Add(command.Object(kind, namespace, name)...)
}

func rolloutCommand(verb, namespace, deployment string) command.Command {
	return command.Kubectl("rollout", verb, "-n", namespace, "deployment/"+deployment)
}

// leaseOf shows which instance of a control plane component leads.
func leaseOf(component string) command.Command {
	return command.Kubectl("-n", "kube-system", "get", "lease", component, "-o", "yaml")
}

// logs of a container. The Pod's name takes no kind here, so one that begins
// with a dash is written with its kind, as Object does.
func (c *podCase) logs(k *container) command.Command {
	object := command.Object("pod", c.pod.Namespace, c.pod.Name)
	if object[0] == "pod" {
		object = object[1:]
	}
	return command.Kubectl("logs").Add(object...).Add("-c", k.name())
}

func (w *workload) scaleTo(replicas int) command.Command {
	return command.Kubectl("scale", "-n", w.meta.Namespace, kindsByName[w.kind].resource.Resource+"/"+w.meta.Name, fmt.Sprintf("--replicas=%d", replicas))
}
