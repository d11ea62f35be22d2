package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, name string) *store.Recording {
	t.Helper()
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", name+".db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// options survey a recording as the command does, and keep marks.
func options(t replay.Timeline, marks *[]store.Mark) Options {
	return Options{
		Token: "secret", File: "incident.db", Zone: "UTC", Now: func() time.Time { return time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC) },
		AddMark: func(_ context.Context, m store.Mark) error { *marks = append(*marks, m); return nil },
		Survey: func(ctx context.Context, progress func(done, total int)) (*Survey, error) {
			info := t.Info()
			s := &Survey{Outages: report.NewOutageList(info)}
			for c, err := range verdict.All(ctx, t, info.Start, info.End, progress) {
				if err != nil {
					return nil, err
				}
				s.Courses = append(s.Courses, c)
				settled := verdict.Settle(c.Segments)
				found := story.Outages(c.Subject, settled)
				for i := range found {
					full, err := verdict.Of(ctx, t, c.Subject, info.Start, info.End)
					if err != nil {
						return nil, err
					}
					told, err := found[i].Explain(ctx, t, verdict.Settle(full))
					if err != nil {
						return nil, err
					}
					s.Outages.Items = append(s.Outages.Items, report.NewOutageItem(&found[i], told))
				}
			}
			return s, nil
		},
	}
}

// client asks a server, and fails the test if it does not answer with the code.
type client struct {
	*testing.T
	http.Handler
}

func (c client) ask(code int, method, path, body string, into any) []byte {
	c.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8333"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Code != code {
		c.Fatalf("%s %s: %d, want %d: %s", method, path, w.Code, code, w.Body)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			c.Fatalf("%s: %v", path, err)
		}
	}
	return w.Body.Bytes()
}

func (c client) get(path string, into any) {
	c.Helper()
	c.ask(http.StatusOK, http.MethodGet, "/secret/api/"+path, "", into)
}

