package redact

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	pods       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	events     = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	custom     = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}
)

// fixed returns a policy whose tokens are the same in every run.
func fixed() *Policy { return new(Policy) }

// objects are redacted as shown; an empty want is "as it is".
var objects = []struct {
	name     string
	resource schema.GroupVersionResource
	in, want string
}{
	{"nothing to do", pods, ` { "metadata" : {"name":"web","uid":"u"}, "spec":{"containers":[{"image":"a/b:c@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}]}, "n":[1,-2.5e3,true,null] } `, ``},
	{
		"secret", secrets,
		`{"kind":"Secret","metadata":{"name":"db"},"type":"Opaque","data":{"password":"aHVudGVyMg==","empty":""},"stringData":{"user":"hunter2"}}`,
		`{"kind":"Secret","metadata":{"name":"db"},"type":"Opaque","data":{"password":"4oC5cjo5ZmE4OTdjZGYyYjRmMDA2OjfigLo=","empty":""},"stringData":{"user":"‹r:9fa897cdf2b4f006:7›"}}`,
	},
	{"references keep their names", custom, `{"spec":{"secretName":"db","secretRef":{"name":"db","key":"password"},"imagePullSecrets":[{"name":"pull"}],"passwordFile":"/run/p"}}`, ``},
	{"references of a Pod", pods, `{"spec":{"imagePullSecrets":[{"name":"pull"}],"volumes":[{"secret":{"secretName":"db","items":[{"key":"password","path":"p"}]}}],"containers":[{"env":[{"name":"PASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}}]}]}}`, ``},
	{"requirements of a selector", custom, `{"spec":{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["web"]}]}}}`, ``},
	{"switches and empty values", pods, `{"spec":{"containers":[{"env":[{"name":"USE_TOKEN","value":"true"},{"name":"PASSWORD","value":""},{"name":"TOKEN","value":"$(OTHER)"}],"args":["--token","--verbose","--password="]}]}}`, ``},
	{"numbers and words below values", custom, `{"spec":{"values":{"replicas":3,"on":true,"none":null}}}`, ``},
	{"not what the name promises", pods, `{"metadata":{"annotations":null,"managedFields":null},"spec":{"env":"x","args":{"a":1},"command":null,"message":{"a":[1]},"parameters":3,"options":[1,"x"],"env2":[{"env":[1,{"name":null}]}]}}`, ``},
}

func TestObject(t *testing.T) {
	for _, tt := range objects {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == "" {
				want = tt.in
			}
			got, err := fixed().Object(nil, tt.resource, []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("Object (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRedact(f *testing.F) {
	const canary = "CANARY-hunter2"
	for i := range 5 {
		for _, o := range objects {
			f.Add([]byte(o.in), i)
		}
		for _, c := range canaries {
			f.Add([]byte(c.object), i)
		}
	}
	resources := []schema.GroupVersionResource{pods, secrets, configMaps, events, custom}
	f.Fuzz(func(t *testing.T, text []byte, which int) {
		p := fixed()
		resource := resources[uint(which)%uint(len(resources))]
		once, err := p.Object(nil, resource, text)
		if valid := json.Valid(text); (err == nil) != valid {
			t.Fatalf("Object(%q): %v, but json.Valid is %t", text, err, valid)
		}
		if err != nil {
			return
		}
		if !json.Valid(once) {
			t.Fatalf("Object(%q) = %q: not JSON", text, once)
		}
		twice, err := p.Object(nil, resource, once)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(once), string(twice)); diff != "" {
			t.Fatalf("redacting again changes it (-once +twice):\n%s", diff)
		}
		// Whatever the rest of a Secret is, its data never come through.
		secret := append(append([]byte(`{"data":{"k":"`+canary+`","o":[`), text...), `,"`+canary+`"]}}`...)
		out, err := p.Object(nil, secrets, secret)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), canary) && !strings.Contains(string(text), canary) {
			t.Fatalf("the canary came through: %q", out)
		}
	})
}
