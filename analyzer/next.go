package analyzer

import (
	"fmt"

	"github.com/svcspy/svcspy/analyzer/command"
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
