package recorder

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestTyped: the kind of a discovery document, whatever is in it, becomes JSON.
func TestTyped(t *testing.T) {
	for _, kind := range []string{"Pod", "a\"b\\c", "\x00\a\v", "é\u2028\U0001F600"} {
		r := resource{kind: kind, gvr: schema.GroupVersionResource{Group: "g", Version: "v1"}}
		for _, item := range []string{`{}`, `{"metadata":{"name":"a"}}`} {
			var got struct{ Kind, APIVersion string }
			text := typed(r, []byte(item))
			if err := json.Unmarshal(text, &got); err != nil || got.Kind != kind || got.APIVersion != "g/v1" {
				t.Errorf("%q: %s is %+v, %v", kind, text, got, err)
			}
		}
	}
}
