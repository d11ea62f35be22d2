package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/audit"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

const pod = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","namespace":"shop","uid":"u1","resourceVersion":"7","labels":{"app":"web"}},"spec":{}}`

// line is an audit event with some members replaced.
func line(changes ...string) string {
	text := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods","verb":"create",` +
		`"user":{"username":"alice","groups":["dev"]},"impersonatedUser":{"username":"root"},"sourceIPs":["10.1.2.3"],"userAgent":"kubectl/v1.37","objectRef":{"resource":"pods","namespace":"shop","name":"web-1","apiVersion":"v1"},` +
		`"responseStatus":{"code":201},"responseObject":` + pod + `,"requestReceivedTimestamp":"2026-11-30T01:00:00.000000Z","stageTimestamp":"2026-11-30T01:00:00.500000Z"}`
	return strings.NewReplacer(changes...).Replace(text)
}

// events imports a text and returns what was recorded, one line each.
func events(t testing.TB, text string) ([]string, []importer.Hole, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := importer.Read(context.Background(), &importer.Options{
		Sources: []string{path}, Formats: []importer.Format{audit.Format}, As: "audit", Policy: redact.Standard(false), Dir: t.TempDir(),
	})
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	m := store.NewMemory(e.Header())
	if _, err := e.Write(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	var all []string
	for ev, err := range m.Events(0, m.Info().Last) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Resource == store.Requests {
			var r store.Request
			if err := json.Unmarshal(ev.Object, &r); err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s as %s from %s: %s %s %d %s", r.User, r.Impersonated, strings.Join(r.Addresses, ","), r.Verb, ev.Name, r.Code, r.Message)))
			continue
		}
		all = append(all, fmt.Sprintf("%s %s %s/%s @%s", ev.Type, ev.Resource.Resource, ev.Namespace, ev.Name, ev.ResourceVersion))
	}
	return all, e.Explanation.Holes, nil
}

func quoted(s string) string {
	data, _ := json.Marshal(s) // a text can be encoded
	return string(data)
}

func TestEnvelopes(t *testing.T) {
	who, added := "alice as root from 10.1.2.3: create pods.web-1 201", "ADDED pods shop/web-1 @7"
	google := `{"insertId":"g1","timestamp":"2026-11-30T01:00:00Z","protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.create",` +
		`"resourceName":"core/v1/namespaces/shop/pods/web-1","authenticationInfo":{"principalEmail":"alice"},"requestMetadata":{"callerIp":"10.1.2.3","callerSuppliedUserAgent":"kubectl/v1.37"},"response":` + pod + `}}`
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"plain", line(), []string{who, added}},
		{"v1beta1", line("audit.k8s.io/v1", "audit.k8s.io/v1beta1"), []string{who, added}},
		{"behind the words of syslog", "<13>Nov 30 01:00:00 cp-1 audit: " + line(), []string{who, added}},
		{"EKS, CloudWatch", `{"timestamp":1,"ingestionTime":2,"message":` + quoted(line()) + `,"logStreamName":"kube-apiserver-audit-1"}`, []string{who, added}},
		{"EKS, events in a list", `{"events":[{"timestamp":1,"message":` + quoted(line()) + `}]}`, []string{who, added}},
		{"AKS, as a string", `{"time":"2026-11-30T01:00:00Z","category":"kube-audit","properties":{"log":` + quoted(line()) + `}}`, []string{who, added}},
		{"AKS, as an object", `{"records":[{"properties":{"log":` + line() + `}}]}`, []string{who, added}},
		{"GKE", google, []string{"alice as  from 10.1.2.3: create pods.web-1 200", added}},
		{"GKE, a list over many lines", "[\n" + google + "\n]", []string{"alice as  from 10.1.2.3: create pods.web-1 200", added}},
		{"Elastic", `{"_source":{"@timestamp":"2026-11-30T01:00:00Z","kubernetes":{"audit":` + line() + `}}}`, []string{who, added}},
		{"Loki", `{"data":{"result":[{"stream":{},"values":[["1",` + quoted(line()) + `]]}]}}`, []string{who, added}},
		{"EventList", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[` + line() + `]}`, []string{who, added}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, holes, err := events(t, test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || len(holes) > 0 {
				t.Errorf("recorded (-want +got):\n%s\nholes %v", diff, holes)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	second := func(changes ...string) string {
		return line(append([]string{`"auditID":"a1"`, `"auditID":"a2"`, "01:00:00.5", "01:00:02.5"}, changes...)...)
	}
	created := []string{"alice as root from 10.1.2.3: create pods.web-1 201", "ADDED pods shop/web-1 @7"}
	status := `"responseObject":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}`
	for _, test := range []struct {
		name string
		text string // after the Pod was created
		want []string
	}{
		{"a read", second(`"verb":"create"`, `"verb":"get"`), nil},
		{"a trial", second("/pods\"", `/pods?dryRun=All"`, `"resourceVersion":"7"`, `"resourceVersion":"9"`), nil},
		{"an earlier stage", second("ResponseComplete", "RequestReceived", `"resourceVersion":"7"`, `"resourceVersion":"9"`), nil},
		{"the same write again", line(), []string{"alice as root from 10.1.2.3: create pods.web-1 201"}},
		{"a patch", second(`"verb":"create"`, `"verb":"patch"`, `"code":201`, `"code":200`, `"resourceVersion":"7"`, `"resourceVersion":"9"`), []string{"alice as root from 10.1.2.3: patch pods.web-1 200", "MODIFIED pods shop/web-1 @9"}},
		{"a deletion at once", second(`"verb":"create"`, `"verb":"delete"`, `"code":201`, `"code":200`, `"responseObject":`+pod, status), []string{"alice as root from 10.1.2.3: delete pods.web-1 200", "DELETED pods shop/web-1 @"}},
		{
			"a deletion with grace", second(`"verb":"create"`, `"verb":"delete"`, `"code":201`, `"code":200`, `"resourceVersion":"7"`, `"resourceVersion":"9","deletionTimestamp":"2026-11-30T01:00:32Z","deletionGracePeriodSeconds":30`),
			[]string{"alice as root from 10.1.2.3: delete pods.web-1 200", "MODIFIED pods shop/web-1 @9"},
		},
		{
			"its last finalizer", second(`"verb":"create"`, `"verb":"update"`, `"code":201`, `"code":200`, `"resourceVersion":"7"`, `"resourceVersion":"9","deletionTimestamp":"2026-11-30T01:00:02Z","deletionGracePeriodSeconds":0`),
			[]string{"alice as root from 10.1.2.3: update pods.web-1 200", "DELETED pods shop/web-1 @9"},
		},
		{
			"a refusal", second(`"name":"web-1","apiVersion"`, `"apiVersion"`, `"responseStatus":{"code":201}`, `"responseStatus":{"status":"Failure","message":"exceeded quota: pods","reason":"Forbidden","details":{"name":"web-2","kind":"pods"},"code":403}`),
			[]string{"alice as root from 10.1.2.3: create pods.web-2 403 exceeded quota: pods"},
		},
		{"a conflict", second(`"code":201`, `"code":409`), nil},
		{"a token", second(`"apiVersion":"v1"},"responseStatus"`, `"apiVersion":"v1","subresource":"token"},"responseStatus"`), nil},
		{"a binding", second(`"apiVersion":"v1"},"responseStatus"`, `"apiVersion":"v1","subresource":"binding"},"responseStatus"`, `"responseObject":`+pod, status), []string{"alice as root from 10.1.2.3: create pods.web-1 201"}},
		{
			"all of them", second(`"verb":"create"`, `"verb":"deletecollection"`, `"name":"web-1","apiVersion"`, `"apiVersion"`, `"code":201`, `"code":200`, `"responseObject":`+pod,
				`"responseObject":{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"web-1","namespace":"shop","uid":"u1","resourceVersion":"8"}}]}`),
			[]string{"alice as root from 10.1.2.3: deletecollection pods.web-1 200", "DELETED pods shop/web-1 @8"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := events(t, line()+"\n"+test.text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append(created[:2:2], test.want...), got); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
		})
	}
}

