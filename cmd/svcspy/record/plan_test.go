package record

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
)

// TestPlanOfLogs: who may list Pods need not be allowed to read their logs.
func TestPlanOfLogs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SelfSubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Status.Allowed = review.Spec.ResourceAttributes.Subresource != "log" || review.Spec.ResourceAttributes.Namespace == "open"
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	defer server.Close()
	client, err := cli.NewAccess(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]string{"shop": "no", "open": "yes"} {
		pods := recorder.Target{Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: namespace}
		if got := plan(pods, "pods", func() (string, error) { return client.Refusal(t.Context(), pods) }); got.Allowed != "yes" {
			t.Errorf("pods in %s: %+v", namespace, got)
		}
		if got := plan(pods, "pods/log", func() (string, error) { return client.LogRefusal(t.Context(), pods) }); got.Allowed != want {
			t.Errorf("logs in %s: %+v, want %s", namespace, got, want)
		}
	}
}
