package alert

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// Requests as the senders document them. The module fixtures/chart has one made by
// Alertmanager's own code.
const (
	fromAlertmanager = `{"receiver":"svcspy","status":"firing","alerts":[
{"status":"firing","labels":{"alertname":"ShopDown","namespace":"shop","service":"web","severity":"critical"},"annotations":{"summary":"nobody\nbuys"},"startsAt":"2026-11-30T14:01:00.5Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1&token=abc","fingerprint":"c29d2d56f0aa3c2e"},
{"status":"resolved","labels":{"alertname":"KubePodCrashLooping","namespace":"shop","pod":"web-1","service":"kube-state-metrics","job":"kube-state-metrics"},"annotations":{},"startsAt":"2026-11-30T13:00:00Z","endsAt":"2026-11-30T13:30:00Z","generatorURL":"javascript:alert(1)","fingerprint":"00f2"}],
"groupLabels":{},"commonLabels":{"namespace":"shop"},"commonAnnotations":{},"externalURL":"http://alertmanager:9093","version":"4","groupKey":"{}:{}","truncatedAlerts":0}`
	fromGrafana   = `{"receiver":"svcspy","status":"firing","orgId":1,"alerts":[{"status":"firing","labels":{"alertname":"High latency","grafana_folder":"shop","exported_namespace":"shop","namespace":"monitoring","exported_service":"web"},"annotations":{"description":"p99"},"startsAt":"2026-11-30T14:01:00+01:00","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://grafana.example/alerting/grafana/u1/view?orgId=1","fingerprint":"57c6d9296de2ad39","silenceURL":"https://grafana.example/s","dashboardURL":"","panelURL":"https://u:p@grafana.example/d/x?orgId=1&viewPanel=2&auth_token=abc#f","values":{"A":1.5},"valueString":"[ var='A' ]"}],"groupLabels":{},"version":"1","title":"[FIRING:1]","state":"alerting","message":"x"}`
	fromPagerDuty = `{"event":{"id":"01BYZYXW","event_type":"incident.triggered","resource_type":"incident","occurred_at":"2026-11-30T14:02:00.169Z","agent":{"id":"PLH1HKV","type":"user_reference"},"client":null,"data":{"id":"PGR0VU2","type":"incident","self":"https://api.pagerduty.com/incidents/PGR0VU2","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","number":2,"status":"triggered","incident_key":"d364","created_at":"2026-11-30T14:01:30Z","title":"A little bump in the road","service":{"id":"PF9KMXH","summary":"API Service"},"assignees":[],"priority":{"id":"PSO75BM","summary":"P1"},"urgency":"high"}}}`
)

