package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/NAME; -update rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s\nif this is right: go test ./replay/report -update", name, diff)
	}
}

// example has something in every section, and a hostile string in some.
func example() Envelope {
	at := time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC)
	service := analyzer.Subject{Version: "v1", Kind: "Service", Namespace: "shop", Name: "web", UID: "u1"}
	deploy := analyzer.Subject{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "u2"}
	evidence := analyzer.Evidence{
		Seq: 8790, Kind: "Pod", Namespace: "shop", Name: "web-abc", UID: "u3", ResourceVersion: "91823",
		ObservedAt: at.Add(-13 * time.Second), Path: "/status/conditions[type=Ready]/status", Old: "True", Value: "False",
	}
	return Envelope{
		APIVersion: APIVersion, Kind: "Report",
		Recording: Recording{
			ID: "id", SHA256: "abc", Cluster: store.Cluster{UID: "c", Version: "v1.37.2"},
			Start: at.Add(-time.Hour), End: at.Add(time.Hour), Closed: true, Redaction: store.Redaction{Policy: "standard", Version: 1},
		},
		At:       At{Time: at, Seq: 8812, EvidenceAgeMS: 340},
		Coverage: Coverage{Status: "partial", Gaps: []Gap{{Resource: "pods", Status: store.Gap, From: at.Add(-time.Second), Reason: "410 Gone"}}},
		Report: analyzer.Report{
			Subject: service,
			Verdict: analyzer.Verdict{
				State: analyzer.NotServing, Since: at.Add(-13 * time.Second), Certainty: analyzer.Certain,
				Classes: []analyzer.ClassResult{{Class: "cluster", Result: "REJECT", Detail: "connection refused"}, {Class: "dns", Result: "OK"}},
			},
			Headline: analyzer.Headline{ID: "readiness-probe-failing", Subject: deploy, Units: 3, Message: "All 3 Pods of Deployment web fail their readiness probe."},
			Because: []analyzer.Finding{{
				ID: "readiness-probe-failing", Severity: "outage", Subject: deploy, Units: 3, Certainty: analyzer.Certain,
				Message: "probe output: \x1b[31mHTTP 500", Evidence: []analyzer.Evidence{evidence, evidence, evidence, evidence, evidence, evidence},
			}},
			Also:      []analyzer.Finding{{ID: "lb-pending", Variant: "no-controller", Severity: "outage", Subject: service, Message: "no address yet", Evidence: []analyzer.Evidence{{Seq: 1, Kind: "Service", Namespace: "shop", Name: "web", Path: "/status/loadBalancer", Note: "empty"}}}},
			Symptoms:  []analyzer.Finding{{ID: "no-usable-endpoints", Severity: "outage", Subject: service, Message: "nothing to send to", Evidence: []analyzer.Evidence{}}},
			Risks:     []analyzer.Finding{},
			Hints:     []analyzer.Finding{{ID: "target-port-undeclared", Severity: "hint", Subject: service, Message: "port 8081 is not declared", Evidence: []analyzer.Evidence{}}},
			Checklist: []analyzer.Step{{Step: "C1", Text: "Service exists and selects Pods", Result: "yes", Evidence: "3 Pods match app=web"}, {Step: "C2", Text: "Pods are alive and ready", Result: "no", Evidence: "0 of 3"}, {Step: "C6", Text: "kube-proxy is up", Result: "unknown", Evidence: "not recorded"}, {Step: "C7", Text: "External entry", Result: "n/a"}},
			Undecided: []string{"NetworkPolicies were not recorded"},
			Endpoints: analyzer.Endpoints{Ready: 0, Desired: 3, Items: []analyzer.Endpoint{{Address: "10.0.0.1", Ports: []string{"http:8080/TCP"}, State: "notready", Pod: "web-abc", Node: "n1", Reason: "readiness probe fails"}}},
			Next:      []string{"kubectl describe pod web-abc -n shop"},
		},
	}
}

func TestText(t *testing.T) {
	var plain, color, ascii, brief, both bytes.Buffer
	for _, c := range []struct {
		w *bytes.Buffer
		o Options
	}{{&plain, Options{}}, {&color, Options{Color: true, Zone: time.FixedZone("", 3600)}}, {&ascii, Options{ASCII: true}}, {&brief, Options{Brief: true}}, {&both, Options{Brief: true, ASCII: true}}} {
		if err := Text(c.w, example(), c.o); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "report.txt", plain.Bytes())
	golden(t, "report-color.txt", color.Bytes())
	golden(t, "report-ascii.txt", ascii.Bytes())
	golden(t, "report-brief.txt", brief.Bytes())
	golden(t, "report-brief-ascii.txt", both.Bytes())
}

func TestDocument(t *testing.T) {
	for _, format := range []string{"json", "jsonl", "yaml"} {
		var b bytes.Buffer
		if err := Document(&b, format, example()); err != nil {
			t.Fatal(err)
		}
		golden(t, "report."+format, b.Bytes())
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{119 * time.Second, "119s"},
		{2 * time.Minute, "2m"},
		{150 * time.Second, "2m30s"},
		{11 * time.Minute, "11m"},
		{179 * time.Minute, "179m"},
		{3*time.Hour + 5*time.Minute, "3h5m"},
		{9 * time.Hour, "9h"},
		{50 * time.Hour, "2d2h"},
		{30 * 24 * time.Hour, "30d"},
		{800 * 24 * time.Hour, "2y70d"},
	}
	for _, tt := range tests {
		if got := Duration(tt.d); got != tt.want {
			t.Errorf("Duration(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

// What a terminal may act on is escaped in JSON too, and means the same.
func TestDocumentIsHarmless(t *testing.T) {
	text := "a\u009b31m\u202eb\U000e0041\x7f\x1b<b>"
	var b bytes.Buffer
	if err := Document(&b, "json", map[string]string{"x": text}); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexFunc(b.Bytes(), func(r rune) bool { return hostile(r) && r != '\n' }); i >= 0 {
		t.Errorf("%q keeps a control character at %d", b.String(), i)
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["x"] != text {
		t.Errorf("read back as %q, %v", back["x"], err)
	}
}
