package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"pgregory.net/rapid"
)

// TestDiscoveryAsClientGo: of any server, what is found is what
// k8s.io/client-go/discovery finds: aggregated or not, with versions that are
// stale or do not answer, and without the core.
func TestDiscoveryAsClientGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawDiscovery(t)
		server := httptest.NewServer(s)
		defer server.Close()
		config := &rest.Config{Host: server.URL}

		theirs, err := discovery.NewDiscoveryClientForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		lists, err := theirs.ServerPreferredResourcesWithContext(t.Context())
		failed, some := discovery.GroupDiscoveryFailedErrorGroups(err)
		if err != nil && !some {
			t.Fatal(err)
		}
		want := discovered{failed: map[schema.GroupVersion]bool{}}
		for gv := range failed {
			want.failed[gv] = true
		}
		for _, list := range lists {
			gv, err := schema.ParseGroupVersion(list.GroupVersion)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list.APIResources {
				r.Group, r.Version = gv.Group, gv.Version
				want.resources = append(want.resources, r)
			}
		}
		sortResources(want.resources)

		ours, err := newClient(config)
		if err != nil {
			t.Fatal(err)
		}
		defer ours.close()
		got, err := ours.discover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got.tags = nil // no client-go has them
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(discovered{})); diff != "" {
			t.Error(diff)
		}
	})
}

// discoveryServer answers the requests of discovery, and nothing else.
type discoveryServer struct {
	aggregated bool
	core       bool // it has /api
	groups     []discoveryGroup
}

type discoveryGroup struct {
	name      string // "" is the core
	preferred int    // index of versions; aggregated, it is the first
	versions  []discoveryVersion
}

type discoveryVersion struct {
	name      string
	resources []string // with a "/" a subresource
	away      bool
}

func drawDiscovery(t *rapid.T) *discoveryServer {
	s := &discoveryServer{aggregated: rapid.Bool().Draw(t, "aggregated"), core: rapid.Bool().Draw(t, "core")}
	names := []string{"apps", "metrics.k8s.io", "example.org"}
	if s.core {
		names = append([]string{""}, names...)
	}
	for _, name := range names {
		g := discoveryGroup{name: name}
		all := []string{"v1"}
		if name != "" {
			all = rapid.Permutation([]string{"v1", "v1beta1", "v2"}).Draw(t, "versions of "+name)[:rapid.IntRange(1, 3).Draw(t, "count")]
		}
		for _, v := range all {
			away := name != "" && rapid.IntRange(0, 4).Draw(t, "away") == 0
			g.versions = append(g.versions, discoveryVersion{v, rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"pods", "pods/log", "widgets", "gadgets", "gadgets/status"}), 0, 4, rapid.ID[string]).Draw(t, "resources"), away})
		}
		if !s.aggregated {
			g.preferred = rapid.IntRange(0, len(all)-1).Draw(t, "preferred")
		}
		s.groups = append(s.groups, g)
	}
	return s
}

func (g *discoveryGroup) aggregated() (out apidiscovery.APIGroupDiscovery) {
	out.Name = g.name
	for _, v := range g.versions {
		version := apidiscovery.APIVersionDiscovery{Version: v.name, Freshness: apidiscovery.DiscoveryFreshnessCurrent}
		if v.away {
			version.Freshness = apidiscovery.DiscoveryFreshnessStale
		}
		for _, r := range v.resources {
			name, sub, isSub := strings.Cut(r, "/")
			resource := apidiscovery.APIResourceDiscovery{Resource: name, Scope: apidiscovery.ScopeNamespace, Verbs: []string{"list"}}
			if isSub { // its parent may be one that cannot be asked for
				resource.Subresources = []apidiscovery.APISubresourceDiscovery{{Subresource: sub, ResponseKind: &metav1.GroupVersionKind{Kind: "Sub"}}}
			} else {
				resource.ResponseKind = &metav1.GroupVersionKind{Kind: strings.ToUpper(name)}
			}
			version.Resources = append(version.Resources, resource)
		}
		out.Versions = append(out.Versions, version)
	}
	return out
}

func (s *discoveryServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	isCore := r.URL.Path == "/api"
	if isCore && !s.core {
		http.NotFound(w, r)
		return
	}
	if isCore || r.URL.Path == "/apis" {
		if s.aggregated && strings.Contains(r.Header.Get("Accept"), "as=APIGroupDiscoveryList") {
			w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
			var list apidiscovery.APIGroupDiscoveryList
			for _, g := range s.groups {
				if (g.name == "") == isCore {
					list.Items = append(list.Items, g.aggregated())
				}
			}
			json.NewEncoder(w).Encode(list)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if isCore {
			fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
			return
		}
		var list metav1.APIGroupList
		for _, g := range s.groups {
			if g.name == "" {
				continue
			}
			group := metav1.APIGroup{Name: g.name}
			for _, v := range g.versions {
				group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: g.name + "/" + v.name, Version: v.name})
			}
			group.PreferredVersion = group.Versions[g.preferred]
			list.Groups = append(list.Groups, group)
		}
		json.NewEncoder(w).Encode(list)
		return
	}
	for _, g := range s.groups {
		for _, v := range g.versions {
			at := "/api/" + v.name
			if g.name != "" {
				at = "/apis/" + g.name + "/" + v.name
			}
			if r.URL.Path != at || v.away {
				continue
			}
			list := metav1.APIResourceList{GroupVersion: strings.TrimPrefix(strings.TrimPrefix(at, "/apis/"), "/api/")}
			for _, name := range v.resources {
				list.APIResources = append(list.APIResources, metav1.APIResource{Name: name, Kind: strings.ToUpper(name), Namespaced: true, Verbs: []string{"list"}})
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(list)
			return
		}
	}
	http.Error(w, "the server is currently unable to handle the request", http.StatusServiceUnavailable)
}

// TestBusyServerIsAskedAgain: an API server that says when to come again is asked
// again then; one that refuses is not.
func TestBusyServerIsAskedAgain(t *testing.T) {
	busy, asked := 2, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if asked <= busy {
			refuse(429, "too many requests", "Retry-After", "1")(w, r)
			return
		}
		fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
	}))
	defer server.Close()
	client, err := newClient(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.close()
	if version, err := client.version(context.Background()); err != nil || version != "v1.37.2" || asked != busy+1 {
		t.Errorf("version %q, error %v, after %d requests", version, err, asked)
	}
}
