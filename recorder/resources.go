package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"golang.org/x/sync/errgroup"
)

// Discovery asks an API server which resources it has, as k8s.io/client-go/discovery
// does. That package brings the types of every API group and a parser of OpenAPI
// with it, 10 MiB of a binary that needs neither.

// discovered is what a cluster says it has.
type discovered struct {
	// resources are in their preferred versions, without subresources, sorted
	// by group and name.
	resources []metav1.APIResource
	// failed are the aggregated APIs that did not answer: what they have is
	// not among resources, and may exist nevertheless.
	failed map[schema.GroupVersion]bool
	// tags are the entity tags of the answers by path, none from a server that was
	// asked for each group.
	tags map[string]string
}

// differs asks whether the server has other resources than it had when it gave the
// entity tags. One that does not answer has no others that anybody knows of.
func (a *client) differs(ctx context.Context, tags map[string]string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for path, tag := range tags {
		response, err := a.getWith(ctx, path, http.Header{"Accept": {acceptDiscovery}, "If-None-Match": {tag}}, nil)
		if err == nil { // else 304, or no answer
			response.Body.Close()
			return true
		}
	}
	return false
}

// keep adds what the aggregated APIs that did not answer had before: that they do
// not answer does not mean that it is gone.
func (d *discovered) keep(before discovered) {
	if len(d.failed) == 0 {
		return
	}
	for _, r := range before.resources {
		if d.failed[schema.GroupVersion{Group: r.Group, Version: r.Version}] {
			d.resources = append(d.resources, r)
		}
	}
	sortResources(d.resources)
}

// discover asks twice where an aggregated API did not answer.
func (a *client) discover(ctx context.Context) (discovered, error) {
	found, err := a.discoverOnce(ctx)
	if err == nil && len(found.failed) > 0 {
		found, err = a.discoverOnce(ctx)
	}
	if err != nil {
		return discovered{}, a.unreachable(fmt.Errorf("discover resources: %w", err))
	}
	return found, nil
}

func (a *client) discoverOnce(ctx context.Context) (discovered, error) {
	groups, tags, err := a.groups(ctx)
	if err != nil {
		return discovered{}, err
	}
	found := discovered{failed: map[schema.GroupVersion]bool{}, tags: tags}
	for _, versions := range groups {
		found.resources = append(found.resources, preferred(versions)...)
		for i := range versions {
			if versions[i].failed {
				found.failed[versions[i].GroupVersion] = true
			}
		}
	}
	sortResources(found.resources)
	return found, nil
}

// apiVersion is one version of an API group.
type apiVersion struct {
	schema.GroupVersion
	preferred bool // over the group's other versions
	resources []metav1.APIResource
	failed    bool // it did not say which resources it has
}

// preferred returns the resources of a group, each in the group's preferred version
// if that has it, else in the first version that does (as ServerPreferredResources
// of k8s.io/client-go/discovery).
func preferred(versions []apiVersion) []metav1.APIResource {
	at := map[string]int{}
	var all []metav1.APIResource
	for i := range versions {
		v := &versions[i]
		for _, r := range v.resources {
			if strings.Contains(r.Name, "/") { // a subresource
				continue
			}
			r.Group, r.Version = v.Group, v.Version
			have, ok := at[r.Name]
			switch {
			case !ok:
				at[r.Name] = len(all)
				all = append(all, r)
			case v.preferred:
				all[have] = r
			}
		}
	}
	return all
}

// groups returns the versions of each API group, each group's in its order of
// preference, and the entity tags of answers that had all of them.
func (a *client) groups(ctx context.Context) (all [][]apiVersion, tags map[string]string, err error) {
	tags = map[string]string{}
	for _, path := range []string{"/api", "/apis"} {
		groups, tag, err := a.groupsAt(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, groups...)
		if tag != "" {
			tags[path] = tag
		}
	}
	return all, tags, nil
}

// acceptDiscovery asks for all groups in one answer (KEP-3352, stable since
// Kubernetes 1.30), of servers that do not know it for the list of groups.
const acceptDiscovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

// listOfGroups is what /api or /apis answers: an APIVersions, an APIGroupList, or an
// APIGroupDiscoveryList.
type listOfGroups struct {
	Versions []string                         `json:"versions"`
	Groups   []metav1.APIGroup                `json:"groups"`
	Items    []apidiscovery.APIGroupDiscovery `json:"items"`
}

