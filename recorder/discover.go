package recorder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/version"
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
	header.Resources = o.describes(found.resources)
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
	return &client{base: base, http: h}, nil
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
	var v version.Info
	err := a.read(ctx, "/version", &v)
	return v.GitVersion, a.unreachable(err)
}

// clusterUID returns the UID of the Namespace kube-system.
func (a *client) clusterUID(ctx context.Context) (string, error) {
	var ns metav1.PartialObjectMetadata
	err := a.read(ctx, "/api/v1/namespaces/kube-system", &ns)
	return string(ns.UID), a.unreachable(err)
}