// ready waits until the recording is read and its Services are judged.
func (c client) ready() overview {
	c.Helper()
	var o overview
	for range 600 {
		if c.get("recording?wait=1", &o); o.Surveyed && o.Indexed.Done == int(o.Last) {
			return o
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.Fatalf("not ready: %+v", o)
	return o
}

func serve(t *testing.T, name string) (client, *[]store.Mark) {
	t.Helper()
	r := open(t, name)
	marks := &[]store.Mark{}
	s := New(r, options(r, marks))
	t.Cleanup(s.Close)
	return client{t, s}, marks
}

// The first answer says what broke, when, who and what ended it, as it was done:
// fixtures/incidents/bad-image-rollout.yaml sets web:badtag with kubectl set image
// and undoes it 40 s later.
func TestOverview(t *testing.T) {
	c, _ := serve(t, "bad-image-rollout")
	o := c.ready()
	if len(o.Outages) != 1 || len(o.Gaps) != 0 {
		t.Fatalf("%d outages, %d gaps", len(o.Outages), len(o.Gaps))
	}
	x := o.Outages[0]
	if x.Key != "svc/shop/web" || x.State != "Degraded" || !x.Over || x.Trigger == nil || x.Trigger.Who != "kubectl-set" || !strings.Contains(x.Trigger.Text, "web:ok1 → web:badtag") ||
		x.Recovery == nil || !strings.Contains(x.Recovery.Text, "web:badtag → web:ok1") {
		t.Errorf("outage: %+v, trigger %+v, recovery %+v", x, x.Trigger, x.Recovery)
	}
	if !slices.Contains(o.Who, "kubectl-set") || !slices.Contains(o.Spaces, "shop") || !slices.Contains(o.Kinds, "pods") {
		t.Errorf("filters: %v %v %v", o.Who, o.Spaces, o.Kinds)
	}
}

// What caused the outage is the first lane, also where it is another object than
// the Service and its own.
func TestLanes(t *testing.T) {
	for name, want := range map[string][]string{
		"bad-image-rollout": {"trigger deployments.apps/shop/web"},
		"selector-edited":   {"trigger svc/shop/web"},
	} {
		c, _ := serve(t, name)
		o := c.ready()
		var list laneList
		c.get(fmt.Sprintf("lanes?o=svc/shop/web&t=%d", o.Outages[0].WorstAt), &list)
		var got []string
		order := 0
		for _, l := range list.Lanes {
			if l.Group == "cause" {
				got = append(got, l.Role+" "+l.Key)
			}
			if n := slices.Index(groups, l.Group); n < order {
				t.Errorf("%s: %s of group %s is not in order", name, l.Key, l.Group)
			} else {
				order = n
			}
			for i := range l.Spans {
				if l.Spans[i].From >= l.Spans[i].To || i > 0 && l.Spans[i-1].To > l.Spans[i].From {
					t.Errorf("%s: %s: span %d is %+v", name, l.Key, i, l.Spans[i])
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: lanes of the cause (-want +got):\n%s", name, diff)
		}
		if !list.Exact {
			t.Errorf("%s: something was merged", name)
		}
	}
}

// The index says of a change what package change says of it: in every recording
// whatever people and tools wrote is a write, a creation or a deletion, and by
// whom; nothing else is.
func TestClasses(t *testing.T) {
	for _, name := range []string{"bad-image-rollout", "selector-edited", "webhook-down", "node-loss", "rollout-paused"} {
		c, _ := serve(t, name)
		c.ready()
		var page logPage
		c.get("log?limit=500&classes=write,created,deleted", &page)
		for _, l := range page.Lines {
			if l.Class == "write" && (l.Who == "" || strings.HasPrefix(l.Text, "/status")) {
				t.Errorf("%s: #%d is no write of somebody: %+v", name, l.Seq, l)
			}
		}
		c.get("log?limit=500&classes=status,controller", &page)
		for _, l := range page.Lines {
			if strings.HasPrefix(l.Who, "kubectl") && l.Class != "controller" {
				t.Errorf("%s: #%d was written by a person: %+v", name, l.Seq, l)
			}
		}
	}
}

// Bins and pages count the same, whatever the filter.
func TestBinsEqualLog(t *testing.T) {
	c, _ := serve(t, "bad-image-rollout")
	o := c.ready()
	for _, filter := range []string{"", "&q=pulling", "&ns=shop", "&kind=pods", "&who=kubectl-set", "&o=deployments.apps/shop/web", "&classes=warning", "&only=svc/shop/web", "&q=nothing-has-this"} {
		var b bins
		c.get("bins?n=37"+filter, &b)
		sum := 0
		for _, n := range b.All {
			sum += n
		}
		lines, before := 0, store.Seq(1<<59)
		for {
			var page logPage
			c.get(fmt.Sprintf("log?limit=100&before=%d%s", before, filter), &page)
			lines += len(page.Lines)
			if !page.More {
				break
			}
			before = page.Lines[0].Seq
		}
		if sum != b.Total || b.Total != lines || !b.Ready {
			t.Errorf("%q: bins have %d, their sum is %d, the log has %d", filter, b.Total, sum, lines)
		}
		if filter == "" && lines < int(o.Events) {
			t.Errorf("%d events of %d", lines, o.Events)
		}
	}
}

// A change is told with what it changed, and an object with its manifest, at the
// instant and not later.
func TestDetails(t *testing.T) {
	c, _ := serve(t, "bad-image-rollout")
	o := c.ready()
	trigger := o.Outages[0].Trigger
	var d changeDetail
	c.get(fmt.Sprintf("change?seq=%d", trigger.Seq), &d)
	if d.Who != "kubectl-set" || d.Key != "deployments.apps/shop/web" || len(d.Fields) != 1 || d.Fields[0].Old != "web:ok1" || d.Fields[0].New != "web:badtag" {
		t.Errorf("change: %+v", d)
	}
	for at, image := range map[int64]string{trigger.At - 1: "web:ok1", trigger.At: "web:badtag"} {
		var v objectView
		c.get(fmt.Sprintf("object?o=deployments.apps/shop/web&t=%d", at), &v)
		if !v.Exists || !strings.Contains(v.YAML, "image: "+image) || strings.Contains(v.YAML, "managedFields") {
			t.Errorf("at %d the manifest is not that of %s:\n%s", at, image, v.YAML)
		}
	}
	var w report.Envelope
	c.get(fmt.Sprintf("why?o=svc/shop/web&t=%d", o.Outages[0].WorstAt), &w)
	if w.Verdict.State != "Degraded" || !strings.Contains(w.Headline.Message, "web:badtag") {
		t.Errorf("why: %s %s", w.Verdict.State, w.Headline.Message)
	}
	var compared comparison
	c.get(fmt.Sprintf("compare?o=svc/shop/web&a=%d&b=%d", trigger.At-1, trigger.At), &compared)
	if len(compared.Items) == 0 || compared.Items[0].Key != "deployments.apps/shop/web" || !compared.Items[0].Intent {
		t.Errorf("compare: %+v", compared)
	}
	var h hit
	c.get("find?q=errimagepull&from=1", &h)
	if h.Line == nil || h.Line.At < trigger.At {
		t.Errorf("find: %+v", h)
	}
	c.get("find?q=web:badtag&back=1&from=999999", &h)
	if h.Line == nil || h.Line.Seq < trigger.Seq {
		t.Errorf("find backwards: %+v", h)
	}
}

// Whoever does not know the token, comes by another name or wants to write, is
// refused; what is asked is bounded.
func TestRefused(t *testing.T) {
	c, marks := serve(t, "selector-edited")
	o := c.ready()
	c.ask(404, "GET", "/", "", nil)
	c.ask(404, "GET", "/wrong/api/recording", "", nil)
	c.ask(404, "GET", "/secretly/", "", nil)
	c.ask(301, "GET", "/secret", "", nil)
	c.ask(404, "GET", "/secret/assets/app.js", "", nil)
	c.ask(404, "GET", "/secret/api/nothing", "", nil)
	c.ask(405, "POST", "/secret/api/recording", "{}", nil)
	c.ask(405, "DELETE", "/secret/", "", nil)
	c.ask(400, "GET", "/secret/api/log?q="+strings.Repeat("x", 400), "", nil)
	c.ask(400, "GET", "/secret/api/log?from=abc", "", nil)
	c.ask(400, "GET", "/secret/api/find", "", nil)
	c.ask(400, "GET", "/secret/api/why?o=namespaces/shop", "", nil)
	c.ask(404, "GET", "/secret/api/object?o=svc/shop/nobody", "", nil)
	c.ask(404, "GET", "/secret/api/change?seq=99999999", "", nil)
	var b bins
	if c.get("bins?n=1000000000&from=-5&to=99999999999999999", &b); len(b.All) != mostBins || b.From != o.From || b.To != o.To {
		t.Errorf("%d bins from %d to %d", len(b.All), b.From, b.To)
	}
	var page logPage
	if c.get("log?limit=100000", &page); len(page.Lines) > mostLines {
		t.Errorf("%d lines", len(page.Lines))
	}
	r := httptest.NewRequest("GET", "/secret/", nil)
	for host, code := range map[string]int{"evil.example:80": 404, "localhost:1": 200, "[::1]:1": 200, "127.0.0.1:1": 200, "10.0.0.1:1": 404} {
		w := httptest.NewRecorder()
		if r.Host = host; true {
			c.ServeHTTP(w, r)
		}
		if w.Code != code {
			t.Errorf("host %s: %d, want %d", host, w.Code, code)
		}
		if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q", policy)
		}
	}
	c.ask(400, "POST", "/secret/api/marks", `{"At":1,"Text":"before the recording"}`, nil)
	c.ask(400, "POST", "/secret/api/marks", fmt.Sprintf(`{"At":%d,"Text":"  "}`, o.From), nil)
	c.ask(400, "POST", "/secret/api/marks", `{"Text":"`+strings.Repeat("x", 9000)+`"}`, nil)
	c.ask(200, "POST", "/secret/api/marks", fmt.Sprintf(`{"At":%d,"Text":"rolled back"}`, o.From+1), nil)
	if len(*marks) != 1 || (*marks)[0].Text != "rolled back" || (*marks)[0].Time.UnixMicro() != o.From+1 {
		t.Errorf("marks: %+v", *marks)
	}
	w := httptest.NewRecorder()
	cross := httptest.NewRequest("POST", "/secret/api/marks", strings.NewReader(`{}`))
	cross.Host = "127.0.0.1:1"
	cross.Header.Set("Content-Type", "application/json")
	cross.Header.Set("Sec-Fetch-Site", "cross-site")
	if c.ServeHTTP(w, cross); w.Code != 403 {
		t.Errorf("a mark from another site: %d", w.Code)
	}
}

// An exported page is small, has no address in it but what it needs, and holds
// what the server would say.
func TestExport(t *testing.T) {
	r := open(t, "bad-image-rollout")
	var b bytes.Buffer
	o := options(r, &[]store.Mark{})
	if err := Export(t.Context(), &b, r, o, ExportOptions{File: "incident.db"}); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 400_000 {
		t.Errorf("%d bytes", b.Len())
	}
	if found := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(b.String(), -1); len(found) != 2 {
		t.Errorf("it refers to %v", found) // the icon, which is data, and the way past the navigation
	}
	d := unpack(t, b.Bytes())
	if d.Overview.Outages[0].Trigger == nil || len(d.Lanes["svc/shop/web"].Lanes) == 0 || len(d.Why["svc/shop/web"]) == 0 || uint64(len(d.Lines)) != d.Overview.Events {
		t.Errorf("it lacks the outage, its lanes, its reports or its events: %d of %d", len(d.Lines), d.Overview.Events)
	}
	versions := d.Objects["deployments.apps/shop/web"].Versions
	var text []string
	for _, v := range versions {
		text = patch(t, text, v.Ops)
		e, err := r.Event(v.Seq)
		if err != nil {
			t.Fatal(err)
		}
		want, err := manifest(e.Object)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, strings.Join(text, "\n")); diff != "" {
			t.Fatalf("#%d (-want +got):\n%s", v.Seq, diff)
		}
	}
	if len(versions) < 3 {
		t.Errorf("%d versions of the Deployment", len(versions))
	}
	if err := Export(t.Context(), io.Discard, r, o, ExportOptions{MostBytes: 90_000}); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("a page that does not fit: %v", err)
	}
}

func unpack(t *testing.T, page []byte) exported {
	t.Helper()
	_, rest, _ := bytes.Cut(page, []byte(`id="data">`))
	text, _, _ := bytes.Cut(rest, []byte("</script>"))
	packed, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var d exported
	if err := json.NewDecoder(z).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// patch is what the page does with the operations of delta.
func patch(t interface{ Fatalf(string, ...any) }, lines []string, ops []any) []string {
	var out []string
	at := 0
	for _, op := range ops {
		n := 0
		switch op := op.(type) {
		case string:
			out = append(out, op)
			continue
		case float64:
			n = int(op)
		case int:
			n = op
		default:
			t.Fatalf("operation %v", op)
		}
		if n < 0 {
			at -= n
			continue
		}
		out = append(out, lines[at:at+n]...)
		at += n
	}
	return out
}

func TestDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "c", "d", ""})
		before, after := rapid.SliceOf(word).Draw(t, "before"), rapid.SliceOf(word).Draw(t, "after")
		if got := patch(t, before, delta(before, after)); !slices.Equal(got, after) {
			t.Fatalf("%q to %q gives %q", before, after, got)
		}
	})
}

