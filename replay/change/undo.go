package change

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/svcspy/svcspy/analyzer/command"
)

// Undo returns the command that takes a change back: the rollout of a workload,
// its number of replicas, the fields of an object, or an object that was created and
// only forbids or limits. ok is false where no command can: what was deleted is not in
// the cluster any more, values may be redacted, elements of lists cannot be patched one
// by one, and to delete what was created to serve brings nothing back.
func (c *Change) Undo() (undo command.Command, ok bool) {
	kind := strings.ToLower(c.Subject.Kind)
	if !slices.Contains(builtIn, c.Subject.Group) {
		kind += "." + c.Subject.Group
	}
	object := command.Object(kind, c.Subject.Namespace, c.Subject.Name)
	switch {
	case c.Origin != Intent:
		return undo, false
	case c.Verb == Created && slices.Contains(serving, c.Subject.Kind):
		return undo, false
	case c.Verb == Created:
		return command.Kubectl(append([]string{"delete"}, object...)...), true
	case c.Verb != Updated:
		return undo, false
	case slices.Contains(revisioned, kind) && c.touchesTemplate():
		return c.kubectl("rollout", "undo"), true
	case len(c.AllFields) == 1:
		if undo, ok = c.verb(); ok {
			return undo, true
		}
	}
	patch := map[string]any{}
	for i := range c.AllFields {
		if f := &c.AllFields[i]; f.Top() != "status" && !putBack(patch, f) {
			return undo, false
		}
	}
	text, err := json.Marshal(patch)
	if err != nil || len(patch) == 0 || len(text) > longestPatch {
		return undo, false
	}
	undo = command.Kubectl("patch").Add(object...)
	if !slices.Contains(builtIn, c.Subject.Group) {
		undo = undo.Add("--type", "merge")
	}
	return undo.Add("-p", string(text)), true
}

// verb returns the command that kubectl has for taking back a change of one field.
func (c *Change) verb() (undo command.Command, ok bool) {
	f := &c.AllFields[0]
	switch {
	case f.Path == "/spec/replicas" && slices.Contains(scalable, c.Subject.Kind):
		switch f.Old.(type) {
		case float64, int64, json.Number:
			return c.kubectl("scale").Add(fmt.Sprintf("--replicas=%v", f.Old)), true
		}
	case f.Path == "/spec/paused" && c.Subject.Kind == "Deployment":
		return c.kubectl("rollout", map[bool]string{true: "resume", false: "pause"}[f.New == true]), true
	case f.Path == "/spec/unschedulable" && c.Subject.Kind == "Node" && f.New == true && !strings.HasPrefix(c.Subject.Name, "-"):
		return command.Kubectl("uncordon", c.Subject.Name), true
	}
	return undo, false
}

// kubectl returns a command whose object is written KIND/NAME.
func (c *Change) kubectl(words ...string) command.Command {
	k := command.Kubectl(words...)
	if c.Subject.Namespace != "" {
		k = k.Add("-n", c.Subject.Namespace)
	}
	return k.Add(strings.ToLower(c.Subject.Kind) + "/" + c.Subject.Name)
}

var (
	// scalable are kinds that kubectl scales.
	scalable = []string{"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"}
	// builtIn are groups whose kinds kubectl knows by their name alone.
	builtIn = []string{"", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "discovery.k8s.io"}
	// serving are kinds that serve, or hold what others need.
	serving = []string{"Service", "Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ConfigMap", "Secret", "PersistentVolumeClaim", "Namespace", "Node"}
	// revisioned are workloads that keep the templates they had.
	revisioned = []string{"deployment", "daemonset", "statefulset"}
)

// longestPatch is how long a patch a person reads before running it.
const longestPatch = 400

func (c *Change) touchesTemplate() bool {
	return slices.ContainsFunc(c.AllFields, func(f Field) bool { return strings.HasPrefix(f.Path, "/spec/template/") })
}

// putBack adds the value before to a patch; false if a patch cannot say it.
func putBack(patch map[string]any, f *Field) bool {
	if len(f.Steps) == 0 || redacted(f.Old) {
		return false
	}
	for i, step := range f.Steps {
		if step.Field == "" || len(step.Keys) > 0 || step.InList || step.InSet {
			return false
		}
		if i == len(f.Steps)-1 {
			patch[step.Field] = f.Old // nil removes it
			return true
		}
		below, is := patch[step.Field].(map[string]any)
		if !is {
			below = map[string]any{}
			patch[step.Field] = below
		}
		patch = below
	}
	return false
}

// redacted reports whether a value holds a token that stands for another value.
func redacted(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "‹r:") || v == "‹hidden›"
	case map[string]any:
		for _, x := range v {
			if redacted(x) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, redacted)
	}
	return false
}
