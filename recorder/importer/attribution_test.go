package importer_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/audit"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// attributed adds a log to a recording.
func attributed(t testing.TB, base *store.Recording, sources ...string) (*store.Recording, importer.AttributionCounts, error) {
	t.Helper()
	ctx := context.Background()
	e, err := importer.Read(ctx, &importer.Options{
		Sources: sources, Formats: []importer.Format{audit.Format}, Requests: true, Policy: redact.Standard(false), Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, err := importer.NewAttribution(ctx, e, base)
	if err != nil {
		return nil, importer.AttributionCounts{}, err
	}
	header := base.Info().Header
	header.ID = "attributed"
	path := filepath.Join(t.TempDir(), "attributed.db")
	insertion, stop := a.Insertion(ctx)
	defer stop()
	if _, err := store.Interleave(path, header, base, insertion); err != nil {
		t.Fatal(err)
	}
	if v, err := store.Verify(path); err != nil || len(v.Damage) > 0 {
		t.Errorf("the recording is damaged: %v %+v", err, v)
	}
	return opened(t, path), a.Counts, nil
}

func opened(t testing.TB, path string) *store.Recording {
	t.Helper()
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// wrote reads with the JSON package who wrote which version, by UID and
// resourceVersion.
func wrote(t testing.TB, log string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e struct {
			Verb           string
			User           struct{ Username string }
			ResponseStatus struct{ Code int }
			ResponseObject struct {
				Metadata struct{ UID, ResourceVersion string }
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if m := e.ResponseObject.Metadata; m.UID != "" && e.ResponseStatus.Code < 300 && (e.Verb == "create" || e.Verb == "update" || e.Verb == "patch") {
			if key := m.UID + "@" + m.ResourceVersion; users[key] == "" { // a write that changes nothing returns the version before
				users[key] = e.User.Username
			}
		}
	}
	return users
}

// withoutRequests is what a recording holds beside requests, one line each.
func withoutRequests(t testing.TB, timeline importer.Base) []string {
	t.Helper()
	info := timeline.Info()
	ledger, err := timeline.Ledger(0, info.Last)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	covered := func(before store.Seq) {
		for len(ledger) > 0 && ledger[0].Seq < before {
			if c := ledger[0]; c.Resource != store.Requests {
				all = append(all, fmt.Sprint(c.Time, c.Resource, c.Namespace, c.Status, c.Reason, c.ResourceVersion))
			}
			ledger = ledger[1:]
		}
	}
	for e, err := range timeline.Events(1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		covered(e.Seq)
		if e.Resource != store.Requests {
			all = append(all, fmt.Sprint(e.Time, e.Type, e.Ref(), e.UID, e.ResourceVersion, string(e.Object)))
		}
	}
	covered(info.Last + 1)
	return all
}

// TestAttribution adds real audit logs to recordings of the same minutes: what was
// recorded stays as it is, and so does every verdict; each change of a Service or a
// Deployment has the user who wrote that version by the log.
func TestAttribution(t *testing.T) {
	for _, incident := range real {
		t.Run(incident, func(t *testing.T) {
			r := opened(t, filepath.Join("testdata", incident+".db"))
			log := unpacked(t, incident+".audit.jsonl", time.Time{})
			m, counts, err := attributed(t, r, log)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(withoutRequests(t, r), withoutRequests(t, m)); diff != "" {
				t.Errorf("what was recorded is changed (-recorded +attributed):\n%s", diff)
			}
			if counts.Writers == 0 || counts.Requests < counts.Writers || counts.Known != 0 {
				t.Errorf("the log adds %+v", counts)
			}
			subject := store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}
			info := r.Info()
			for at := info.Start.Add(5 * time.Second); at.Before(info.End); at = at.Add(10 * time.Second) {
				if want, got := verdictAt(t, r, subject, at), verdictAt(t, m, subject, at); got.State != want.State || got.Certainty != want.Certainty {
					t.Errorf("at %s it is %s %s, and was %s %s", at.Format(time.TimeOnly), got.Certainty, got.State, want.Certainty, want.State)
				}
			}
			users := wrote(t, log)
			for _, ref := range []store.Ref{
				subject,
				{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: "shop", Name: "web"},
			} {
				changes, err := change.List(m, ref, 0, m.Info().Last)
				if err != nil {
					t.Fatal(err)
				}
				if len(changes) == 0 {
					t.Fatalf("%s has no changes", ref.Name)
				}
				for _, c := range changes {
					want := users[uidOf(t, m, c.Seq)+"@"+c.ResourceVersion]
					switch {
					case want == "" || c.Path == "/spec/replicas": // by a scale, whose response is a Scale
					case c.Requester == nil:
						t.Errorf("#%d %s %s: nobody is named, want %s", c.Seq, c.Verb, c.Path, want)
					case c.Requester.User != want || c.Requester.Likely:
						t.Errorf("#%d %s %s is by %s, want %s for certain", c.Seq, c.Verb, c.Path, c.Requester, want)
					}
				}
			}

			again, counts, err := attributed(t, m, log)
			if err != nil {
				t.Fatal(err)
			}
			if counts.Requests != 0 || counts.Known == 0 || again.Info().Events != m.Info().Events {
				t.Errorf("once more, the log adds %+v: %d events, then %d", counts, m.Info().Events, again.Info().Events)
			}
		})
	}
}

func uidOf(t testing.TB, m *store.Recording, seq store.Seq) string {
	t.Helper()
	e, err := m.Event(seq)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.UID)
}

// A log of another cluster, or of another time, is not added.
func TestForeignLog(t *testing.T) {
	r := opened(t, filepath.Join("testdata", "selector-edited.db"))
	if _, _, err := attributed(t, r, unpacked(t, "quota-exceeded.audit.jsonl", time.Time{})); !errors.Is(err, importer.ErrForeign) {
		t.Errorf("the log of another incident is taken: %v", err)
	}
	// The same minutes of another cluster: every UID differs.
	text, err := os.ReadFile(unpacked(t, "selector-edited.audit.jsonl", time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.log")
	if err := os.WriteFile(other, bytes.ReplaceAll(text, []byte(`"uid":"`), []byte(`"uid":"other-`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := attributed(t, r, other); !errors.Is(err, importer.ErrForeign) {
		t.Errorf("the log of another cluster is taken: %v", err)
	}
}

// A log that is cut off, lacks lines or has them in another order names fewer
// users for certain, and never another.
func TestLogWithHoles(t *testing.T) {
	r := opened(t, filepath.Join("testdata", "selector-edited.db"))
	log := unpacked(t, "selector-edited.audit.jsonl", time.Time{})
	users := wrote(t, log)
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	every := func(n, rest int) []byte {
		var some []byte
		for i, line := range lines {
			if i%n == rest {
				some = append(some, line...)
			}
		}
		return some
	}
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	deployments := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	certain := map[string]int{}
	for name, text := range map[string][]byte{
		"whole": text, "reversed": bytes.Join(reversed, nil), "its first half": text[:len(text)/2], "its last half": text[len(text)/2:],
		"even lines": every(2, 0), "odd lines": every(2, 1), "a third": every(3, 2),
		"cut off lines": bytes.ReplaceAll(text, []byte(`"responseObject":{"kind":"Deployment"`), []byte("\n")),
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		m, _, err := attributed(t, r, path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, ref := range []store.Ref{{Resource: replay.Services, Namespace: "shop", Name: "web"}, {Resource: deployments, Namespace: "shop", Name: "web"}} {
			changes, err := change.List(m, ref, 0, m.Info().Last)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				want := users[uidOf(t, m, c.Seq)+"@"+c.ResourceVersion]
				if c.Requester == nil || c.Requester.Likely {
					continue
				}
				certain[name]++
				if c.Requester.User != want {
					t.Errorf("%s: #%d %s %s is by %s, want %s", name, c.Seq, c.Verb, c.Path, c.Requester, want)
				}
			}
		}
	}
	if certain["whole"] == 0 || certain["reversed"] != certain["whole"] {
		t.Errorf("changes whose user is certain: %v", certain)
	}
}

// crafted is a recording of a Service that is changed twice.
func crafted(t testing.TB, skew time.Duration) *store.Recording {
	t.Helper()
	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	began := time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "crafted.db")
	m, err := store.Create(path, store.Header{Start: began})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Cover(store.Coverage{Time: began, Resource: services, Status: store.Current}); err != nil {
		t.Fatal(err)
	}
	for i, tier := range []string{"a", "b", "c"} {
		e := store.Event{
			Time: began.Add(time.Duration(1+20*i)*time.Second + skew), Type: "MODIFIED", Resource: services, Namespace: "shop", Name: "web", UID: "u", ResourceVersion: fmt.Sprint(10 + i),
			Object: fmt.Appendf(nil, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"%d"},"spec":{"selector":{"tier":%q}}}`, 10+i, tier),
		}
		if i == 0 {
			e.Type = "ADDED"
		}
		if _, err := m.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Seal(began.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return opened(t, path)
}

// Who is named only if the log leaves no doubt: not by requests that changed
// nothing, come from several users who cannot be told apart, or lie long before.
func TestDoubts(t *testing.T) {
	timed := func(id, user, received, answered, version string, rest ...string) string {
		response := ""
		if version != "" {
			response = `"responseObject":{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"` + version + `"}},`
		}
		if received != "" {
			received = `"requestReceivedTimestamp":"2026-11-30T01:00:` + received + `Z",`
		}
		return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"` + id + `","stage":"ResponseComplete","verb":"update","requestURI":"/","user":{"username":"` + user + `"},` +
			`"objectRef":{"resource":"services","namespace":"shop","name":"web","apiVersion":"v1"},"responseStatus":{"code":200},` + response + strings.Join(rest, "") + received +
			`"stageTimestamp":"2026-11-30T01:00:` + answered + `Z"}` + "\n"
	}
	request := func(id, user, at, version string) string { return timed(id, user, at, at, version) }
	alice, bob := request("1", "alice", "20.9", "11"), request("2", "bob", "40.9", "12")
	for _, test := range []struct {
		name string
		skew time.Duration // of the recorder's clock
		log  string
		want string // who changed the tier to b at 21 s, and to c at 41 s
	}{
		{"both versions are in the log", 0, alice + bob, "alice bob"},
		{"the lines are in another order", 0, bob + alice, "alice bob"},
		{"the recorder's clock is behind", -15 * time.Second, alice + bob, "alice bob"},
		{"the recorder's clock is ahead", 15 * time.Second, alice + bob, "alice bob"},
		{"one line twice", 0, alice + alice + bob, "alice bob"},
		{"without bodies", 0, request("1", "alice", "20.9", "") + request("2", "bob", "40.9", ""), "alice? bob?"},
		{"without bodies, by two users", 0, request("1", "alice", "20.8", "") + request("3", "carol", "20.9", "") + bob, "- bob"},
		{"without a body, before one that has it", 0, request("3", "carol", "20.5", "") + alice + bob, "- bob"},
		{"without a body, 9 seconds before", 0, request("1", "alice", "12.0", "") + bob, "alice? bob"},
		{"without a body, 11 seconds before", 0, request("1", "alice", "10.0", "") + bob, "- bob"},
		{"the second changed nothing", 0, request("1", "alice", "20.8", "11") + request("3", "carol", "20.9", "11") + bob, "alice bob"},
		{"the second changed nothing, in another order", 0, request("3", "carol", "20.9", "11") + bob + request("1", "alice", "20.8", "11"), "alice bob"},
		{"many changed nothing", 0, alice + request("3", "carol", "25.9", "11") + request("4", "carol", "39.9", "11") + bob, "alice bob"},
		{"who wrote it is not in the log", 0, request("0", "admin", "00.9", "10") + request("3", "carol", "35.9", "11") + bob, "- bob"},
		{"two at the same time", 0, timed("1", "alice", "20.7", "20.9", "11") + timed("3", "carol", "20.8", "20.95", "11") + bob, "- bob"},
		{"two at the same time, of one user", 0, timed("1", "alice", "20.7", "20.9", "11") + timed("3", "alice", "20.8", "20.95", "11") + bob, "alice bob"},
		{"two whose beginnings are not known", 0, timed("1", "alice", "", "20.8", "11") + timed("3", "carol", "", "20.9", "11") + bob, "- bob"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "audit.log")
			if err := os.WriteFile(log, []byte(test.log), 0o600); err != nil {
				t.Fatal(err)
			}
			m, _, err := attributed(t, crafted(t, test.skew), log)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := change.List(m, store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}, 0, m.Info().Last)
			if err != nil {
				t.Fatal(err)
			}
			var who []string
			for _, c := range changes {
				switch {
				case c.Path != "/spec/selector/tier":
				case c.Requester == nil:
					who = append(who, "-")
				case c.Requester.Likely:
					who = append(who, c.Requester.User+"?")
				default:
					who = append(who, c.Requester.User)
				}
			}
			if got := strings.Join(who, " "); got != test.want {
				t.Errorf("the changes are by %q, want %q", got, test.want)
			}
		})
	}
}
