package apiserver

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay/apiserver/printer"
	"github.com/svcspy/svcspy/store/rawjson"
)

func tableOf(t *testing.T, s *Server, target string) metav1.Table {
	t.Helper()
	w := get(t, s, target, "application/json;as=Table;v=v1;g=meta.k8s.io")
	var table metav1.Table
	if err := json.Unmarshal(w.Body.Bytes(), &table); err != nil || table.Kind != "Table" {
		t.Fatalf("%s: %s (%v)", target, w.Body, err)
	}
	return table
}

func TestCustomTable(t *testing.T) {
	f := small(t)
	f.list(widgetsGVR, "", "300", object{namespace: "shop", name: "one", rv: "290", json: `"spec":{"color":"red","size":3,"tags":["x","y"]},"status":{"conditions":[{"type":"Ready","status":"True"}]}`})
	before := f.at
	f.list(printer.Definitions, "", "310", object{name: "widgets.example.com", rv: "305", json: `"spec":{"versions":[{"name":"v1","selectableFields":[{"jsonPath":".spec.color"}],"additionalPrinterColumns":[
		{"name":"Color","type":"string","jsonPath":".spec.color"},{"name":"Size","type":"integer","jsonPath":".spec.size","priority":1},
		{"name":"Tags","type":"string","jsonPath":".spec.tags"},{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"},
		{"name":"Born","type":"date","jsonPath":".metadata.creationTimestamp"},{"name":"None","type":"number","jsonPath":".spec.none"},{"name":"Bad","type":"string","jsonPath":"bad"}]}]}`})
	s := f.serve(before, 0)
	table := tableOf(t, s, "/apis/example.com/v1/widgets")
	if diff := cmp.Diff([]any{"one", "79s"}, table.Rows[0].Cells); diff != "" { // not defined yet
		t.Errorf("without a definition (-want +got):\n%s", diff)
	}
	table = tableOf(t, s, "/at/end/apis/example.com/v1/widgets")
	if diff := cmp.Diff([]any{"one", "red", 3.0, `["x","y"]`, "True", "84s", nil, nil}, table.Rows[0].Cells); diff != "" {
		t.Errorf("with a definition (-want +got):\n%s", diff)
	}
	if got, _ := listed(t, s, "/at/end/apis/example.com/v1/widgets?fieldSelector=spec.color=red"); len(got) != 1 {
		t.Errorf("by a selectable field: %v", got)
	}
	if w := get(t, s, "/at/end/apis/example.com/v1/widgets?fieldSelector=spec.size=3", ""); w.Code != 400 {
		t.Errorf("by another field: %d %s", w.Code, w.Body)
	}
}

func TestTableForms(t *testing.T) {
	f := small(t)
	f.list(v1("storage.k8s.io", "storageclasses"), "", "300",
		object{name: "a", rv: "200", json: `"provisioner":"x"`}, object{name: "b", rv: "201", json: `"provisioner":"x"`})
	f.hear(watch.Modified, v1("storage.k8s.io", "storageclasses"), object{name: "b", rv: "301", json: `"provisioner":7`}) // unreadable
	s := f.serve(f.at, 0)
	table := tableOf(t, s, "/apis/storage.k8s.io/v1/storageclasses?includeObject=None")
	if diff := cmp.Diff([]any{"b", nil, nil, nil, nil, nil}, table.Rows[1].Cells); diff != "" {
		t.Errorf("an object that cannot be decoded (-want +got):\n%s", diff)
	}
	if string(table.Rows[0].Object.Raw) != "null" && table.Rows[0].Object.Raw != nil {
		t.Errorf("includeObject=None: %s", table.Rows[0].Object.Raw)
	}
	var partial metav1.PartialObjectMetadata
	table = tableOf(t, s, "/api/v1/namespaces/shop/pods/a")
	if err := json.Unmarshal(table.Rows[0].Object.Raw, &partial); err != nil || partial.Kind != "PartialObjectMetadata" || partial.Name != "a" {
		t.Errorf("includeObject=Metadata: %s (%v)", table.Rows[0].Object.Raw, err)
	}
	if w := get(t, s, "/api/v1/pods?includeObject=All", "application/json;as=Table;v=v1;g=meta.k8s.io"); w.Code != 400 {
		t.Errorf("includeObject=All: %d %s", w.Code, w.Body)
	}
	w := get(t, s, "/api/v1/pods", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
	var list metav1.PartialObjectMetadataList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || list.Kind != "PartialObjectMetadataList" || len(list.Items) != 2 {
		t.Errorf("metadata: %s (%v)", w.Body, err)
	}
	if w := get(t, s, "/api/v1/pods", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"); w.Code != 406 {
		t.Errorf("a list as one object: %d %s", w.Code, w.Body)
	}
}

func TestDiscovery(t *testing.T) {
	f := small(t)
	s := f.serve(f.at, 0)
	var list metav1.APIResourceList
	if err := json.Unmarshal(get(t, s, "/api/v1", "").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range list.APIResources {
		names = append(names, r.Name)
		if !slices.Equal(r.Verbs, reading) {
			t.Errorf("%s can %v", r.Name, r.Verbs)
		}
	}
	if diff := cmp.Diff([]string{"configmaps", "events", "namespaces", "nodes", "pods", "secrets"}, names); diff != "" {
		t.Errorf("core resources (-want +got):\n%s", diff)
	}
	var groups metav1.APIGroupList
	if err := json.Unmarshal(get(t, s, "/apis", "").Body.Bytes(), &groups); err != nil {
		t.Fatal(err)
	}
	names = nil
	for _, g := range groups.Groups {
		names = append(names, g.PreferredVersion.GroupVersion)
	}
	want := []string{"apps/v1", "apiextensions.k8s.io/v1", "authorization.k8s.io/v1", "events.k8s.io/v1", "storage.k8s.io/v1", "example.com/v1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	for path, kind := range map[string]string{
		"/": "", "/version": "", "/healthz": "", "/api": "APIVersions", "/apis/apps": "APIGroup", "/apis/apps/v1": "APIResourceList",
		"/openapi/v3": "", "/openapi/v3/api/v1": "", "/openapi/v3/apis/example.com/v1": "",
	} {
		w := get(t, s, path, "")
		if w.Code != 200 || rawjson.Text(w.Body.Bytes(), "kind") != kind {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := get(t, s, "/apis", aggregatedType+",application/json")
	if got := rawjson.Text(w.Body.Bytes(), "kind"); got != "APIGroupDiscoveryList" || w.Header().Get("Content-Type") != aggregatedType {
		t.Errorf("aggregated discovery: %s %s", got, w.Header())
	}
}
