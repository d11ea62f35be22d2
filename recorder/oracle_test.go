package recorder

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/svcspy/svcspy/store"
)

var oracleFor = flag.Duration("oracle.for", 30*time.Second, "how long TestOracle changes things")

// TestOracle records a real cluster through a bad connection while things
// change, and compares what the recording says exists with the caches of
// client-go's informers, which have a good one, at every quiet point.
//
// It needs an API server it may do anything to: SVCSPY_ORACLE is the path of a
// kubeconfig. Killing the API server meanwhile makes it a better test.
func TestOracle(t *testing.T) {
	path := os.Getenv("SVCSPY_ORACLE")
	if path == "" {
		t.Skip("SVCSPY_ORACLE is not set")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	connection, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfigAndClient(config, connection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { utilnet.CloseIdleConnectionsFor(connection.Transport) })
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	oracle := newOracle(ctx, t, config, client)
	defer oracle.informers.Shutdown()
	defer cancel()
	line := newBadLine(t, config.Host, connection.Transport)
	l := defaultLimits
	l.answer, l.watch, l.rediscover = 10*time.Second, 5*time.Second, 2*time.Second
	l.retry = backoff{shortest: 10 * time.Millisecond, longest: time.Second}
	memory := store.NewMemory(store.Header{Start: time.Now()})
	running.Go(func() {
		if err := Run(ctx, Options{Config: line.config(), Profile: Full, Sink: memory, limits: &l}); err != nil {
			t.Error(err)
		}
	})
	names := newChurn(ctx, t, client)
	writes := 0
	for end := time.Now().Add(*oracleFor); time.Now().Before(end); {
		for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
			if names.change(ctx) {
				writes++
			}
		}
		if n := oracle.compare(ctx, t, memory); t.Failed() {
			return
		} else {
			t.Logf("quiet point: %d objects of %d kinds equal, %d events, %d writes, %d faults", n, len(oracle.kinds), memory.Info().Events, writes, line.faults.Load())
		}
	}
}

// oracle is what informers know.
type oracle struct {
	informers dynamicinformer.DynamicSharedInformerFactory
	kinds     map[schema.GroupVersionResource]cache.Store
}

func newOracle(ctx context.Context, t *testing.T, config *rest.Config, client dynamic.Interface) *oracle {
	api, err := newClient(config)
	if err != nil {
		t.Fatal(err)
	}
	defer api.close()
	defineWidgets(ctx, t, client)
	found, err := api.discover(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := Kinds(Full, found.resources, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{dynamicinformer.NewDynamicSharedInformerFactory(client, 0), map[schema.GroupVersionResource]cache.Store{}}
	for _, k := range kinds {
		gvr := schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Name}
		if gvr.GroupResource() == leases {
			continue // recorded in one namespace only
		}
		o.kinds[gvr] = o.informers.ForResource(gvr).Informer().GetStore()
	}
	o.informers.Start(ctx.Done())
	o.informers.WaitForCacheSync(ctx.Done())
	return o
}

// defineWidgets returns when there are Widgets.
func defineWidgets(ctx context.Context, t *testing.T, client dynamic.Interface) {
	t.Helper()
	definition := definitions.WithVersion("v1")
	crd := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(widgetDefinition), crd); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Resource(definition).Apply(ctx, crd.GetName(), crd, metav1.ApplyOptions{FieldManager: "test"}); err != nil {
		t.Fatal(err)
	}
	for ctx.Err() == nil {
		if _, err := client.Resource(widgets).List(ctx, metav1.ListOptions{}); err == nil {
			return
		}
		sleep(ctx, 100*time.Millisecond)
	}
}

var widgets = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}