// What is cut off or left out is a hole or an unseen write, never nothing.
func TestHoles(t *testing.T) {
	whole := line() + "\n"
	for _, test := range []struct {
		name, text, hole string
	}{
		{"a line that is cut off", whole + line()[:600], "cut off"},
		{"what EKS cuts off", whole + `{"timestamp":1,"message":` + quoted(line()[:600]+"[Truncated...]") + `}`, "cut off"},
		{"no JSON", whole + "hello", "no JSON"},
		{"no audit event", whole + `{"kind":"Pod"}`, "without an audit event"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, holes, err := events(t, test.text)
			if err != nil || len(holes) != 1 || !strings.Contains(holes[0].Reason, test.hole) {
				t.Errorf("holes are %v (%v), want one with %q", holes, err, test.hole)
			}
		})
	}
	got, _, err := events(t, whole+line(`"auditID":"a1"`, `"auditID":"a2"`, `"verb":"create"`, `"verb":"update"`)[:620])
	if err != nil || len(got) != 2 {
		t.Errorf("beside a line that is cut off %v is recorded (%v), want the whole one", got, err)
	}
	if _, _, err := events(t, line(`"verb":"create"`, `"verb":"list"`)); err == nil {
		t.Error("a log without writes is imported")
	}
}

// Order is that of resourceVersions: lines may come in any.
func TestOrder(t *testing.T) {
	var lines []string
	for i := 2; i <= 9; i++ {
		lines = append(lines, line(`"auditID":"a1"`, fmt.Sprintf(`"auditID":"a%d"`, i), `"verb":"create"`, `"verb":"update"`, "01:00:00.5", fmt.Sprintf("01:00:0%d.5", 10-i), `"resourceVersion":"7"`, fmt.Sprintf(`"resourceVersion":"1%d"`, i)))
	}
	got, _, err := events(t, strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, e := range got {
		if _, version, is := strings.Cut(e, "@"); is {
			versions = append(versions, version)
		}
	}
	if diff := cmp.Diff([]string{"12", "13", "14", "15", "16", "17", "18", "19"}, versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func FuzzAudit(f *testing.F) {
	f.Add(line())
	f.Add(`{"events":[{"message":` + quoted(line()) + `}]}`)
	f.Add("[\n" + line() + ",\n" + line()[:500])
	f.Add(line()[:300] + "[Truncated...]")
	f.Add(`{"insertId":"g","protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.create","resourceName":"core/v1/namespaces/a/pods/b/status","response":{}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		began := time.Now()
		_, _, _ = events(t, text)
		if time.Since(began) > 20*time.Second {
			t.Error("it takes very long")
		}
	})
}
