package change

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
)

func (l Link) Weight() int { return slices.Index([]Link{Counterfactual, Structural, Correlated}, l) }

// IsRestart reports whether the change does nothing but make new Pods
// (kubectl rollout restart).
func (c *Change) IsRestart() bool {
	return c.Verb == Updated && !slices.ContainsFunc(c.AllFields, func(f Field) bool {
		return !strings.HasPrefix(f.Path, "/spec/template/metadata/annotations")
	})
}

// IsResume reports whether the change does nothing but let a Deployment roll out
// what was changed while it was paused.
func (c *Change) IsResume() bool {
	return c.Verb == Updated && c.Path == "/spec/paused" && c.Old == true && c.rest("/spec/paused")
}

// rest reports whether nothing else that is meant changed.
func (c *Change) rest(path string) bool {
	return !slices.ContainsFunc(c.AllFields, func(f Field) bool { return f.Path != path && f.Top() == "spec" })
}

// ChangesPods reports whether the change made new Pods of another kind: it may
// show only long after the rollout went well.
func (c *Change) ChangesPods() bool {
	return c.Verb == Updated && slices.ContainsFunc(c.AllFields, func(f Field) bool { return strings.HasPrefix(f.Path, "/spec/template/spec") })
}

// Touches reports whether the change is to a field, to one in it, or to one that
// has it.
func (c *Change) Touches(path string) bool {
	if c.Verb != Updated {
		return true
	}
	for i := range c.AllFields {
		if p := c.AllFields[i].Path; strings.HasPrefix(p, path) || strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// ByController reports whether the slice, or the Endpoints, is a controller's own, and
// so follows from something else.
func (c *Change) ByController() bool {
	o := c.After
	if o == nil {
		o = c.Before
	}
	if o != nil && c.Ref.Resource.Resource == "endpoints" {
		return ofEndpointsController(o)
	}
	return o != nil && (IsControllersSlice(o) || MirrorsEndpoints(o))
}

// ofHandMadeSlice reports whether the change is to a slice that no controller of
// Kubernetes keeps: nothing but somebody's wish removes it. A deletion leaves no
// writer.
func (c *Change) ofHandMadeSlice() bool {
	kind := c.Ref.Resource.Resource
	return (kind == "endpointslices" || kind == "endpoints") && !c.ByController()
}

func IsControllersSlice(o *analyzer.Object) bool {
	return analyzer.As[discoveryv1.EndpointSlice](o).Labels[discoveryv1.LabelManagedBy] == "endpointslice-controller.k8s.io"
}

// MirrorsEndpoints reports whether a slice is the copy that a controller keeps of an
// Endpoints object.
func MirrorsEndpoints(o *analyzer.Object) bool {
	return analyzer.As[discoveryv1.EndpointSlice](o).Labels[discoveryv1.LabelManagedBy] == "endpointslicemirroring-controller.k8s.io"
}

// ofEndpointsController reports whether Kubernetes made an Endpoints object: it labels them
// so, and before 1.33 it noted what had triggered it.
func ofEndpointsController(o *analyzer.Object) bool {
	m, err := Metadata(o.Object)
	return err == nil && (m.Labels["endpoints.kubernetes.io/managed-by"] != "" || m.Annotations[corev1.EndpointsLastChangeTriggerTime] != "")
}

// binds reports whether the change assigns a Pod to a node, which nothing but a
// scheduler does, through a subresource that leaves no entry in managedFields
// (pkg/registry/core/pod/storage in Kubernetes).
func binds(c *Change) bool {
	return c.Ref.Resource == replay.Pods && slices.ContainsFunc(c.AllFields, func(f Field) bool {
		return f.Path == "/spec/nodeName" && f.Old == nil
	})
}
