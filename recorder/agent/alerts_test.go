package agent

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/recorder/alert"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// fires is a request of Alertmanager about one alert.
func fires(name string, start time.Time, end time.Time) string {
	status := "firing"
	if !end.IsZero() {
		status = "resolved"
	}
	return fmt.Sprintf(`{"version":"4","alerts":[{"status":%q,"labels":{"alertname":%q,"namespace":"shop","service":"web"},"annotations":{"summary":"the password=Gh7kQ2mZx9 is wrong"},"startsAt":%q,"endsAt":%q,"fingerprint":"f-%s"}]}`,
		status, name, start.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano), name)
}

// post sends a request to a Receiver.
func post(r http.Handler, body string, header ...string) (code int, answer string) {
	q := httptest.NewRequest(http.MethodPost, "/alerts", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// stored uploads everything that waits.
func (r *run) stored(t *testing.T) {
	t.Helper()
	for more, err := true, error(nil); more; {
		if more, err = r.store(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// marksIn returns the marks of each segment in a bucket, and the alerts of its summary.
func marksIn(t *testing.T, b bucket.Bucket, to time.Time) (marks [][]store.Mark, alerts [][]alert.Alert) {
	t.Helper()
	found, err := segment.Find(t.Context(), b, "prod", begin, to)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range found {
		path, s, err := found[i].Fetch(t.Context(), b, dir)
		if err != nil {
			t.Fatal(err)
		}
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		of, err := r.Marks()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		marks, alerts = append(marks, of), append(alerts, s.Alerts)
	}
	return marks, alerts
}

// TestAlerts: an alert is a mark in the segment that is cut for it, once, about the
// time at which it began, whenever it was sent and however often; its end is another
// mark. A kill between being taken and being stored loses nothing.
func TestAlerts(t *testing.T) {
	folder, err := bucket.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	now := &clock{t: begin}
	o := options(t.TempDir(), folder, now.now)
	o.Alerts = &Receiver{Token: "s3cret", Redact: redact.Standard(false).Text}
	token := []string{"Authorization", "Bearer s3cret"}
	if code, text := post(o.Alerts, fires("Early", begin, time.Time{}), token...); code != http.StatusServiceUnavailable {
		t.Errorf("before there is an agent: %d %s", code, text)
	}
	r := newRun(t, o, 1)
	r.pod(t, "web-1")
	r.commit(t)
	began := now.now()
	r.pod(t, "web-2")
	r.commit(t)
	if err := r.cutLive(t.Context(), timed); err != nil { // the alert began before this, and is sent after it
		t.Fatal(err)
	}
	for _, want := range []string{`{"alerts":1,"new":1}`, `{"alerts":1,"new":0}`, `{"alerts":1,"new":0}`} {
		if code, text := post(o.Alerts, fires("ShopDown", began, time.Time{}), token...); code != http.StatusOK || text != want {
			t.Errorf("%d %s, want %s", code, text, want)
		}
	}
	if cause := r.cause.Load(); cause == nil || *cause != alerted {
		t.Errorf("no segment is asked for: %v", cause)
	}
	r.pod(t, "web-2b")
	r.commit(t)
	if err := r.w.Abort(); err != nil { // killed
		t.Fatal(err)
	}
	o.Alerts.agent.Store(nil)
	r = newRun(t, o, 2)
	r.pod(t, "web-3")
	r.commit(t)
	ended := now.now()
	if code, text := post(o.Alerts, fires("ShopDown", began, ended), token...); code != http.StatusOK || text != `{"alerts":1,"new":1}` {
		t.Errorf("the end: %d %s", code, text)
	}
	r.pod(t, "web-4")
	r.commit(t)
	if err := r.cutLive(t.Context(), alerted); err != nil {
		t.Fatal(err)
	}
	for _, end := range []time.Time{{}, ended} { // late repetitions of another sender
		if code, text := post(o.Alerts, fires("ShopDown", began, end), token...); code != http.StatusOK || text != `{"alerts":1,"new":0}` {
			t.Errorf("known: %d %s", code, text)
		}
	}
	r.stored(t)
	marks, alerts := marksIn(t, folder, now.now())
	var texts [][]string
	for i, of := range marks {
		texts = append(texts, []string{})
		for _, m := range of {
			texts[i] = append(texts[i], m.Time.Format("05.000 ")+m.Text)
		}
	}
	shown := began.Format(time.RFC3339)
	redacted := o.Alerts.Redact("the password=Gh7kQ2mZx9 is wrong")
	if strings.Contains(redacted, "Gh7kQ2mZx9") {
		t.Fatal("the policy leaves it")
	}
	want := [][]string{
		{},
		{began.Format("05.000 ") + "alert ShopDown fires since " + shown + ": Service shop/web; " + redacted + `; labels namespace="shop" service="web"; Alertmanager fingerprint f-ShopDown`},
		{ended.Format("05.000 ") + "alert ShopDown is resolved, fired since " + shown + "; Alertmanager fingerprint f-ShopDown"},
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
	if len(alerts) != 3 || len(alerts[0]) != 0 || len(alerts[1]) != 1 || !alerts[1][0].End.IsZero() || len(alerts[2]) != 1 || !alerts[2][0].End.Equal(ended) {
		t.Errorf("alerts of the summaries: %+v", alerts)
	}
	if data, err := os.ReadFile(filepath.Join(o.Dir, "alerts.json")); err != nil || strings.Contains(string(data), "Gh7kQ2mZx9") {
		t.Errorf("%v: %s", err, data)
	}
	if err := r.w.Abort(); err != nil {
		t.Fatal(err)
	}
}

// TestAlertsRefused: who has no secret, sends too much or nonsense gets an error, and
// changes nothing.
func TestAlertsRefused(t *testing.T) {
	folder, err := bucket.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	now := &clock{t: begin}
	o := options(t.TempDir(), folder, now.now)
	o.Alerts = &Receiver{Token: "s3cret", PagerDuty: "signing"}
	r := newRun(t, o, 1)
	defer r.w.Abort()
	body := fires("A", begin, time.Time{})
	sign := func(secret, body string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		io.WriteString(mac, body)
		return "v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	for _, c := range []struct {
		what, body string
		header     []string
		want       int
	}{
		{"no secret", body, nil, http.StatusUnauthorized},
		{"a wrong one", body, []string{"Authorization", "Bearer S3cret"}, http.StatusUnauthorized},
		{"no Bearer", body, []string{"Authorization", "s3cret"}, http.StatusUnauthorized},
		{"signed by another", body, []string{"X-PagerDuty-Signature", sign("other", body)}, http.StatusUnauthorized},
		{"signed, and changed", body + " ", []string{"X-PagerDuty-Signature", sign("signing", body)}, http.StatusUnauthorized},
		{"a bad signature beside a good token", body, []string{"Authorization", "Bearer s3cret", "X-PagerDuty-Signature", "v1=00"}, http.StatusUnauthorized},
		{"nonsense", "{}", []string{"Authorization", "Bearer s3cret"}, http.StatusBadRequest},
		{"too much", strings.Repeat(" ", largestAlerts+1), []string{"Authorization", "Bearer s3cret"}, http.StatusRequestEntityTooLarge},
	} {
		if code, text := post(o.Alerts, c.body, c.header...); code != c.want || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %d %s, want %d", c.what, code, text, c.want)
		}
	}
	if r.inbox.waits() || r.cause.Load() != nil {
		t.Error("something was taken")
	}
	if code, text := post(o.Alerts, body, "X-PagerDuty-Signature", sign("other", body)+", "+sign("signing", body)); code != http.StatusOK {
		t.Errorf("signed: %d %s", code, text)
	}
	if code, _ := post(new(Receiver), body); code != http.StatusNotFound {
		t.Errorf("without secrets: %d", code)
	}
	w := httptest.NewRecorder()
	if o.Alerts.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/alerts", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

// TestAlertStorm: a storm is bounded, each segment has a bounded number of marks, and
// what is refused is taken when it is sent again.
func TestAlertStorm(t *testing.T) {
	now := &clock{t: begin}
	path := filepath.Join(t.TempDir(), "alerts.json")
	b, err := openInbox(path, now.now, t.Errorf)
	if err != nil {
		t.Fatal(err)
	}
	var storm []alert.Alert
	for i := range mostAlerts + 10 {
		storm = append(storm, alert.Alert{Source: alert.Alertmanager, Fingerprint: fmt.Sprint(i), Name: "Storm", Start: begin})
	}
	if fresh, err := b.take(storm); fresh != mostAlerts || err == nil {
		t.Fatal(fresh, err)
	}
	for i := range storm {
		storm[i].End = begin.Add(time.Minute)
	}
	if fresh, err := b.take(storm); fresh != mostAlerts || err == nil { // all of them end
		t.Fatal(fresh, err)
	}
	if b, err = openInbox(path, now.now, t.Errorf); err != nil { // killed
		t.Fatal(err)
	}
	seen := map[string]int{}
	for segments := 0; b.waits(); segments++ {
		is := b.batch(begin, begin.Add(time.Hour))
		if len(is.marks) > mostMarks || segments > 2*mostAlerts/mostMarks {
			t.Fatalf("%d marks in segment %d", len(is.marks), segments)
		}
		for _, m := range is.marks {
			seen[m.Text]++
		}
		if err := b.done(is); err != nil {
			t.Fatal(err)
		}
	}
	for text, n := range seen {
		if n != 1 {
			t.Fatalf("%d times: %s", n, text)
		}
	}
	if len(seen) != 2*mostAlerts {
		t.Errorf("%d marks", len(seen))
	}
	if fresh, err := b.take(storm); fresh != 10 || err != nil {
		t.Errorf("sent again: %d, %v", fresh, err)
	}
	if err := os.WriteFile(path, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	warned := false
	if b, err = openInbox(path, now.now, func(string, ...any) { warned = true }); err != nil || !warned || b.waits() {
		t.Errorf("a damaged file: %v, warned %t", err, warned)
	}
}

// target is a webhook and a Grafana that fail as often as they are told.
type target struct {
	mu       sync.Mutex
	failing  map[string]int
	requests []string // path, token, body
	got      chan struct{}
}

func (s *target) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing[q.URL.Path] > 0 {
		s.failing[q.URL.Path]--
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if q.URL.Path == "/forbidden" {
		w.WriteHeader(http.StatusForbidden)
	}
	s.requests = append(s.requests, q.URL.Path+" "+q.Header.Get("Authorization")+" "+string(body))
	s.got <- struct{}{}
}

// TestNotifier: each target gets a message about a segment, again after it failed; a
// target that hangs or refuses keeps neither the other nor the agent waiting.
func TestNotifier(t *testing.T) {
	s := &target{failing: map[string]int{"/hook": 2, "/grafana/api/annotations": 1}, got: make(chan struct{}, 100)}
	front := httptest.NewServer(s)
	defer front.Close()
	metric := NewMetrics(time.Now)
	var warned []string
	n := &Notifier{
		Webhook: front.URL + "/hook", Grafana: front.URL + "/grafana/", Token: "glsa", Fetch: "s3://outages/svcspy/prod", Metric: metric,
		Warn:  func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) },
		Pause: func(int) time.Duration { return time.Millisecond },
	}
	n.open()
	sum := segment.Summary{Cluster: "prod", End: begin.Add(time.Minute), Services: []segment.Course{{Namespace: "shop", Name: "web", Verdicts: []segment.Change{
		{From: begin, State: "Serving"}, {From: begin.Add(30 * time.Second), State: "NotServing", ID: "selector-edited", Headline: "Service shop/web is not serving: <!channel>"},
	}}}, Alerts: []alert.Alert{{Name: "ShopDown", Start: begin.Add(40 * time.Second), Link: "https://grafana.example/d/x"}}}
	lines := []string{
		"prod: shop/web NotServing since " + begin.Add(30*time.Second).Format("2006-01-02T15:04:05Z") + ": Service shop/web is not serving: ‹!channel›",
		"alert ShopDown fires since " + begin.Add(40*time.Second).Format("2006-01-02T15:04:05Z") + " https://grafana.example/d/x",
		"svcspy fetch s3://outages/svcspy/prod --since " + begin.Add(30*time.Second-around).Format(time.RFC3339) + " -f incident.db",
	}
	if diff := cmp.Diff(lines, summaryLines(&sum, n.Fetch)); diff != "" {
		t.Error(diff)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.run(ctx) })
	n.segment(&sum)
	<-s.got
	<-s.got
	stop()
	running.Wait()
	slices.Sort(s.requests)
	hook, _ := json.Marshal(map[string]any{"text": strings.Join(lines, "\n")})
	annotation, _ := json.Marshal(map[string]any{"time": begin.Add(30 * time.Second).UnixMilli(), "tags": []string{"svcspy", "prod", "shop/web"}, "text": strings.Join(lines, "\n")})
	if diff := cmp.Diff([]string{"/grafana/api/annotations Bearer glsa " + string(annotation), "/hook  " + string(hook)}, s.requests); diff != "" {
		t.Error(diff)
	}
	for range 3 * mostMessages { // nobody sends now: the queue is full, and nothing waits
		n.segment(&sum)
	}
	refused := message{target: "webhook", url: front.URL + "/forbidden?key=s3cret"}
	n.deliver(t.Context(), refused)
	away := message{target: "webhook", url: "http://127.0.0.1:1/s3cret"}
	n.deliver(t.Context(), away)
	if len(warned) != 2 || strings.Contains(strings.Join(warned, ""), "s3cret") || !strings.Contains(warned[0], "403") {
		t.Errorf("warnings: %q", warned)
	}
	if len(s.got) != 1 {
		t.Errorf("%d attempts at what is forbidden", len(s.got))
	}
}
