package recorder

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API server keeps no watch cache of Events. Where watch-lists are off, as in Kubernetes
// 1.30, 1.31 and 1.33, a watch of them tells nothing until there is another, no bookmark
// either. What is known then is known by their versions.
func TestEventsWithoutBookmarks(t *testing.T) {
	refused := refuse(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
	for _, tt := range []struct {
		name   string
		script []step
		want   []string
	}{
		{
			name:   "nothing happened since the list",
			script: []step{refused, says(page("40", "", pod("a", "33"))), holds(), says(page("52", "", pod("a", "33")))},
			want:   []string{"Listing", "RELIST", "ADDED a 33", "BOOKMARK 40 end", "Current 40"},
		},
		{
			name: "what is newer has to come first",
			script: []step{
				refused, says(page("40", "", pod("a", "33"))), later(underLoad, holds(event("ADDED", pod("b", "45")), event("ADDED", pod("c", "46")), event("ADDED", pod("d", "60")))),
				says(page("52", "next", pod("a", "33"))), says(page("52", "", pod("c", "46"), pod("b", "45"))),
			},
			want: []string{"Listing", "RELIST", "ADDED a 33", "BOOKMARK 40 end", "ADDED b 45", "ADDED c 46", "Current 46", "ADDED d 60"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, map[string][]step{"/api/v1/events": tt.script})
			s.resources = []metav1.APIResource{kind("", "events", "Event", true)}
			s.newest, s.probe = "52", says() // something else was written since; no bookmark comes
			got := record(t, Options{Config: s.config()}, tt.want[len(tt.want)-1])
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}