// TestParse reads a request of each sender.
func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []Alert
	}{
		"Alertmanager": {fromAlertmanager, []Alert{{
			Source: Alertmanager, Fingerprint: "c29d2d56f0aa3c2e", Name: "ShopDown", Namespace: "shop", Service: "web", Summary: "nobody buys",
			Labels: map[string]string{"namespace": "shop", "service": "web", "severity": "critical"}, Start: at("2026-11-30T14:01:00.5Z"),
			Link: "http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
		}, { // the metric is about the Pod, not about who reports it
			Source: Alertmanager, Fingerprint: "00f2", Name: "KubePodCrashLooping", Namespace: "shop",
			Labels: map[string]string{"namespace": "shop", "pod": "web-1", "service": "kube-state-metrics", "job": "kube-state-metrics"},
			Start:  at("2026-11-30T13:00:00Z"), End: at("2026-11-30T13:30:00Z"),
		}}},
		"Grafana": {fromGrafana, []Alert{{
			Source: Grafana, Fingerprint: "57c6d9296de2ad39", Name: "High latency", Namespace: "shop", Service: "web", Summary: "p99",
			Labels: map[string]string{"grafana_folder": "shop", "exported_namespace": "shop", "namespace": "monitoring", "exported_service": "web"},
			Start:  at("2026-11-30T13:01:00Z"), Link: "https://grafana.example/d/x?orgId=1&viewPanel=2",
		}}},
		"PagerDuty": {fromPagerDuty, []Alert{{
			Source: PagerDuty, Fingerprint: "PGR0VU2", Name: "A little bump in the road", Start: at("2026-11-30T14:01:30Z"),
			Labels: map[string]string{"pagerduty_service": "API Service", "priority": "P1", "urgency": "high"}, Link: "https://acme.pagerduty.com/incidents/PGR0VU2",
		}}},
		"resolved": {strings.Replace(fromPagerDuty, "incident.triggered", "incident.resolved", 1), []Alert{{
			Source: PagerDuty, Fingerprint: "PGR0VU2", Name: "A little bump in the road", Start: at("2026-11-30T14:01:30Z"), End: at("2026-11-30T14:02:00.169Z"),
			Labels: map[string]string{"pagerduty_service": "API Service", "priority": "P1", "urgency": "high"}, Link: "https://acme.pagerduty.com/incidents/PGR0VU2",
		}}},
		"reopened": {strings.Replace(fromPagerDuty, "incident.triggered", "incident.reopened", 1), []Alert{{
			Source: PagerDuty, Fingerprint: "PGR0VU2", Name: "A little bump in the road", Start: at("2026-11-30T14:02:00.169Z"),
			Labels: map[string]string{"pagerduty_service": "API Service", "priority": "P1", "urgency": "high"}, Link: "https://acme.pagerduty.com/incidents/PGR0VU2",
		}}},
		"acknowledged": {strings.Replace(fromPagerDuty, "incident.triggered", "incident.acknowledged", 1), nil},
		"ping":         {`{"event":{"id":"1","event_type":"pagey.ping","resource_type":"pagey","occurred_at":"2026-11-30T14:02:00Z","data":{"message":"Hello from your friend Pagey!","type":"ping"}}}`, nil},
		"nothing":      {`{"version":"4","alerts":[]}`, []Alert{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(c.body))
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	for _, body := range []string{
		"", "null", "[]", "{}", `"x"`, `{"alerts":{}}`, `{"alerts":[{}],"version":"4"}`, `{"alerts":[],"version":"3"}`, `{"event":{}}`, `{"event":null}`,
		`{"alerts":[{"startsAt":"9999-12-31T23:59:59-10:00"}],"version":"4"}`, `{"alerts":[{"startsAt":"0000-01-01T00:00:00Z"}],"version":"4"}`,
		`{"event":{"event_type":"incident.triggered","resource_type":"incident","data":{}}}`, `{"alerts":[{"startsAt":"yesterday"}],"version":"4"}`,
	} {
		if got, err := Parse([]byte(body)); err == nil || got != nil {
			t.Errorf("%s: %v", body, got)
		} else if !strings.Contains(body, "yesterday") && json.Valid([]byte(body)) && !errors.Is(err, ErrUnknown) && strings.HasPrefix(body, "{") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestFingerprint: without one of the sender the labels decide, and nothing else.
func TestFingerprint(t *testing.T) {
	key := func(labels string) string {
		got, err := Parse([]byte(`{"version":"4","alerts":[{"labels":` + labels + `,"startsAt":"2026-11-30T14:01:00Z"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return got[0].Key()
	}
	if key(`{"a":"1","b":"2"}`) != key(`{"b":"2","a":"1"}`) || key(`{"a":"1","b":"2"}`) == key(`{"a":"1 b","c":"2"}`) {
		t.Error("fingerprints do not tell labels apart")
	}
}

// TestWords: the text of a mark has all there is to find the alert by, in one line.
func TestWords(t *testing.T) {
	all, err := Parse([]byte(fromAlertmanager))
	if err != nil {
		t.Fatal(err)
	}
	want := `alert ShopDown fires since 2026-11-30T14:01:00Z: Service shop/web; nobody buys; labels namespace="shop" service="web" severity="critical"; Alertmanager fingerprint c29d2d56f0aa3c2e; http://prometheus:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1`
	if got := all[0].Words(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := all[1].EndWords(), "alert KubePodCrashLooping is resolved, fired since 2026-11-30T13:00:00Z; Alertmanager fingerprint 00f2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRedact: whatever the policy finds goes, wherever it stands; names of objects stay.
func TestRedact(t *testing.T) {
	a := Alert{Name: "hunter2 down", Summary: "password=hunter2", Link: "https://x.example/hunter2", Labels: map[string]string{"pod": "web-5b9b9f9cbb-8zcbk", "dsn": "hunter2"}}
	secret := regexp.MustCompile("hunter2|web-5b9b9f9cbb-8zcbk")
	a.Redact(func(s string) string { return secret.ReplaceAllString(s, "TOKEN") })
	want := Alert{Name: "TOKEN down", Summary: "password=TOKEN", Link: "https://x.example/TOKEN", Labels: map[string]string{"pod": "web-5b9b9f9cbb-8zcbk", "dsn": "TOKEN"}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse: whatever is sent, what is read is bounded, in one line and valid.
func FuzzParse(f *testing.F) {
	for _, body := range []string{fromAlertmanager, fromGrafana, fromPagerDuty, `{"version":"4","alerts":[{"labels":{"alertname":"\ud800\u0000\u202e<b>"},"startsAt":"0001-01-01T00:00:00.1Z","status":"resolved"}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := Parse(body)
		if err != nil && all != nil {
			t.Fatal("alerts and an error")
		}
		for i := range all {
			a := &all[i]
			labels := 0
			for k, v := range a.Labels {
				labels += len(k) + len(v)
			}
			switch {
			case a.Name == "" || a.Fingerprint == "" || a.Start.IsZero():
				t.Fatalf("incomplete: %+v", a)
			case len(a.Name) > longestName || len(a.Summary) > longestSummary || len(a.Link) > longestLink || labels > mostLabels:
				t.Fatalf("too long: %+v", a)
			case a.Service != "" && (!object().MatchString(a.Service) || !object().MatchString(a.Namespace)):
				t.Fatalf("no names: %+v", a)
			case !a.End.IsZero() && a.End.Before(a.Start):
				t.Fatalf("it ends before it begins: %+v", a)
			}
			if _, err := json.Marshal(a); err != nil {
				t.Fatal(err) // it would keep a segment from being stored
			}
			for _, text := range []string{a.Words(), a.EndWords()} {
				if len(text) > longestWords || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r") {
					t.Fatalf("not a line: %q", text)
				}
			}
		}
	})
}
