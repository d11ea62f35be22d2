package postmortem

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the golden files have local times

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/hostile"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var web = store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}

func incident(t testing.TB, name string) *store.Recording {
	t.Helper()
	r, err := store.Open(filepath.Join("..", "..", "fixtures", "incidents", name+".db"))
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

func build(t testing.TB, timeline replay.Timeline, o Options) *Postmortem {
	t.Helper()
	if o.File == "" {
		o.File = "incident.db"
	}
	p, err := Build(context.Background(), timeline, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func printed(t testing.TB, format string, p *Postmortem) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		file, incident, format string
		options                Options
	}{
		{"selector-edited", "selector-edited", "html", Options{Subject: web}},
		{"selector-edited", "selector-edited", "json", Options{Subject: web}},
		{"selector-edited", "selector-edited", "md", Options{Subject: web, Zone: berlin}},
		{"node-loss", "node-loss", "md", Options{Subject: web, Template: "google"}},
		{"api-server-restart", "api-server-restart", "md", Options{Subject: web, Template: "etsy"}},
		{"bad-image-rollout", "bad-image-rollout", "md", Options{Template: "pagerduty"}},
		{"network-policy", "network-policy", "md", Options{}}, // nothing was hurt
		{"bad-image-rollout", "bad-image-rollout", "slack", Options{Subject: web}},
	} {
		t.Run(tt.file+"."+tt.format, func(t *testing.T) {
			got := printed(t, tt.format, build(t, incident(t, tt.incident), tt.options))
			path := filepath.Join("testdata", tt.file+"."+tt.format)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s\nif this is right: go test ./replay/postmortem -run Golden -update", diff)
			}
		})
	}
}

// The document begins with what must be known first and the picture, in which what
// caused the outage has a lane and the changes are on the axis; half a page and a
// paragraph say the same.
func TestHero(t *testing.T) {
	p := build(t, incident(t, "bad-image-rollout"), Options{Subject: web})
	var short bytes.Buffer
	if err := Short(&short, p); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(short.String(), "\n"); n > 30 {
		t.Errorf("the short document has %d lines", n)
	}
	slack := printed(t, "slack", p)
	if strings.Count(slack, "\n") != 1 {
		t.Errorf("it is no paragraph: %s", slack)
	}
	html := printed(t, "html", p)
	head, _, _ := strings.Cut(html, "<table>")
	for _, want := range []string{"Degraded for", "cannot pull image web:badtag", "web:ok1 to web:badtag", "kubectl-set"} {
		for name, text := range map[string]string{"html": head, "md": printed(t, "md", p), "slack": slack, "short": strings.ReplaceAll(short.String(), "\u2060", "")} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not begin with %q", name, want)
			}
		}
	}
	if strings.Index(html, p.Recording.SHA256) < strings.Index(html, `id="picture"`) {
		t.Error("the digest comes before the picture")
	}
	if len(p.Picture.Deeds) != 2 || p.Picture.Lanes[1].Kind != "cause" || p.Picture.Lanes[1].Object != "Deployment shop/web" {
		t.Errorf("the picture leaves out what caused it: %+v, lane %s", p.Picture.Deeds, p.Picture.Lanes[1].Object)
	}
	for _, r := range p.Rows {
		if r.What == "It was created." && r.Manager == "" || strings.HasPrefix(r.What, "/metadata/deletionTimestamp") {
			t.Errorf("a row says nothing: %+v", r)
		}
	}
}

// Every kind of outage gives a document that is in order, whose ids exist, and
// that is the same when it is made again.
func TestEveryIncident(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "incidents", "*.db"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for i, path := range paths {
		if testing.Short() && i%6 != 0 {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(path), ".db")
		t.Run(name, func(t *testing.T) {
			r := incident(t, name)
			p := build(t, r, Options{})
			checkAccounts(t, r, p)
			if p.Subject.Name != "" {
				check(t, r, p)
				checkCitations(t, r, p)
			}
			if i%6 != 0 {
				return // that it is the same when it is made again is dear to find out
			}
			again := build(t, r, Options{})
			for _, format := range Formats {
				one := printed(t, format, p)
				if two := printed(t, format, again); one != two {
					t.Errorf("%s is not the same the second time:\n%s", format, cmp.Diff(one, two))
				}
			}
		})
	}
}