func TestNaturally(t *testing.T) {
	got := []string{"svc-10", "svc-9", "svc-010", "svc", "svc-9a", "abc"}
	slices.SortStableFunc(got, replay.CompareNames)
	if diff := cmp.Diff([]string{"abc", "svc", "svc-9", "svc-9a", "svc-10", "svc-010"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestMillion holds the data API to a recording of a million events: what a frame
// needs is there at once, and takes little memory.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	const events = 1_000_000
	x := newIndex(open(t, "selector-edited"))
	pods := store.Ref{Resource: replay.Pods, Namespace: "shop"}
	start := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	for i := range events {
		pods.Name = fmt.Sprintf("web-%d", i%5000)
		e := store.Event{Seq: store.Seq(i + 1), Time: start.Add(time.Duration(i) * 3 * time.Millisecond), Type: watch.Modified, Resource: pods.Resource, Namespace: "shop", Name: pods.Name, UID: "u"}
		n := entry{seq: e.Seq, at: e.Time.UnixMicro(), ref: x.refPlace(e.Ref()), about: -1, class: class(i % int(classes)), who: x.name(fmt.Sprintf("m%d", i%40))}
		x.byRef[n.ref] = append(x.byRef[n.ref], int32(len(x.entries)))
		x.entries = append(x.entries, n)
	}
	sel := &selection{from: start.UnixMicro(), to: start.Add(events * 3 * time.Millisecond).UnixMicro(), text: "web-77"}
	took := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			if x.bins(sel, 400).Total == 0 {
				b.Fatal("nothing")
			}
			x.page(sel, 0, 0, 200)
		}
	})
	t.Logf("bins and a page of 1,000,000 events: %v", time.Duration(took.NsPerOp()))
	if limit := 100 * time.Millisecond * 10; time.Duration(took.NsPerOp()) > limit { // a machine ten times slower passes
		t.Errorf("bins and a page take %v", time.Duration(took.NsPerOp()))
	}
}