func (a *client) groupsAt(ctx context.Context, path string) (all [][]apiVersion, tag string, err error) {
	var list listOfGroups
	header, err := a.readAs(ctx, path, acceptDiscovery, &list)
	if refused := (*refusal)(nil); path == "/api" && errors.As(err, &refused) && refused.code == http.StatusNotFound {
		return nil, "", nil // an API server of its own, without the core
	}
	if err != nil {
		return nil, "", err
	}
	if base, parameters, err := mime.ParseMediaType(header.Get("Content-Type")); err == nil && base == "application/json" && parameters["as"] == "APIGroupDiscoveryList" {
		for i := range list.Items {
			all = append(all, aggregated(&list.Items[i]))
		}
		return all, header.Get("ETag"), nil
	}
	if len(list.Versions) > 0 {
		core := metav1.APIGroup{PreferredVersion: metav1.GroupVersionForDiscovery{Version: list.Versions[0]}}
		for _, v := range list.Versions {
			core.Versions = append(core.Versions, metav1.GroupVersionForDiscovery{Version: v})
		}
		list.Groups = append(list.Groups, core)
	}
	for _, g := range list.Groups {
		versions := make([]apiVersion, len(g.Versions))
		for i, v := range g.Versions {
			versions[i] = apiVersion{GroupVersion: schema.GroupVersion{Group: g.Name, Version: v.Version}, preferred: v.Version == g.PreferredVersion.Version}
		}
		all = append(all, versions)
	}
	return all, "", a.askEach(ctx, path, all)
}

// aggregated reads a group of an aggregated answer. A version that is stale is that
// of an aggregated API that does not answer; the first of the others is preferred.
func aggregated(g *apidiscovery.APIGroupDiscovery) []apiVersion {
	var versions []apiVersion
	fresh := false
	for _, v := range g.Versions {
		at := apiVersion{GroupVersion: schema.GroupVersion{Group: g.Name, Version: v.Version}}
		if at.failed = v.Freshness == apidiscovery.DiscoveryFreshnessStale; !at.failed {
			at.preferred, fresh = !fresh, true
			for _, r := range v.Resources {
				if r.ResponseKind == nil || *r.ResponseKind == (metav1.GroupVersionKind{}) {
					continue // only its subresources can be asked for
				}
				at.resources = append(at.resources, metav1.APIResource{
					Name: r.Resource, SingularName: r.SingularResource, Namespaced: r.Scope == apidiscovery.ScopeNamespace,
					Kind: r.ResponseKind.Kind, Verbs: r.Verbs, ShortNames: r.ShortNames, Categories: r.Categories,
				})
			}
		}
		versions = append(versions, at)
	}
	return versions
}

// atOnce is how many groups are asked at the same time.
const atOnce = 16

// askEach asks each version of the groups for its resources.
func (a *client) askEach(ctx context.Context, path string, groups [][]apiVersion) error {
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, versions := range groups {
		for i := range versions {
			v := &versions[i]
			all.Go(func() error {
				var list metav1.APIResourceList
				at := path + "/" + v.Version
				if v.Group != "" {
					at = path + "/" + v.GroupVersion.String()
				}
				v.failed = a.read(ctx, at, &list) != nil
				v.resources = list.APIResources
				return nil
			})
		}
	}
	all.Wait()
	return ctx.Err()
}

const (
	answerTimeout = 32 * time.Second // with one answer, as of k8s.io/client-go/discovery
	attempts      = 10               // at a server that asks to come again
	largestAnswer = 256 << 20
)

// read reads a document of the API server into a value.
func (a *client) read(ctx context.Context, path string, into any) error {
	_, err := a.readAs(ctx, path, "application/json", into)
	return err
}

// readAs is read of one of several forms, and returns the headers of the answer. A server that is busy and says when to come again is asked again.
func (a *client) readAs(ctx context.Context, path, accept string, into any) (header http.Header, err error) {
	for range attempts {
		header, err = a.readOnce(ctx, path, accept, into)
		refused := (*refusal)(nil)
		if !errors.As(err, &refused) || refused.retryAfter == 0 || refused.code != http.StatusTooManyRequests && refused.code < http.StatusInternalServerError {
			break
		}
		if !sleep(ctx, refused.retryAfter) {
			return nil, ctx.Err()
		}
	}
	return header, err
}

func (a *client) readOnce(ctx context.Context, path, accept string, into any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := a.getAs(ctx, path, accept, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, largestAnswer)).Decode(into); err != nil {
		return nil, fmt.Errorf("read the API server's answer to %s: %w", path, err)
	}
	return response.Header, nil
}
