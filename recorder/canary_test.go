package recorder

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

// planted are objects with secrets in every place where people put them. Each
// CANARY becomes a secret of its own, each BASE64 one in base64.
var planted = []struct {
	resource schema.GroupVersionResource
	object   string
}{
	{schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"canary","annotations":{
		"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"BASE64\"},\"stringData\":{\"b\":\"CANARY\"}}"}},
		"data":{"a":"BASE64","b":"BASE64","c":"BASE64"},"stringData":{"d":"CANARY","e":"CANARY"}}`},
	{schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"canary","annotations":{
		"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"a\":\"CANARY\"}}"}},
		"data":{"a":"CANARY","b":"x = CANARY\ny: CANARY"},"binaryData":{"c":"BASE64"}}`},
	{schema.GroupVersionResource{Version: "v1", Resource: "pods"}, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"canary","annotations":{
		"kubectl.kubernetes.io/last-applied-configuration":"{\"spec\":\"CANARY\"}",
		"example.com/password":"CANARY","example.com/config":"{\"token\":\"CANARY\"}","example.com/url":"https://u:CANARY@example.com/"}},
		"spec":{"containers":[{"name":"main","image":"app",
		"env":[{"name":"DB_PASSWORD","value":"CANARY"},{"name":"API_TOKEN","value":"CANARY"},{"name":"STRIPE_KEY","value":"CANARY"},
		{"name":"URL","value":"postgres://u:CANARY@db/x"},{"name":"OPTS","value":"-Dpassword=CANARY -v"}],
		"args":["--password=CANARY","--token","CANARY","-c","curl -H 'Authorization: Bearer CANARY' x"],"command":["run","--api-key=CANARY"],
		"livenessProbe":{"httpGet":{"port":80,"path":"/?token=CANARY","httpHeaders":[{"name":"Authorization","value":"CANARY"},{"name":"X-Api-Key","value":"CANARY"}]}},
		"readinessProbe":{"exec":{"command":["redis-cli","--pass","CANARY"]}},
		"lifecycle":{"preStop":{"exec":{"command":["sh","-c","TOKEN=CANARY drain"]}}}}]}}`},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"canary"},
		"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"},"annotations":{"vault/secret":"CANARY"}},
		"spec":{"initContainers":[{"name":"i","image":"app","env":[{"name":"AUTH","value":"CANARY"}]}],
		"containers":[{"name":"main","image":"app","env":[{"name":"CLIENT_SECRET","value":"CANARY"}]}]}}}}`},
	{schema.GroupVersionResource{Version: "v1", Resource: "events"}, `{"apiVersion":"v1","kind":"Event","metadata":{"name":"canary"},"involvedObject":{"namespace":"svcspy-oracle"},
		"message":"cannot log in with password=CANARY: Authorization: Bearer CANARY was refused by https://u:CANARY@example.com"}`},
	{schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"canary"},
		"provisioner":"example.com/x","parameters":{"adminPassword":"CANARY"}}`},
	{widgets, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"canary"},"spec":{"values":{"a":["CANARY"]},"data":{"b":"CANARY"},
		"secretThing":{"c":"CANARY"},"password":"CANARY","helm":{"parameters":[{"name":"x","value":"CANARY"}],"values":"x: CANARY"},
		"template":{"env":[{"name":"TOKEN","value":"CANARY"}]}}}`},
}

// TestPlantedCanaries plants secrets through a real API server, records it, and
// looks for them in every byte of the file and of what is in it.
func TestPlantedCanaries(t *testing.T) {
	path := os.Getenv("SVCSPY_ORACLE")
	if path == "" {
		t.Skip("SVCSPY_ORACLE is not set")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	newChurn(ctx, t, client)
	defineWidgets(ctx, t, client)

	o := Options{Config: config, Profile: Full, Redactor: redact.Standard(false)}
	header, err := Prepare(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "canary.db")
	w, err := store.Create(file, header)
	if err != nil {
		t.Fatal(err)
	}
	o.Sink = w
	ready := make(chan struct{})
	o.Ready = func() { close(ready) }
	recording, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- Run(recording, o) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	secrets := plant(ctx, t, client)
	secrets = append(secrets, plant(ctx, t, client)...) // the change must be seen
	time.Sleep(time.Second)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	info, err := w.Seal(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(secrets) < 2*40 {
		t.Errorf("%d secrets planted, want 40 in each round", len(secrets)/2)
	}

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	versions := map[string][]string{} // of the planted Secret and ConfigMap: their data
	for e, err := range r.Events(1, info.Last+1) {
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, e.Object...), '\n')
		if e.Name == "canary" && e.IsObject() {
			_, data, _ := strings.Cut(string(e.Object), `"data":{`)
			versions[e.Resource.Resource] = append(versions[e.Resource.Resource], data)
		}
	}
	changes, err := r.Ledger(1, info.Last+1)
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "%v", changes)
	for _, s := range secrets {
		encoded := strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "=")
		for _, form := range []string{s, encoded[:len(encoded)-1], url.QueryEscape(s)} {
			if i := bytes.Index(text, []byte(form)); i >= 0 {
				t.Errorf("%s is in the recording: %q", s, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	for _, p := range planted {
		seen := versions[p.resource.Resource]
		if len(seen) < 2 {
			t.Errorf("%d versions of %s canary recorded, want 2", len(seen), p.resource.Resource)
		}
	}
	for _, resource := range []string{"secrets", "configmaps"} {
		if seen := versions[resource]; len(seen) > 1 && seen[0] == seen[len(seen)-1] {
			t.Errorf("the changed value of %s cannot be seen: %s", resource, seen[0])
		}
	}
}

// plant creates the objects, in place of those that exist where that is
// needed, and returns their secrets.
func plant(ctx context.Context, t *testing.T, client dynamic.Interface) (secrets []string) {
	t.Helper()
	for _, p := range planted {
		text := regexp.MustCompile("CANARY|BASE64").ReplaceAllStringFunc(p.object, func(kind string) string {
			s := fmt.Sprintf("c4n4ry-%02d-%d", len(secrets), time.Now().UnixNano())
			secrets = append(secrets, s)
			if kind == "BASE64" {
				return base64.StdEncoding.EncodeToString([]byte(s))
			}
			return s
		})
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON([]byte(text)); err != nil {
			t.Fatal(err)
		}
		var resource dynamic.ResourceInterface = client.Resource(p.resource)
		if p.resource.Resource != "storageclasses" {
			resource = client.Resource(p.resource).Namespace(churned)
		}
		if slices.Contains([]string{"pods", "storageclasses"}, p.resource.Resource) { // cannot be changed
			now := int64(0)
			resource.Delete(ctx, u.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now})
		}
		if _, err := resource.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	return secrets
}
