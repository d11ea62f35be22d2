package velero

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/store/kinds"
)

// Backup is what a velero.io/v1 Backup says of its archive
// (pkg/apis/velero/v1/backup_types.go in Velero).
type Backup struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec   spec `json:"spec"`
	Status struct {
		Phase               string    `json:"phase"`
		CompletionTimestamp time.Time `json:"completionTimestamp"` // cut to the second
		Progress            *struct {
			ItemsBackedUp int `json:"itemsBackedUp"`
		} `json:"progress"`
	} `json:"status"`
}

// spec is what was asked for.
type spec struct {
	IncludedNamespaces []string `json:"includedNamespaces"`
	ExcludedNamespaces []string `json:"excludedNamespaces"`

	IncludedResources       []string `json:"includedResources"`
	ExcludedResources       []string `json:"excludedResources"`
	IncludeClusterResources *bool    `json:"includeClusterResources"`

	IncludedClusterScoped   []string `json:"includedClusterScopedResources"`
	ExcludedClusterScoped   []string `json:"excludedClusterScopedResources"`
	IncludedNamespaceScoped []string `json:"includedNamespaceScopedResources"`
	ExcludedNamespaceScoped []string `json:"excludedNamespaceScopedResources"`

	LabelSelector    json.RawMessage   `json:"labelSelector"`
	OrLabelSelectors []json.RawMessage `json:"orLabelSelectors"`
	ResourcePolicy   json.RawMessage   `json:"resourcePolicy"`
}

// everywhere reports whether no namespace was left out.
func (s *spec) everywhere() bool {
	return (len(s.IncludedNamespaces) == 0 || slices.Contains(s.IncludedNamespaces, "*")) && len(s.ExcludedNamespaces) == 0
}

// includes reports whether all objects of a kind, in the namespaces that were asked for,
// are in the archive. seen says that some are: where kinds were left out, by whatever
// name, only those count.
func (s *spec) includes(k *kinds.Kind, seen bool) bool {
	included, excluded := s.IncludedResources, s.ExcludedResources
	if k.Cluster {
		included, excluded = slices.Concat(included, s.IncludedClusterScoped), slices.Concat(excluded, s.ExcludedClusterScoped)
		switch asked := s.IncludeClusterResources; {
		case asked != nil && !*asked:
			return false
		case asked == nil && len(s.IncludedClusterScoped) == 0 && !s.everywhere():
			return false // only what belongs to the namespaces
		}
	} else {
		included, excluded = slices.Concat(included, s.IncludedNamespaceScoped), slices.Concat(excluded, s.ExcludedNamespaceScoped)
	}
	if len(excluded) > 0 && !seen {
		return false
	}
	if len(included) == 0 || slices.Contains(included, "*") {
		return true
	}
	resource := k.Resource.GroupResource()
	return slices.ContainsFunc(included, func(name string) bool {
		return strings.EqualFold(name, resource.Resource) || strings.EqualFold(name, resource.String()) || strings.EqualFold(name, k.Name)
	})
}