const widgetDefinition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"widgets","kind":"Widget"},"versions":[{"name":"v1","served":true,"storage":true,
"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`

// compare waits until the recording and the informers say the same, and
// returns how many objects that is.
func (o *oracle) compare(ctx context.Context, t *testing.T, memory *store.Memory) int {
	t.Helper()
	var diff string
	// An informer takes its time to come back when the API server was away.
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		var n int
		if n, diff = o.diff(memory); diff == "" {
			return n
		}
		if !sleep(ctx, 200*time.Millisecond) {
			break
		}
	}
	t.Errorf("the recording is not what there is: %s", diff)
	for gvr := range o.kinds {
		if c, err := memory.Coverage(gvr, "", memory.Info().Last); err != nil || c.Status != store.Current {
			t.Logf("%s: %+v %v", gvr.Resource, c, err)
		}
	}
	return 0
}

func (o *oracle) diff(memory *store.Memory) (objects int, diff string) {
	at := memory.Info().Last
	for gvr, informer := range o.kinds {
		seqs, err := memory.Find(store.Query{Resource: gvr}, at)
		if err != nil {
			return 0, err.Error()
		}
		recorded := map[string]any{}
		for _, seq := range seqs {
			e, err := memory.Event(seq)
			if err != nil {
				return 0, err.Error()
			}
			u := &unstructured.Unstructured{}
			if err := u.UnmarshalJSON(e.Object); err != nil {
				return 0, fmt.Sprintf("%s %s: %v", gvr.Resource, e.Name, err)
			}
			recorded[e.Namespace+"/"+e.Name] = u.Object
		}
		list := informer.List()
		for _, o := range list {
			u := o.(*unstructured.Unstructured)
			key := u.GetNamespace() + "/" + u.GetName()
			if !reflect.DeepEqual(recorded[key], u.Object) {
				return 0, fmt.Sprintf("%s %s: recorded is %v, there is %v", gvr.Resource, key, recorded[key], u.Object)
			}
			delete(recorded, key)
		}
		if len(recorded) > 0 {
			return 0, fmt.Sprintf("%s: recorded, but not there: %v", gvr.Resource, recorded)
		}
		objects += len(list)
	}
	return objects, ""
}

// badLine is a proxy that breaks connections, answers itself, and delays.
type badLine struct {
	*httptest.Server
	faults atomic.Int64
}

func newBadLine(t *testing.T, host string, transport http.RoundTripper) *badLine {
	target, err := url.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // it breaks on purpose
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	l := &badLine{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" && r.URL.Query().Get("limit") == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		switch rand.IntN(12) {
		case 0:
			l.faults.Add(1)
			refuse(429, "slow down", "Retry-After", "0")(w, r)
		case 1:
			l.faults.Add(1)
			refuse(500, "etcdserver: request timed out")(w, r)
		case 2:
			l.faults.Add(1)
			refuse(410, "too old resource version")(w, r)
		case 3:
			l.faults.Add(1)
			refuse(422, "sendInitialEvents is forbidden")(w, r)
		default:
			proxy.ServeHTTP(&badWriter{w, w.(http.Flusher), l, 1000 + rand.IntN(200_000)}, r)
		}
	}))
	t.Cleanup(func() {
		l.CloseClientConnections()
		l.Close()
	})
	return l
}

func (l *badLine) config() *rest.Config { return &rest.Config{Host: l.URL} }

// badWriter breaks the connection after some bytes, wherever that is.
type badWriter struct {
	http.ResponseWriter
	http.Flusher
	line *badLine
	left int
}

func (w *badWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left > 0 {
		return w.ResponseWriter.Write(p)
	}
	w.line.faults.Add(1)
	w.ResponseWriter.Write(p[:len(p)/2])
	w.Flusher.Flush()
	panic(http.ErrAbortHandler)
}

// churn changes objects of a few kinds in a namespace of its own.
type churn struct {
	client dynamic.Interface
}

const churned = "svcspy-oracle"

func newChurn(ctx context.Context, t *testing.T, client dynamic.Interface) *churn {
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": churned}}}
	if _, err := client.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Apply(ctx, churned, ns, metav1.ApplyOptions{FieldManager: "test"}); err != nil {
		t.Fatal(err)
	}
	return &churn{client}
}

// change writes something, and reports whether it was written: the API server
// may be away.
func (c *churn) change(ctx context.Context) bool {
	kinds := []struct {
		gvr  schema.GroupVersionResource
		kind string
		body map[string]any
	}{
		{corev1.SchemeGroupVersion.WithResource("configmaps"), "ConfigMap", map[string]any{"data": map[string]any{"n": fmt.Sprint(rand.IntN(1000))}}},
		{corev1.SchemeGroupVersion.WithResource("secrets"), "Secret", map[string]any{"stringData": map[string]any{"n": fmt.Sprint(rand.IntN(1000))}}},
		{corev1.SchemeGroupVersion.WithResource("services"), "Service", map[string]any{"spec": map[string]any{"selector": map[string]any{"n": fmt.Sprint(rand.IntN(1000))}, "ports": []any{map[string]any{"port": int64(80)}}}}},
		{widgets, "Widget", map[string]any{"spec": map[string]any{"n": int64(rand.IntN(1000)), "values": []any{"a", nil, 1.5}}}},
	}
	k := kinds[rand.IntN(len(kinds))]
	name := fmt.Sprint("o-", rand.IntN(50))
	resource := c.client.Resource(k.gvr).Namespace(churned)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if rand.IntN(4) == 0 {
		return resource.Delete(ctx, name, metav1.DeleteOptions{}) == nil
	}
	u := &unstructured.Unstructured{Object: k.body}
	u.SetAPIVersion(k.gvr.GroupVersion().String())
	u.SetKind(k.kind)
	u.SetName(name)
	_, err := resource.Apply(ctx, name, u, metav1.ApplyOptions{FieldManager: "test", Force: true})
	return err == nil
}
