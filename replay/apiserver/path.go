package apiserver

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// query is what the path of a request names.
type query struct {
	gvr         schema.GroupVersionResource
	namespace   string // "" for all and for cluster-scoped resources
	name        string // "" for a list
	subresource string
}

// parsePath reads the path of a resource, without the prefix of an instant:
//
//	/api/v1 | /apis/GROUP/VERSION, then
//	[/namespaces/NAMESPACE]/RESOURCE[/NAME[/SUBRESOURCE...]]
//
// It returns false for any other path, also that of a group version.
func parsePath(path string) (query, bool) {
	var q query
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		q.gvr.Version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		q.gvr.Group, q.gvr.Version, parts = parts[1], parts[2], parts[3:]
	default:
		return q, false
	}
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		q.namespace, parts = parts[1], parts[2:]
	}
	q.gvr.Resource = parts[0]
	if len(parts) > 1 {
		q.name = parts[1]
	}
	if len(parts) > 2 {
		q.subresource = parts[2] // proxy has a path of its own behind it
	}
	for _, part := range parts {
		if part == "" {
			return q, false
		}
	}
	return q, q.gvr.Version != "" && (q.gvr.Group != "" || strings.HasPrefix(strings.TrimLeft(path, "/"), "api/"))
}
