package store

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func TestScan(t *testing.T) {
	for name, test := range map[string]struct {
		raw  string
		want identity
		bad  bool
	}{
		"empty":    {raw: `{}`},
		"nothing":  {raw: ``, bad: true},
		"not JSON": {raw: `{"metadata":{"name":"x"},"spec":]`, want: identity{name: "x"}, bad: true},
		"cut":      {raw: `{"metadata":{"name":"x","uid":"u`, want: identity{name: "x"}, bad: true},
		"nulls":    {raw: `{"metadata":{"name":"x","labels":null,"annotations":null,"ownerReferences":null}}`, want: identity{name: "x"}},
		"metadata at the end, white space": {
			raw:  "{ \"spec\" : {\"a\":[1,2,{\"b\":\"}\"}] } ,\n\"metadata\" : { \"name\" : \"x\" , \"uid\":\"u\" } }",
			want: identity{name: "x", uid: "u"},
		},
		"escapes": {
			raw:  `{"a":"\\","b":"\"","metadata":{"labels":{"k\"1":"\u00e9\\"},"name":"x"}}`,
			want: identity{name: "x", labels: []label{{`k"1`, `é\`}}},
		},
		"everything": {
			raw: `{"kind":"Event","metadata":{"namespace":"n","name":"x","uid":"u","resourceVersion":"5","labels":{"a":"b","c":""},
				"annotations":{"k8s.io/initial-events-end":"true"},"managedFields":[{"fieldsV1":{"f:labels":{}}}],
				"ownerReferences":[{"uid":"o1","kind":"RS"},{"uid":"o2"}]},"involvedObject":{"uid":"i","name":"other"}}`,
			want: identity{
				namespace: "n", name: "x", uid: "u", resourceVersion: "5", labels: []label{{"a", "b"}, {"c", ""}},
				owners: []types.UID{"o1", "o2"}, involved: "i", listEnd: true,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := scan(eventsResource, []byte(test.raw))
			if (err != nil) != test.bad {
				t.Errorf("error %v, want one: %v", err, test.bad)
			}
			if d := cmp.Diff(test.want, got, cmp.AllowUnexported(identity{}, label{})); d != "" {
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
		_, err := scan(eventsResource, raw)
		if json.Valid(raw) && err != nil {
			t.Fatalf("valid JSON: %v", err)
		}
	})
}
