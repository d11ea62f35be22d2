package rawjson

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

func TestScan(t *testing.T) {
	for name, test := range map[string]struct {
		raw  string
		want Identity
		bad  bool
	}{
		"empty":    {raw: `{}`},
		"nothing":  {raw: ``, bad: true},
		"not JSON": {raw: `{"metadata":{"name":"x"},"spec":]`, want: Identity{Name: "x"}, bad: true},
		"cut":      {raw: `{"metadata":{"name":"x","uid":"u`, want: Identity{Name: "x"}, bad: true},
		"nulls":    {raw: `{"metadata":{"name":"x","labels":null,"annotations":null,"ownerReferences":null}}`, want: Identity{Name: "x"}},
		"metadata at the end, white space": {
			raw:  "{ \"spec\" : {\"a\":[1,2,{\"b\":\"}\"}] } ,\n\"metadata\" : { \"name\" : \"x\" , \"uid\":\"u\" } }",
			want: Identity{Name: "x", UID: "u"},
		},
		"escapes": {
			raw:  `{"a":"\\","b":"\"","metadata":{"labels":{"k\"1":"\u00e9\\"},"name":"x"}}`,
			want: Identity{Name: "x", Labels: []label{{`k"1`, `é\`}}},
		},
		"brackets in managedFields": {
			raw:  `{"metadata":{"managedFields":[{"fieldsV1":{"f:a]}\"[{":{".":{},"k:{\"x\":\"\\\\\"}":{}}}},[[]],"}"],"name":"x","uid":"u"},"spec":{}}`,
			want: Identity{Name: "x", UID: "u"},
		},
		"managedFields of other kinds": {raw: `{"metadata":{"managedFields":null,"name":"x","managedFields":{"a":[]},"uid":"u","managedFields":"]","resourceVersion":"5"}}`, want: Identity{Name: "x", UID: "u", ResourceVersion: "5"}},
		"cut in managedFields":         {raw: `{"metadata":{"name":"x","managedFields":[{"fieldsV1":{"f:a`, want: Identity{Name: "x"}, bad: true},
		"everything": {
			raw: `{"kind":"Event","metadata":{"namespace":"n","name":"x","uid":"u","resourceVersion":"5","labels":{"a":"b","c":""},
				"annotations":{"k8s.io/initial-events-end":"true"},"managedFields":[{"fieldsV1":{"f:labels":{}}}],
				"ownerReferences":[{"uid":"o1","kind":"RS"},{"uid":"o2"}]},"involvedObject":{"uid":"i","name":"other"}}`,
			want: Identity{
				Namespace: "n", Name: "x", UID: "u", ResourceVersion: "5", Labels: []label{{"a", "b"}, {"c", ""}},
				Owners: []types.UID{"o1", "o2"}, Involved: "i", ListEnd: true,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Identify(schema.GroupVersionResource{Version: "v1", Resource: "events"}, []byte(test.raw))
			if (err != nil) != test.bad {
				t.Errorf("error %v, want one: %v", err, test.bad)
			}
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(Identity{}, label{})); d != "" {
				t.Errorf("identity (-want +got):\n%s", d)
			}
		})
	}
}

// FuzzScan: whatever the bytes, scanning ends; and on JSON it agrees with
// encoding/json about the name.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"x","labels":{"a":"b"}},"involvedObject":{"uid":"u"}}`))
	f.Add([]byte(`[[[[{"a":"\\\""}]]]]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, err := Identify(schema.GroupVersionResource{Version: "v1", Resource: "events"}, raw)
		if json.Valid(raw) && err != nil {
			t.Fatalf("valid JSON: %v", err)
		}
	})
}