// checkCitations replays what the document cites: at the # or the time of a verdict, and
// at that of the command for the worst moment, a replay shows what the document says.
func checkCitations(t *testing.T, r *store.Recording, p *Postmortem) {
	t.Helper()
	cursor := replay.NewCursor(r)
	if p.Subject.Kind != "Service" {
		return
	}
	ref := store.Ref{Resource: replay.Services, Namespace: p.Subject.Namespace, Name: p.Subject.Name}
	holds := func(what string, seq store.Seq, at time.Time, want analyzer.State) {
		t.Helper()
		var s *replay.State
		var err error
		if seq > 0 {
			s, err = cursor.Seek(seq)
		} else {
			s, err = cursor.SeekTime(at)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := analyzer.Diagnose(s, ref, analyzer.Options{}).Verdict.State; got != want {
			t.Errorf("%s, cited as #%d at %s, is %s; a replay shows %s", what, seq, at.Format(time.RFC3339Nano), want, got)
		}
	}
	for _, row := range p.Rows {
		if row.Kind == "verdict" {
			holds(row.What, row.Seq, row.Time, row.State)
		}
	}
	worst := analyzer.State("")
	for i := range p.Instants {
		in := &p.Instants[i]
		at := in.From
		if !in.Shown.IsZero() {
			at = in.Shown
		}
		holds("the report "+in.Report.Headline.ID, in.Event, at, in.Report.Verdict.State)
	}
	for _, f := range p.Hero {
		if f.Name == "At worst" {
			state, _, _ := strings.Cut(f.Text, ",")
			worst = analyzer.State(state)
		}
	}
	for _, c := range p.Commands {
		if _, rest, found := strings.Cut(c.Run, "--at "); found && strings.HasPrefix(c.Run, "svcspy replay ") {
			at, err := time.Parse(time.RFC3339Nano, strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			holds(c.Run, 0, at, worst)
		}
	}
}

func check(t *testing.T, r *store.Recording, p *Postmortem) {
	t.Helper()
	seq := func(what string, n store.Seq) {
		if n == 0 {
			return
		}
		if _, err := r.TimeOf(n); err != nil {
			t.Errorf("%s names #%d, which does not resolve: %v", what, n, err)
		}
	}
	if !slices.IsSortedFunc(p.Rows, func(a, b Row) int { return a.Time.Compare(b.Time) }) {
		t.Error("the timeline is not in order")
	}
	for _, row := range p.Rows {
		seq(row.What, row.Seq)
		if row.What == "" || row.Seq == 0 && row.Kind != "mark" && row.Kind != "verdict" {
			t.Errorf("row without words or event: %+v", row)
		}
		// What is reconstructed happened before the recording, which began in the outage.
		if row.Kind != "past" && row.Time.Before(p.Window.From) || row.Time.After(p.Window.To) {
			t.Errorf("row outside of the window: %+v", row)
		}
	}
	for _, l := range slices.Concat(p.Chain, p.Factors) {
		seq(l.Text, l.Seq)
		if l.Text == "" || l.Certainty == "" {
			t.Errorf("link without words or certainty: %+v", l)
		}
	}
	if len(p.KeyTimes) != 5 {
		t.Errorf("%d key times, want 5", len(p.KeyTimes))
	}
	for _, k := range p.KeyTimes {
		seq(k.Name, k.Seq)
		if k.Time.IsZero() && k.Certainty != NotObservable {
			t.Errorf("key time that is neither known nor said to be unknown: %+v", k)
		}
	}
	for _, l := range p.Picture.Lanes {
		last := p.Picture.Window.From
		for _, s := range l.Spans {
			if s.From.Before(last) || !s.To.After(s.From) || s.To.After(p.Window.To) {
				t.Errorf("lane %s: stay out of order or of the window: %+v", l.Object, s)
			}
			last = s.To
		}
	}
}

// What people know, they say with marks.
func TestMarks(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "marked.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 0, 0, 12, 0, time.UTC)
	for i, text := range []string{"deploy window", "alert fired | @team <b>", "rolled back"} {
		if err := store.AddMark(path, store.Mark{Time: at.Add(time.Duration(i) * 5 * time.Second), Written: at, Author: "Jane Doe", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := build(t, r, Options{Subject: web})
	got := map[string]string{}
	for _, k := range p.KeyTimes {
		got[k.ID] = k.Time.Format("15:04:05") + " " + string(k.Certainty)
	}
	want := map[string]string{
		"trigger": "00:00:07 observed", "impactStart": "00:00:07 observed", "detected": "00:00:17 observed",
		"mitigated": "00:00:22 observed", "impactEnd": "00:00:37 observed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("key times (-want +got):\n%s", diff)
	}
	for _, format := range Formats {
		text := printed(t, format, p)
		if format != "slack" && !strings.Contains(text, "deploy window") {
			t.Errorf("%s does not show the marks", format)
		}
		if strings.Contains(text, "Jane") {
			t.Errorf("%s names a person", format)
		}
	}
	if p := build(t, r, Options{Subject: web, Until: at}); len(p.Picture.Marks) != 1 {
		t.Errorf("%d marks up to the first, want 1", len(p.Picture.Marks))
	}
}

// late is a recording as if its recorder had been started in the middle of an
// outage: what existed then is listed, and what was heard before is not there.
func late(t *testing.T, r *store.Recording, at time.Time) *store.Memory {
	t.Helper()
	info := r.Info()
	from, err := r.SeqAt(at)
	if err != nil {
		t.Fatal(err)
	}
	h := info.Header
	h.Start = at
	m := store.NewMemory(h)
	do := func(_ store.Seq, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range r.Kinds() {
		c := store.Coverage{Time: at, Resource: k.Resource, Status: store.Listing}
		do(m.Cover(c))
		live, err := r.Find(store.Query{Resource: k.Resource}, from)
		if err != nil {
			t.Fatal(err)
		}
		do(m.Append(store.Event{Time: at, Type: store.Relist, Resource: k.Resource}))
		for _, seq := range live {
			e, err := r.Event(seq)
			if err != nil {
				t.Fatal(err)
			}
			e.Type, e.Time = watch.Added, at
			do(m.Append(e))
		}
		do(m.Append(store.Event{Time: at, Type: watch.Bookmark, Resource: k.Resource, Object: []byte(`{"metadata":{"annotations":{"` + store.InitialEventsEnd + `":"true"}}}`)}))
		c.Status = store.Current
		do(m.Cover(c))
	}
	for e, err := range r.Events(from+1, info.Last) {
		if err != nil {
			t.Fatal(err)
		}
		do(m.Append(e))
	}
	if _, err := m.Seal(info.End); err != nil {
		t.Fatal(err)
	}
	return m
}

// Who begins to record in the middle of the outage gets what can be known of
// its beginning, and is told that it is reconstructed.
func TestLate(t *testing.T) {
	begun := time.Date(2026, 11, 24, 0, 0, 17, 0, time.UTC) // the selector was edited ten seconds before
	m := late(t, incident(t, "selector-edited"), begun)
	p := build(t, m, Options{Subject: web})
	var past []Row
	for _, r := range p.Rows {
		if r.Kind == "past" {
			past = append(past, r)
		}
	}
	if len(past) == 0 || !past[0].Time.Before(begun) {
		t.Fatalf("nothing is known from before the recording: %+v", p.Rows)
	}
	if k := p.KeyTimes[0]; k.Certainty != Inferred || !k.Time.Before(begun) || !strings.Contains(k.Note, "reconstructed") {
		t.Errorf("trigger candidate: %+v", k)
	}
	if k := p.KeyTimes[1]; k.Certainty != Inferred || k.Time.After(begun) {
		t.Errorf("impact start: %+v", k)
	}
	if !p.Picture.Reconstructed.Equal(begun) || !p.Picture.Window.From.Before(begun) {
		t.Errorf("the picture does not show the past: %+v", p.Picture.Window)
	}
	for format, want := range map[string]string{"md": "before it, reconstructed", "html": `class="past"`, "json": `"kind": "past"`} {
		if !strings.Contains(printed(t, format, p), want) {
			t.Errorf("%s does not show the past", format)
		}
	}
}

// Other subjects than Services have lanes of what belongs to them, too.
func TestSubjects(t *testing.T) {
	for subject, want := range map[store.Ref]map[string]int{
		// The Deployment whose Pods are gone has a lane, too.
		web: {"verdict": 1, "endpoints": 1, "cause": 1, "pod": 4, "node": 3},
		{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: "shop", Name: "web"}: {"verdict": 1, "pod": 4, "node": 3},
		{Resource: nodes, Name: "n2"}: {"verdict": 1, "cause": 1, "pod": 3, "node": 3},
	} {
		p := build(t, incident(t, "node-loss"), Options{Subject: subject})
		got := map[string]int{}
		for _, l := range p.Picture.Lanes {
			got[l.Kind]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("lanes of %s (-want +got):\n%s", subject.Resource.Resource, diff)
		}
		if p.KeyTimes[0].Certainty != Observed {
			t.Errorf("%s: trigger candidate %+v", subject.Resource.Resource, p.KeyTimes[0])
		}
	}
}

// A window cuts what is told, not what is known of it.
func TestWindow(t *testing.T) {
	r := incident(t, "selector-edited")
	since, until := time.Date(2026, 11, 24, 0, 0, 15, 0, time.UTC), time.Date(2026, 11, 24, 0, 0, 30, 0, time.UTC)
	p := build(t, r, Options{Subject: web, Since: since, Until: until})
	if diff := cmp.Diff(Window{since, until}, p.Window); diff != "" {
		t.Error(diff)
	}
	for _, k := range p.KeyTimes {
		switch {
		case k.ID == "impactStart" && k.Time.Format("15:04:05") != "00:00:07":
			t.Errorf("the impact began before the window; the document says %v", k.Time)
		case k.ID == "impactEnd" && !k.Time.IsZero():
			t.Errorf("the end of the impact is after the window; the document says %v", k.Time)
		}
	}
	if len(p.Instants) != 1 || p.Instants[0].Report.Verdict.State != analyzer.NotServing {
		t.Errorf("%d instants, want the one that was in force", len(p.Instants))
	}
	quiet := build(t, r, Options{Subject: web, Since: until.Add(10 * time.Second)})
	if !strings.Contains(quiet.Title, "had no outage") {
		t.Errorf("after the outage: %q", quiet.Title)
	}
}

func TestTemplates(t *testing.T) {
	r := incident(t, "selector-edited")
	seen := map[string]string{}
	for _, name := range Templates {
		p := build(t, r, Options{Subject: web, Template: name})
		md := printed(t, "md", p)
		headings := strings.Join(regexp.MustCompile(`(?m)^## .*$`).FindAllString(md, -1), "\n")
		for other, same := range seen {
			if same == headings {
				t.Errorf("templates %s and %s are the same", name, other)
			}
		}
		seen[name] = headings
		for _, needed := range []string{"Timeline", "Appendix: how to check this", "what was redacted"} {
			if !strings.Contains(headings, needed) {
				t.Errorf("template %s has no section %q", name, needed)
			}
		}
		if !strings.Contains(md, "To be written by people") || !strings.Contains(md, "#279") {
			t.Errorf("template %s lacks the sections of people, or the evidence", name)
		}
		printed(t, "html", p)
	}
	if _, err := Build(context.Background(), r, Options{Subject: web, Template: "acme"}); err == nil {
		t.Error("an unknown template was taken")
	}
}

// What was recorded without redaction says so on top.
func TestNotRedacted(t *testing.T) {
	p := build(t, incident(t, "selector-edited"), Options{Subject: web})
	p.Recording.Redaction.Policy = "none"
	p.Redacted = redacted(p, nil)
	for _, format := range Formats {
		head, _, _ := strings.Cut(printed(t, format, p), "Summary")
		if format == "json" {
			head = printed(t, format, p)
		}
		if !strings.Contains(head, "Not redacted") && !strings.Contains(head, `"none": true`) {
			t.Errorf("%s does not say that nothing was redacted", format)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, o := range []Options{{}, {Subject: web}} {
		if _, err := Build(ctx, incident(t, "selector-edited"), o); err == nil {
			t.Error("a cancelled build ended without an error")
		}
	}
}

var (
	tags   = regexp.MustCompile(`<(/?[a-zA-Z!][a-zA-Z0-9]*)`)
	remote = regexp.MustCompile(`(?i)\b(src|href|action|srcset|poster|data|style|on[a-z]+|xlink:href)\s*=\s*["']?`)
)

// Nothing that comes from the cluster becomes a tag, an attribute, an escape
// sequence or markup. fixtures/browser runs the pages in a browser.
func TestHostile(t *testing.T) {
	r := incident(t, "selector-edited")
	count := func(page string) map[string]bool {
		seen := map[string]bool{}
		for _, m := range tags.FindAllStringSubmatch(page, -1) {
			seen[strings.ToLower(m[1])] = true
		}
		return seen
	}
	tame := count(printed(t, "html", build(t, r, Options{Subject: web})))
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		m, subject, err := hostile.Recording(r, seed)
		if err != nil {
			t.Fatal(err)
		}
		subject.Resource = replay.Services
		p := build(t, m, Options{Subject: subject, File: "../../" + hostile.Payloads[seed]})
		if len(p.Rows) < 5 || p.Chain == nil {
			t.Fatalf("seed %d: the outage was lost: %s", seed, p.Title)
		}
		page := printed(t, "html", p)
		for tag := range count(page) {
			if !tame[tag] {
				t.Errorf("seed %d: the page has a tag <%s> that a tame one has not", seed, tag)
			}
		}
		for _, m := range remote.FindAllString(stripped(page), -1) {
			if m != `href="` {
				t.Errorf("seed %d: the page has an attribute %q", seed, m)
			}
		}
		for _, format := range Formats {
			for i, c := range printed(t, format, p) {
				if c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u202e' || c == '\u2066' || c == '\u200b' {
					t.Errorf("seed %d: %s has control character %q at %d", seed, format, c, i)
					break
				}
			}
		}
		md := printed(t, "md", p)
		for _, bad := range []string{"<script", "<img", "@everyone", "http://127", "<!channel", "\n# heading"} {
			if strings.Contains(outsideCode(md), bad) {
				t.Errorf("seed %d: the Markdown has %q outside of code", seed, bad)
			}
		}
		if link := regexp.MustCompile(`(^|[^\\])\]\(`).FindString(outsideCode(md)); link != "" {
			t.Errorf("seed %d: the Markdown has a link", seed)
		}
		var back Postmortem
		if err := json.Unmarshal([]byte(printed(t, "json", p)), &back); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// stripped is a page without text, script and style: what is left are tags.
func stripped(page string) string {
	for _, cut := range []string{`(?s)<script>.*?</script>`, `(?s)<style>.*?</style>`} {
		page = regexp.MustCompile(cut).ReplaceAllString(page, "")
	}
	return strings.Join(regexp.MustCompile(`<[a-zA-Z][^>]*>`).FindAllString(regexp.MustCompile(`="[^"]*"`).ReplaceAllString(page, `="`), -1), "\n")
}

func outsideCode(md string) string {
	return regexp.MustCompile("(?s)```+.*?```+|`+[^`]*`+").ReplaceAllString(md, "")
}

func TestEscaped(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"web", "web"},
		{"a|b", `a\|b`},
		{"<b>&", "&lt;b&gt;&amp;"},
		{"[x](y) ![z](w)", `\[x\](y) !\[z\](w)`},
		{"`c` *b* _i_ ~s~ $m$", "\\`c\\` \\*b\\* \\_i\\_ \\~s\\~ \\$m\\$"},
		{"@team", "@\u2060team"},
		{"#12", "#\u206012"},
		{"https://x.io", "https:\u2060//x.io"},
		{"www.x.io", "www.\u2060x.io"},
		{"- item", `\- item`},
		{"1. item", `1\. item`},
		{"1.0 s", "1.0 s"},
		{"12)", `12\)`},
		{"{{x}}", `\{\{x\}\}`},
	} {
		if diff := cmp.Diff(tt.want, escaped(tt.in)); diff != "" {
			t.Errorf("escaped(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestFenced(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"x", "`x`"},
		{"a`b", "`` a`b ``"},
		{"a``b`", "``` a``b` ```"},
		{"a|b\nc", "`a\\|b\\nc`"},
	} {
		if diff := cmp.Diff(tt.want, fenced(tt.in)); diff != "" {
			t.Errorf("fenced(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestQuoted(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"svc/web", "svc/web"},
		{"a b", "'a b'"},
		{"it's", `'it'\''s'`},
		{"$(id)", "'$(id)'"},
		{"", "''"},
	} {
		if diff := cmp.Diff(tt.want, quoted(tt.in)); diff != "" {
			t.Errorf("quoted(%q) (-want +got):\n%s", tt.in, diff)
		}
	}
}

// A file whose name begins with a dash is no flag; quotes would not help.
func TestFileArgument(t *testing.T) {
	for path, want := range map[string]string{"": "FILE", "/a/b.db": "b.db", "/a/-n": "./-n", `C:\x.db`: "x.db"} {
		if diff := cmp.Diff(want, fileArgument(path)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
	}
}

// The page allows its own style and script, and they are short.
func TestPage(t *testing.T) {
	page := printed(t, "html", build(t, incident(t, "selector-edited"), Options{Subject: web}))
	for tag, content := range map[string]string{"style": pageCSS, "script": pageJS} {
		m := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(m) != 1 || m[0][1] != content {
			t.Errorf("the page has %d <%s>, or another one than is allowed", len(m), tag)
		}
	}
	if n := strings.Count(pageJS, "\n"); n > 300 {
		t.Errorf("the script has %d lines, want at most 300", n)
	}
}
