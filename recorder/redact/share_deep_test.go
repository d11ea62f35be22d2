package redact

import (
	"strings"
	"testing"

	"github.com/svcspy/svcspy/store"
)

// TestShareReadsOnce: how long a text takes does not grow with how deep it is
// nested.
func TestShareReadsOnce(t *testing.T) {
	text := strings.Repeat(`{"kind":"a","b":`, 9000) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", 9000)
	a := lookThrough([]byte(text))
	if len(a) != 9000 || a[0].kind != "a" {
		t.Errorf("%d objects say what they are about", len(a))
	}
	// What took a walk of the rest at each of the levels took minutes.
	learn := &Share{names: newPseudonyms(&Policy{})}
	learn.Learn(&store.Event{Type: "ADDED", Object: []byte(text)})
}
