package analyzer_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
)

var updateDoc = flag.Bool("update-doc", false, "rewrite DIAGNOSES.md")

const docHead = `# Diagnoses

Every id that can stand in a report, with the worst it can be, the steps of the
checklist it answers, and what it says. Ids never change. This page is written by
` + "`go test ./analyzer -run Documented -update-doc`" + ` from the catalogue.

The five columns on the right are what other tools conclude, read from their
sources in 2026: **Y** concludes it, **p** shows the raw fact or a weaker or
ambiguous form, **–** does not have it, **✗** concludes something wrong. None of
them names one root cause and folds its symptoms away, or says what could not be
known; svcspy concludes every row.

| diagnosis | worst | steps | meaning | kubespy | k8sgpt | popeye | kubectl-status | kube-insight |
|---|---|---|---|---|---|---|---|---|
`

// TestDocumented keeps DIAGNOSES.md the catalogue: no diagnosis without a line,
// no line without a diagnosis.
func TestDocumented(t *testing.T) {
	peers := map[string]string{}
	f, err := os.Open("testdata/peers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		id, marks, _ := strings.Cut(lines.Text(), " ")
		peers[id] = strings.Join(strings.Fields(marks), " | ")
	}
	var b strings.Builder
	b.WriteString(docHead)
	for _, d := range analyzer.Catalogue() {
		marks := peers[d.ID]
		if marks == "" {
			marks = "– | – | – | – | –" // svcspy's own distinctions
		}
		delete(peers, d.ID)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.ID, d.Severity, d.Steps, d.Meaning, marks)
	}
	for id := range peers {
		t.Errorf("testdata/peers.txt has %s, the catalogue has not", id)
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
