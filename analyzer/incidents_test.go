package analyzer_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/fixtures/incidents"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// step is how far apart the instants are at which an interval is looked at.
const step = time.Second

// TestIncidents replays every recorded incident and compares the report with
// what is expected at each second. It prints a scoreboard; an answer that is
// wrong and calls itself certain is counted apart, as it is worse than none.
func TestIncidents(t *testing.T) {
	all, err := incidents.Load("../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	var board scoreboard
	for i, incident := range all {
		if _, err := os.Stat(incident.Recording()); errors.Is(err, fs.ErrNotExist) {
			continue // written down, and not recorded yet
		}
		if testing.Short() && i%4 != 0 {
			continue // the race detector needs no score
		}
		t.Run(incident.Name, func(t *testing.T) { board.play(t, incident) })
	}
	older, err := incidents.Older("../fixtures/incidents")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range slices.Sorted(maps.Keys(older)) {
		for _, incident := range older[version] {
			t.Run("kubernetes-"+version+"/"+incident.Name, func(t *testing.T) { board.play(t, incident) })
		}
	}
	t.Logf("accuracy: %d of %d instants, %d of %d incidents; %d wrong and certain", board.right, board.instants, board.met, board.incidents, board.certain)
	for _, aspect := range slices.Sorted(maps.Keys(board.asserted)) {
		t.Logf("accuracy: %s right at %d of %d instants", aspect, board.asserted[aspect]-board.missed[aspect], board.asserted[aspect])
	}
}

type scoreboard struct {
	instants, right, certain int
	incidents, met           int
	// By aspect: state, headline, since, next, findings, endpoints.
	asserted, missed map[string]int
}

// count adds one instant at which aspects were asserted and some of them missed.
func (b *scoreboard) count(asserted map[string]bool, problems []problem) {
	if b.asserted == nil {
		b.asserted, b.missed = map[string]int{}, map[string]int{}
	}
	for aspect := range asserted {
		b.asserted[aspect]++
	}
	missed := map[string]bool{}
	for _, p := range problems {
		if !missed[p.aspect] {
			missed[p.aspect] = true
			b.missed[p.aspect]++
		}
	}
}

// aspects names what an expectation asserts.
func aspects(e incidents.Expect) map[string]bool {
	all := map[string]bool{
		"state":     len(e.State) > 0 || e.Intent != "" || len(e.Certainty) > 0,
		"headline":  len(e.Headline) > 0 || e.About != "" || e.Units != 0 || len(e.Says)+len(e.Unsaid) > 0 || len(e.Not) > 0,
		"since":     e.SinceStep > 0,
		"next":      len(e.Next) > 0,
		"findings":  len(e.Because)+len(e.Also)+len(e.Symptoms)+len(e.Risks)+len(e.Hints)+len(e.Finds)+len(e.Absent)+len(e.Checklist) > 0,
		"endpoints": e.Ready != nil || len(e.Classes) > 0,
	}
	maps.DeleteFunc(all, func(_ string, asserted bool) bool { return !asserted })
	return all
}

// problem is one thing that a report does not say as expected.
type problem struct{ aspect, text string }

func (b *scoreboard) play(t *testing.T, incident incidents.Incident) {
	recording, err := store.Open(incident.Recording())
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	ops, err := incidents.ReadOps(incident.Operations())
	if err != nil {
		t.Fatal(err)
	}
	b.incidents++
	unmet := 0
	cursor := replay.NewCursor(recording)
	courses := map[store.Ref][]verdict.Segment{} // by which reports are dated
	report := func(subject string, at time.Duration) analyzer.Report {
		state, err := cursor.SeekTime(ops.Instant(at))
		if err != nil {
			t.Fatal(err)
		}
		ref := subjectOf(t, subject, incident.Namespace)
		r := analyzer.Diagnose(state, ref, analyzer.Options{})
		if courses[ref] == nil {
			raw, err := verdict.Of(t.Context(), recording, ref, state.Start(), recording.Info().End)
			if err != nil {
				t.Fatal(err)
			}
			courses[ref] = verdict.Settle(raw)
		}
		for i, segment := range slices.Backward(courses[ref]) {
			if !segment.From.After(state.Instant()) {
				verdict.DateIn(&r, courses[ref], i, state.Start(), state.Instant())
				break
			}
		}
		if err := state.Err(); err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, e := range incident.Expect {
		subject := incident.Subject
		if e.Subject != "" {
			subject = e.Subject
		}
		var wrong []miss
		looked := instants(e)
		for _, at := range looked {
			r := report(subject, at)
			problems := compare(e, r, ops)
			if !e.Sometime {
				b.count(aspects(e), problems)
			}
			if len(problems) > 0 {
				var texts []string
				for _, p := range problems {
					texts = append(texts, p.text)
				}
				wrong = append(wrong, miss{at, at, strings.Join(texts, "; "), r.Headline.Message, r.Verdict.Certainty == analyzer.Certain})
			}
		}
		if e.Sometime {
			looked = looked[:1]
			if len(wrong) < len(instants(e)) {
				wrong = nil
			} else {
				wrong = wrong[:1]
			}
		}
		b.instants += len(looked)
		b.right += len(looked) - len(wrong)
		for _, m := range wrong {
			if m.certain {
				b.certain++
			}
		}
		unmet += len(wrong)
		complain := t.Errorf
		if incident.Unmet != "" {
			complain = t.Logf
		}
		for _, m := range join(wrong) {
			complain("%s %s..%s: %s\n\t%s", subject, m.from, m.to, m.problems, m.message)
		}
	}
	if unmet == 0 {
		b.met++
		if incident.Unmet != "" {
			t.Errorf("%s.yaml says that it is unmet (%s) and it is met: take the word out", incident.Name, incident.Unmet)
		}
	}
}

// miss is a stretch in which the report says something else than expected.
type miss struct {
	from, to          time.Duration
	problems, message string
	certain           bool
}

// join makes one stretch of neighbours with the same problems.
func join(misses []miss) []miss {
	var list []miss
	for _, m := range misses {
		if n := len(list); n > 0 && list[n-1].problems == m.problems && m.from-list[n-1].to <= step {
			list[n-1].to, list[n-1].message = m.to, m.message
			continue
		}
		list = append(list, m)
	}
	return list
}

// instants are the moments at which an expectation is looked at.
func instants(e incidents.Expect) []time.Duration {
	if e.At != nil {
		return []time.Duration{time.Duration(*e.At)}
	}
	var list []time.Duration
	for at := time.Duration(*e.From); at < time.Duration(*e.To); at += step {
		list = append(list, at)
	}
	return append(list, time.Duration(*e.To))
}

// compare lists what a report does not say as expected; ops says when each step was performed.
func compare(e incidents.Expect, r analyzer.Report, ops *incidents.Ops) []problem {
	var problems []problem
	aspect := "state"
	differs := func(what string, want, got any) {
		problems = append(problems, problem{aspect, fmt.Sprintf("%s: want %v, got %v", what, want, got)})
	}
	headline := r.Headline.ID
	if headline == "" {
		headline = "none"
	}
	if !e.State.Allows(string(r.Verdict.State)) {
		differs("state", e.State, r.Verdict.State)
	}
	if e.Intent != "" && e.Intent != r.Verdict.Intent {
		differs("intent", e.Intent, r.Verdict.Intent)
	}
	if !e.Certainty.Allows(string(r.Verdict.Certainty)) {
		differs("certainty", e.Certainty, r.Verdict.Certainty)
	}
	if e.SinceStep > 0 {
		aspect = "since"
		op := ops.List[e.SinceStep-1]
		within := time.Duration(e.SinceWithin)
		if within == 0 {
			within = 2 * time.Second
		}
		if since := r.Verdict.Since; since.Before(op.Start.Truncate(time.Second)) || since.After(op.End.Add(within)) {
			differs("since", fmt.Sprintf("step %d at %s", e.SinceStep, op.At), since.Sub(ops.Zero).Round(100*time.Millisecond))
		}
	}
	if len(e.Next) > 0 {
		aspect = "next"
		first := "none"
		if len(r.Next) > 0 {
			first = r.Next[0]
		}
		for _, text := range e.Next {
			if !strings.Contains(first, text) {
				differs("next", text, first)
			}
		}
	}
	aspect = "headline"
	if !e.Headline.Allows(headline) {
		differs("headline", e.Headline, headline)
	}
	if about := r.Headline.Subject.Kind + "/" + r.Headline.Subject.Name; e.About != "" && e.About != about {
		differs("about", e.About, about)
	}
	if e.Units != 0 && e.Units != r.Headline.Units {
		differs("units", e.Units, r.Headline.Units)
	}
	for _, text := range e.Says {
		if !strings.Contains(r.Headline.Message, text) {
			differs("message", text, r.Headline.Message)
		}
	}
	messages := []string{r.Headline.Message}
	for _, f := range slices.Concat(r.Because, r.Also, r.Symptoms, r.Risks, r.Hints) {
		messages = append(messages, f.Message)
	}
	for _, text := range e.Unsaid {
		if i := slices.IndexFunc(messages, func(m string) bool { return strings.Contains(m, text) }); i >= 0 {
			differs("message", "not "+text, messages[i])
		}
	}
	if slices.Contains(e.Not, headline) {
		differs("headline", "not "+headline, headline)
	}
	aspect = "findings"
	lists := map[string][]string{}
	var everything []string
	for name, findings := range map[string][]analyzer.Finding{
		"because": r.Because, "also": r.Also, "symptoms": r.Symptoms, "risks": r.Risks, "hints": r.Hints,
	} {
		for _, f := range findings {
			lists[name] = append(lists[name], f.ID)
			everything = append(everything, f.ID)
		}
	}
	slices.Sort(everything)
	for name, want := range map[string][]string{
		"because": e.Because, "also": e.Also, "symptoms": e.Symptoms, "risks": e.Risks, "hints": e.Hints,
	} {
		for _, id := range want {
			if !slices.Contains(lists[name], id) {
				differs(name, id, lists[name])
			}
		}
	}
	for _, id := range e.Finds {
		if !slices.ContainsFunc(strings.Split(id, "|"), func(id string) bool { return slices.Contains(everything, id) }) {
			differs("finds", id, everything)
		}
	}
	for _, id := range e.Absent {
		if slices.Contains(everything, id) {
			differs("finds", "no "+id, everything)
		}
	}
	aspect = "endpoints"
	for class, want := range e.Classes {
		got := "none"
		for _, c := range r.Verdict.Classes {
			if c.Class == class {
				got = c.Result
			}
		}
		if got != want {
			differs("class "+class, want, got)
		}
	}
	if e.Ready != nil && *e.Ready != r.Endpoints.Ready {
		differs("ready", *e.Ready, r.Endpoints.Ready)
	}
	aspect = "findings"
	for code, want := range e.Checklist {
		got := "none"
		for _, s := range r.Checklist {
			if s.Step == code {
				got = s.Result
			}
		}
		if got != string(want) {
			differs(code, want, got)
		}
	}
	slices.SortFunc(problems, func(a, b problem) int { return strings.Compare(a.text, b.text) })
	return problems
}

// subjectOf reads TYPE/NAME as expectations write it.
func subjectOf(t *testing.T, subject, namespace string) store.Ref {
	t.Helper()
	kind, name, _ := strings.Cut(subject, "/")
	resources := map[string]schema.GroupVersionResource{
		"service":     {Version: "v1", Resource: "services"},
		"pod":         {Version: "v1", Resource: "pods"},
		"node":        {Version: "v1", Resource: "nodes"},
		"deployment":  {Group: "apps", Version: "v1", Resource: "deployments"},
		"replicaset":  {Group: "apps", Version: "v1", Resource: "replicasets"},
		"statefulset": {Group: "apps", Version: "v1", Resource: "statefulsets"},
		"daemonset":   {Group: "apps", Version: "v1", Resource: "daemonsets"},
		"ingress":     {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
		"httproute":   {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	}
	resource, ok := resources[kind]
	if !ok {
		t.Fatalf("no such type of subject: %s", subject)
	}
	if kind == "node" {
		namespace = ""
	}
	return store.Ref{Resource: resource, Namespace: namespace, Name: name}
}
