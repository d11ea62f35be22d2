package past

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
)

// Uncertainty is how much later than Earliest it may have happened.
func (f *Fact) Uncertainty() time.Duration { return f.Latest.Sub(f.Earliest) }

// String says what happened in a few words, without when and without that it
// is reconstructed:
//
//	Deployment shop/web revision 7: /spec/template/spec/containers[name=web]/image web:1 -> web:2 by kubectl-set
//	Pod shop/web-abc became Ready=False (ContainersNotReady)
func (f *Fact) String() string {
	name := f.Subject.Kind + " " + strings.TrimPrefix(f.Subject.Namespace+"/"+f.Subject.Name, "/")
	return name + " " + f.Says()
}

// Says is String without the object.
func (f *Fact) Says() string {
	text := f.says()
	if f.What == Writing || f.What == Condition {
		return text
	}
	return text + f.by()
}

// Alike reports whether the same happened to another object of the same kind.
func (f *Fact) Alike(g *Fact) bool {
	return f.What == g.What && f.Subject.Kind == g.Subject.Kind && f.Subject.Namespace == g.Subject.Namespace && f.Link == g.Link && f.Note == g.Note && f.Says() == g.Says()
}

// Routine reports whether the fact is of a kind that happens all the time where
// everything goes well.
func (f *Fact) Routine() bool {
	switch f.What {
	case Condition:
		switch kind := selected(f.Path); kind {
		case "Ready":
			return f.Subject.Kind == "Node" && f.New == "True"
		case "Available", "Progressing", "ReplicaFailure", "DisruptionTarget":
			return false
		case "PodScheduled":
			return f.New == "True"
		default:
			return f.Subject.Kind == "Pod" || f.Subject.Kind == "Node" && f.New == "False" || f.New == "True"
		}
	case KubernetesEvent:
		return !f.Warning && !f.ScaledDown() && f.Reason != "Killing" && f.Reason != "RemovingNode"
	case Writing:
		return f.Writer != nil && slices.Contains(change.Controllers, f.Writer.Manager)
	case Creation:
		return slices.Contains(change.DerivedResources, f.Ref.Resource.Resource) || f.Ref.Resource.Resource == "serviceaccounts" ||
			f.Ref.Resource != replay.Pods && f.Writer != nil && slices.Contains(change.Controllers, f.Writer.Manager)
	}
	return false
}

func (f *Fact) says() string {
	switch f.What {
	case Creation:
		return "was created"
	case DeletionAsked:
		return "was asked to be deleted"
	case Condition:
		text := fmt.Sprintf("became %s=%s", selected(f.Path), change.Text(f.New))
		if f.Reason != "" {
			text += " (" + f.Reason + ")"
		}
		return text
	case Started:
		text := "container " + selected(f.Path) + " was started"
		if n, ok := f.New.(int); ok && n > 0 {
			text += fmt.Sprintf(", restart %d", n)
		}
		return text
	case Terminated:
		text := fmt.Sprintf("container %s ended with exit code %s", selected(f.Path), change.Text(f.New))
		if f.Reason != "" {
			text += " (" + f.Reason + ")"
		}
		return text
	case Rollout:
		return fmt.Sprintf("revision %d: %s", f.Revision, f.difference())
	case Writing:
		return "was written" + f.by() + ", who owns " + f.owned()
	case KubernetesEvent:
		text := f.Reason
		if f.Count > 1 {
			text += fmt.Sprintf(" (%d times)", f.Count)
		}
		return text + ": " + strings.TrimSpace(f.Message)
	case Tainted:
		return "got the taint " + change.Text(f.New)
	case Renewal:
		return "was renewed for the last time, by " + change.Text(f.New)
	case Scaled:
		return "scaled, to " + change.Text(f.New)
	}
	return string(f.What)
}

// owned says which fields the writer owns.
func (f *Fact) owned() string {
	n := len(f.Fields)
	switch {
	case n > 1 && n < 4:
		var paths []string
		for _, f := range f.Fields {
			paths = append(paths, f.Path)
		}
		return strings.Join(paths, ", ")
	case n > 1 && f.Path == "/":
		return fmt.Sprintf("%d fields", n)
	case n > 1:
		return fmt.Sprintf("%d fields in %s", n, f.Path)
	case f.New == nil:
		return f.Path
	}
	return f.Path + ": " + change.Text(f.New)
}

// difference is what a rollout is known by.
func (f *Fact) difference() string {
	lead := change.Field{Path: f.Path, Old: f.Old, New: f.New}
	more := ""
	if n := len(f.Fields); n > 1 {
		more = fmt.Sprintf(" and %d more", n-1)
	}
	switch {
	case lead.Old == nil:
		return fmt.Sprintf("%s added: %s%s", lead.Path, change.Text(lead.New), more)
	case lead.New == nil:
		return fmt.Sprintf("%s removed: %s%s", lead.Path, change.Text(lead.Old), more)
	}
	return fmt.Sprintf("%s %s -> %s%s", lead.Path, change.Text(lead.Old), change.Text(lead.New), more)
}

func (f *Fact) by() string {
	switch {
	case f.Writer == nil:
		return ""
	case f.Writer.Subresource != "":
		return " by " + f.Writer.Manager + " (" + f.Writer.Subresource + ")"
	}
	return " by " + f.Writer.Manager
}

// selected is the name by which a path selects an element: Ready of
// /status/conditions[type=Ready]/status.
func selected(path string) string {
	_, rest, _ := strings.Cut(path, "=")
	name, _, _ := strings.Cut(rest, "]")
	return name
}

// Symptom reports whether the fact shows that something was wrong.
func (f *Fact) Symptom() bool {
	switch f.What {
	case DeletionAsked, Tainted, Renewal:
		return true
	case KubernetesEvent:
		return f.Warning
	case Terminated:
		return f.New != 0
	case Condition:
		bad := map[string]string{"Ready": "False", "Available": "False", "Progressing": "False", "ReplicaFailure": "True", "DisruptionTarget": "True", "PodScheduled": "False"}
		kind := selected(f.Path)
		return f.New == bad[kind] || kind == "Ready" && f.New == "Unknown"
	}
	return false
}

// ScaledDown reports whether a Kubernetes Event says that Pods were taken away:
// scaling may leave no other trace.
func (f *Fact) ScaledDown() bool {
	return f.Reason == "ScalingReplicaSet" && strings.HasPrefix(f.Message, "Scaled down") || f.Reason == "SuccessfulRescale"
}
