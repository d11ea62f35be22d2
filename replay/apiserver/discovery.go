package apiserver

import (
	"encoding/json"
	"net/http"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// document answers a path that is not about objects: what there is, which
// version, and in which shape.
func (s *Server) document(w http.ResponseWriter, r *http.Request, at *stage, path string) error {
	c, err := at.catalogue()
	if err != nil {
		return err
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case path == "/":
		writeJSON(w, http.StatusOK, metav1.RootPaths{Paths: c.paths()})
	case path == "/healthz", path == "/livez", path == "/readyz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok")) // nobody is left to tell
	case path == "/version":
		writeJSON(w, http.StatusOK, c.serverVersion())
	case path == "/api" && wantsAggregated(r):
		writeAggregated(w, c.aggregated(true))
	case path == "/apis" && wantsAggregated(r):
		writeAggregated(w, c.aggregated(false))
	case path == "/api":
		writeJSON(w, http.StatusOK, metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: c.coreVersions(),
			ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{},
		})
	case path == "/apis":
		list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{}}
		for _, g := range c.groups {
			if g.name != "" {
				list.Groups = append(list.Groups, g.document())
			}
		}
		writeJSON(w, http.StatusOK, list)
	case parts[0] == "openapi":
		return s.openAPI(w, r, at, parts[1:])
	case len(parts) == 2 && parts[0] == "apis":
		for _, g := range c.groups {
			if g.name == parts[1] {
				document := g.document()
				document.TypeMeta = metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}
				writeJSON(w, http.StatusOK, document)
				return nil
			}
		}
		return c.unknown(query{})
	case len(parts) == 2 && parts[0] == "api", len(parts) == 3 && parts[0] == "apis":
		gv := schema.GroupVersion{Version: parts[len(parts)-1]}
		if len(parts) == 3 {
			gv.Group = parts[1]
		}
		v := c.served(gv)
		if v == nil {
			return c.unknown(query{})
		}
		writeJSON(w, http.StatusOK, v.document())
	default:
		return c.unknown(query{})
	}
	return nil
}

func (c *catalogue) paths() []string {
	paths := []string{"/api", "/apis"}
	for _, g := range c.groups {
		for _, v := range g.versions {
			if g.name == "" {
				paths = append(paths, "/api/"+v.Version)
				continue
			}
			paths = append(paths, "/apis/"+g.name+"/"+v.Version)
		}
	}
	return append(paths, "/healthz", "/livez", "/openapi/v3", "/readyz", "/version")
}

// serverVersion is that of the recorded API server, as far as it is known.
func (c *catalogue) serverVersion() version.Info {
	major, rest, _ := strings.Cut(strings.TrimPrefix(c.version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	return version.Info{Major: major, Minor: minor, GitVersion: c.version}
}

func (c *catalogue) coreVersions() []string {
	versions := []string{}
	for _, g := range c.groups {
		for _, v := range g.versions {
			if g.name == "" {
				versions = append(versions, v.Version)
			}
		}
	}
	return versions
}

func (g group) document() metav1.APIGroup {
	var versions []metav1.GroupVersionForDiscovery
	for _, v := range g.versions {
		versions = append(versions, metav1.GroupVersionForDiscovery{GroupVersion: v.String(), Version: v.Version})
	}
	return metav1.APIGroup{Name: g.name, Versions: versions, PreferredVersion: versions[0]}
}

func (v *groupVersion) document() metav1.APIResourceList {
	list := metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: v.String(), APIResources: []metav1.APIResource{},
	}
	for _, r := range v.resources {
		entry := r.APIResource
		entry.Group, entry.Version = "", "" // those of the list
		list.APIResources = append(list.APIResources, entry)
	}
	return list
}

// aggregated is all of the core group, or of the others, in one document
// (KEP-3352).
func (c *catalogue) aggregated(core bool) apidiscovery.APIGroupDiscoveryList {
	list := apidiscovery.APIGroupDiscoveryList{
		TypeMeta: metav1.TypeMeta{Kind: "APIGroupDiscoveryList", APIVersion: apidiscovery.SchemeGroupVersion.String()},
		Items:    []apidiscovery.APIGroupDiscovery{},
	}
	for _, g := range c.groups {
		if (g.name == "") != core {
			continue
		}
		item := apidiscovery.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: g.name}}
		for _, v := range g.versions {
			item.Versions = append(item.Versions, v.aggregated())
		}
		list.Items = append(list.Items, item)
	}
	return list
}

func (v *groupVersion) aggregated() apidiscovery.APIVersionDiscovery {
	d := apidiscovery.APIVersionDiscovery{Version: v.Version, Freshness: apidiscovery.DiscoveryFreshnessCurrent}
	for _, r := range v.resources {
		scope := apidiscovery.ScopeCluster
		if r.Namespaced {
			scope = apidiscovery.ScopeNamespace
		}
		d.Resources = append(d.Resources, apidiscovery.APIResourceDiscovery{
			Resource:         r.Name,
			ResponseKind:     &metav1.GroupVersionKind{Group: v.Group, Version: v.Version, Kind: r.Kind},
			Scope:            scope,
			SingularResource: r.SingularName,
			Verbs:            r.Verbs,
			ShortNames:       r.ShortNames,
			Categories:       r.Categories,
		})
	}
	return d
}

// aggregatedType is the media type of an aggregated discovery document.
const aggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

func writeAggregated(w http.ResponseWriter, list apidiscovery.APIGroupDiscoveryList) {
	body, err := json.Marshal(list)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", aggregatedType)
	_, _ = w.Write(body) // nobody is left to tell
}
