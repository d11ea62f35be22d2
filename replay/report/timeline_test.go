package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// outage is an outage with something in every part, hostile names included.
func outage() (store.Info, *story.Explanation) {
	example := example()
	at := example.At.Time
	changed := change.Change{
		Seq: 8790, ObservedAt: at.Add(-20 * time.Second), Verb: change.Updated, Origin: change.Intent, Link: change.Counterfactual,
		Subject: example.Subject, Path: "/spec/selector/app", Old: "web", New: "\x1b[31mwbe",
		Fields: []change.Field{{Path: "/spec/selector/app", Old: "web", New: "\x1b[31mwbe"}, {Path: "/spec/type", New: "NodePort"}},
		Writer: &change.Writer{Manager: "kubectl-patch", Operation: "Update", Time: at.Add(-20 * time.Second)},
		Note:   "without it the verdict would be Serving", With: []store.Seq{8791},
	}
	deleted := change.Change{
		Seq: 8801, ObservedAt: at, Earliest: at.Add(-5 * time.Second), Verb: change.Deleted, Origin: change.Intent,
		Subject: analyzer.Subject{Version: "v1", Kind: "Pod", Namespace: "shop", Name: "web-abc"}, Path: "/",
	}
	before := verdict.Segment{From: at.Add(-time.Minute), To: at.Add(-20 * time.Second), Seq: 8700, Event: 8700}
	before.Report.Subject = example.Subject
	before.Report.Verdict.State = analyzer.Serving
	before.Report.Endpoints = analyzer.Endpoints{Ready: 3, Desired: 3}
	dark := verdict.Segment{From: at.Add(-20 * time.Second), To: at, Seq: 8790, Event: 8790, Report: example.Report}
	after := verdict.Segment{From: at, To: at.Add(time.Hour), Seq: 8812, Event: 8812, Gap: "Gap pods", Report: before.Report}
	worst := story.Transition{
		Segment: dark, Later: dark.Report, Changes: []change.Change{changed},
		Lost: []cause.Loss{
			{Pod: "web-abc", Class: "svc", Seq: 8790, At: changed.ObservedAt, Note: "Service shop/web /spec/selector"},
			{Pod: "web-def", Class: "svc", Seq: 8790, At: changed.ObservedAt, Note: "Service shop/web /spec/selector"},
			{Pod: "web-ghi", Class: "manual", Seq: 8795, At: at},
		},
		Missing: &story.NotReplaced{ID: "readiness-probe-failing", Subject: example.Headline.Subject, Message: "3 Pods fail their probe.", Units: 3},
	}
	info := store.Info{Header: store.Header{ID: "id", Start: before.From}, End: after.To, Closed: true}
	return info, &story.Explanation{
		Before: &before, Course: []verdict.Segment{dark}, Worst: worst,
		Recovery: &story.Transition{Segment: after, Later: after.Report, LastChange: &deleted},
	}
}

func TestTimelineAndExplanation(t *testing.T) {
	info, told := outage()
	all := []story.Transition{{Segment: *told.Before}, told.Worst, *told.Recovery}
	timeline, explanation := NewTimeline(info, all, false), NewExplanation(info, told)
	list := TimelineList{APIVersion: APIVersion, Kind: "TimelineList", Recording: RecordingOf(info), Items: []TimelineEnvelope{timeline, NewTimeline(info, all[:1], true)}, Complete: true}
	for name, show := range map[string]func(*bytes.Buffer) error{
		"timeline.txt":  func(b *bytes.Buffer) error { return TimelineText(b, timeline, Options{}) },
		"timeline.json": func(b *bytes.Buffer) error { return Document(b, "json", timeline) },
		"timelines.txt": func(b *bytes.Buffer) error {
			l := ListTimelines(b, list.Recording, Options{ASCII: true})
			for i := range list.Items {
				if err := l.Add(&list.Items[i]); err != nil {
					return err
				}
			}
			return l.End(list.Complete)
		},
		"explanation.txt":  func(b *bytes.Buffer) error { return ExplanationText(b, explanation, Options{}) },
		"explanation.json": func(b *bytes.Buffer) error { return Document(b, "json", explanation) },
		"changes.txt": func(b *bytes.Buffer) error {
			return ChangesText(b, []change.Change{told.Worst.Changes[0], *told.Recovery.LastChange}, info.End, Options{})
		},
	} {
		var b bytes.Buffer
		if err := show(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

// What nothing explains is said to be so.
func TestExplanationWithoutCause(t *testing.T) {
	info, story := outage()
	story.Worst.LastChange, story.Worst.Changes = &story.Worst.Changes[0], nil
	story.Recovery = nil
	var b bytes.Buffer
	if err := ExplanationText(&b, NewExplanation(info, story), Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "explanation-unknown.txt", b.Bytes())
}

func TestDiffText(t *testing.T) {
	_, told := outage()
	e := example()
	after := e
	after.At.Time, after.Verdict.State = e.At.Time.Add(time.Minute), analyzer.Serving
	items := []story.Difference{
		{Subject: e.Subject, Verb: change.Updated, Fields: told.Worst.Changes[0].Fields, Changes: told.Worst.Changes, Folded: 4},
		{Subject: told.Recovery.LastChange.Subject, Verb: change.Deleted, Changes: []change.Change{*told.Recovery.LastChange}},
	}
	for name, diff := range map[string]DiffEnvelope{"diff": NewDiff(e, after, items), "diff-none": NewDiff(e, after, nil)} {
		var text, doc bytes.Buffer
		if err := DiffText(&text, diff, Options{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		if err := Document(&doc, "json", diff); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", doc.Bytes())
	}
}

func TestEventText(t *testing.T) {
	at := example().At.Time
	var b bytes.Buffer
	for _, e := range []Event{
		EventOf(&store.Event{Seq: 7, Time: at, Type: "MODIFIED", Resource: replay.Services, Namespace: "shop", Name: "we\x1bb", Object: []byte(`{}`)}, true),
		EventOfCoverage(&store.Coverage{Seq: 8, Time: at, Resource: replay.Services, Status: store.Gap, Reason: "410 Gone"}),
	} {
		if err := EventText(&b, e, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "events.txt", b.Bytes())
}
