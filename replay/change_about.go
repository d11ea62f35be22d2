package replay

import (
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer"
)

func (l Link) weight() int { return slices.Index([]Link{Counterfactual, Structural, Correlated}, l) }

// restart reports whether the change does nothing but make new Pods
// (kubectl rollout restart).
func (c *Change) restart() bool {
	return c.Verb == Updated && !slices.ContainsFunc(c.all, func(f Field) bool {
		return !strings.HasPrefix(f.Path, "/spec/template/metadata/annotations")
	})
}

// resume reports whether the change does nothing but let a Deployment roll out
// what was changed while it was paused.
func (c *Change) resume() bool {
	return c.Verb == Updated && c.Path == "/spec/paused" && c.Old == true && c.rest("/spec/paused")
}

// rest reports whether nothing else that is meant changed.
func (c *Change) rest(path string) bool {
	return !slices.ContainsFunc(c.all, func(f Field) bool { return f.Path != path && f.top() == "spec" })
}

// rolledOut reports whether the change made new Pods of another kind: it may
// show only long after the rollout went well.
func (c *Change) rolledOut() bool {
	return c.Verb == Updated && slices.ContainsFunc(c.all, func(f Field) bool { return strings.HasPrefix(f.Path, "/spec/template/spec") })
}

// touches reports whether the change is to a field, to one in it, or to one that
// has it.
func (c *Change) touches(path string) bool {
	if c.Verb != Updated {
		return true
	}
	for i := range c.all {
		if p := c.all[i].Path; strings.HasPrefix(p, path) || strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// byController reports whether the slice is the endpoints controller's own, and
// so follows from something else.
func (c *Change) byController() bool {
	o := c.after
	if o == nil {
		o = c.before
	}
	return o != nil && controllersSlice(o)
}

func controllersSlice(o *analyzer.Object) bool {
	return analyzer.As[discoveryv1.EndpointSlice](o).Labels[discoveryv1.LabelManagedBy] == "endpointslice-controller.k8s.io"
}
