package analyzer_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/fixtures/incidents"
)

var updateDoc = flag.Bool("update-doc", false, "rewrite DIAGNOSES.md")

const docHead = `# Diagnoses

Every id that can stand in a report, with the worst it can be, the steps of the
checklist it answers, what it says, and what looks like it and is something else.
Ids never change. This page is written by
` + "`go test ./analyzer -run Documented -update-doc`" + ` from the declarations.

The last column names incidents that show it, up to three: outages on a real
control plane, whose recordings are in [fixtures/incidents](../fixtures/incidents).
` + "`svcspy replay fixtures/incidents/NAME.db`" + ` plays one.

| diagnosis | worst | steps | meaning | not to be taken for it | recorded |
|---|---|---|---|---|---|
`

// TestDocumented keeps DIAGNOSES.md the catalogue: no diagnosis without a line,
// no line without a diagnosis.
func TestDocumented(t *testing.T) {
	shown := recorded(t)
	for _, id := range historical {
		if len(shown[id]) == 0 {
			t.Errorf("%s needs the history, and no recorded incident expects it", id)
		}
	}
	var b strings.Builder
	b.WriteString(docHead)
	for _, d := range registry.Catalogue() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d.ID, d.Severity, d.Steps, d.Meaning, d.Trap, strings.Join(shown[d.ID][:min(3, len(shown[d.ID]))], ", "))
	}
	if *updateDoc {
		if err := os.WriteFile("DIAGNOSES.md", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := os.ReadFile("DIAGNOSES.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(doc)); diff != "" {
		t.Errorf("DIAGNOSES.md is not the catalogue (-catalogue +page):\n%s\nif the catalogue is right: go test ./analyzer -run Documented -update-doc", diff)
	}
}

// historical are the diagnoses that no snapshot of a cluster can give.
var historical = []string{
	"svc-deleted", "svc-recreated", "selector-edited", "pods-detached-by-label", "workload-deleted", "autoscaler-scaled-down",
	"rollout-cut-capacity", "image-change-preceded-failure", "config-change-preceded-failure", "deletion-order", "pod-disrupted",
	"readiness-flapping", "endpoint-lag", "terminated-before-drained", "lb-address-changed", "all-endpoints-lost-at-once",
}

// recorded lists the incidents that expect each diagnosis, those first of which
// it is the headline.
func recorded(t *testing.T) map[string][]string {
	t.Helper()
	all, err := incidents.Load("../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string][]string{}
	note := func(name string, ids []string) {
		for _, id := range ids {
			if !slices.Contains(shown[id], name) {
				shown[id] = append(shown[id], name)
			}
		}
	}
	for _, i := range all {
		for _, e := range i.Expect {
			if len(e.Headline) == 1 {
				note(i.Name, e.Headline)
			}
		}
	}
	for _, i := range all {
		for _, e := range i.Expect {
			note(i.Name, slices.Concat(e.Because, e.Also, e.Symptoms, e.Risks, e.Hints, e.Finds))
		}
	}
	return shown
}
