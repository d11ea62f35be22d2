package recorder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/store"
)

// ErrUnreachable is returned when no API server answers.
var ErrUnreachable = errors.New("API server not reachable")

// Prepare asks the cluster what a recording's header must say: the version of
// the server, which cluster it is, and which resources it has. Header.Recorder
// and Header.Cluster.Context are left to the caller.
func Prepare(ctx context.Context, o Options) (store.Header, error) {
	api, err := newClient(o.Config)
	if err != nil {
		return store.Header{}, err
	}
	defer api.close()
	header := store.Header{
		ID:        string(uuid.NewUUID()),
		Start:     o.now(),
		Scope:     o.Scope(),
		Redaction: o.redaction(),
	}
	if header.Cluster.Version, err = api.version(ctx); err != nil {
		return store.Header{}, err
	}
	found, err := api.discover(ctx)
	if err != nil {
		return store.Header{}, err
	}
	header.Resources = found.resources
	// A cluster has no name of its own; the UID of this Namespace is the
	// custom (as in OpenTelemetry's k8s.cluster.uid). Not everyone may read it.
	header.Cluster.UID, err = api.clusterUID(ctx)
	if err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err) {
		return store.Header{}, err
	}
	return header, nil
}

// client speaks to one API server.
type client struct {
	base *url.URL
	http *http.Client
	disc *discovery.DiscoveryClient
}

func newClient(config *rest.Config) (*client, error) {
	config = rest.CopyConfig(config)
	config.Timeout = 0 // would end every watch; requests bound themselves
	if config.UserAgent == "" {
		config.UserAgent = "svcspy"
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("read client configuration: %w", err)
	}
	h, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read client configuration: %w", err)
	}
	// Discovery makes a burst of requests; they are few and the server has
	// priority and fairness of its own.
	config.QPS = -1
	disc, err := discovery.NewDiscoveryClientForConfigAndClient(config, h)
	if err != nil {
		return nil, fmt.Errorf("read client configuration: %w", err)
	}
	return &client{base: base, http: h, disc: disc}, nil
}

// close gives up connections that are not in use.
func (a *client) close() { utilnet.CloseIdleConnectionsFor(a.http.Transport) }

// unreachable wraps an error that did not come from an API server.
func (a *client) unreachable(err error) error {
	var status apierrors.APIStatus
	if err == nil || errors.As(err, &status) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// version returns the gitVersion of the API server.
func (a *client) version(ctx context.Context) (string, error) {
	v, err := a.disc.ServerVersionWithContext(ctx)
	if err != nil {
		return "", a.unreachable(err)
	}
	return v.GitVersion, nil
}

// clusterUID returns the UID of the Namespace kube-system.
func (a *client) clusterUID(ctx context.Context) (string, error) {
	var ns metav1.PartialObjectMetadata
	err := a.disc.RESTClient().Get().AbsPath("/api/v1/namespaces/kube-system").Do(ctx).Into(&ns)
	return string(ns.UID), a.unreachable(err)
}

// discovered is what a cluster says it has.
type discovered struct {
	// resources are in their preferred versions, without subresources, sorted
	// by group and name.
	resources []metav1.APIResource
	// failed are the aggregated APIs that did not answer: what they have is
	// not among resources, and may exist nevertheless.
	failed map[schema.GroupVersion]bool
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

func (a *client) discover(ctx context.Context) (discovered, error) {
	found := discovered{failed: map[schema.GroupVersion]bool{}}
	lists, err := a.disc.ServerPreferredResourcesWithContext(ctx)
	if failed, some := discovery.GroupDiscoveryFailedErrorGroups(err); some {
		for gv := range failed {
			found.failed[gv] = true
		}
	} else if err != nil {
		return found, a.unreachable(fmt.Errorf("discover resources: %w", err))
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return found, fmt.Errorf("discover resources: %w", err)
		}
		for _, r := range list.APIResources {
			r.Group, r.Version = gv.Group, gv.Version
			found.resources = append(found.resources, r)
		}
	}
	sortResources(found.resources)
	return found, nil
}
