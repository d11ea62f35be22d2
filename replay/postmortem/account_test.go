package postmortem

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// checkAccounts holds a document about a whole recording, and the story and the
// timeline of its subject, to the outages that all other outputs are made of: one
// subject, one start, one duration, one who and one recovery.
func checkAccounts(t *testing.T, r *store.Recording, p *Postmortem) {
	t.Helper()
	ctx, info := context.Background(), r.Info()
	var all []story.Outage
	for c, err := range verdict.All(ctx, r, info.Start, info.End, nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, story.Outages(c.Subject, verdict.Settle(c.Segments))...)
	}
	if len(all) == 0 {
		if p.Subject.Name != "" {
			t.Errorf("no Service had an outage; the document is about one of %s", p.Subject.Name)
		}
		return
	}
	worst := slices.MinFunc(all, func(a, b story.Outage) int { return story.CompareOutages(&a, &b) })
	if worst.Subject.Namespace != p.Subject.Namespace || worst.Subject.Name != p.Subject.Name {
		t.Fatalf("the worst outage is that of %s, the document is about %s/%s", worst.Subject.Name, p.Subject.Namespace, p.Subject.Name)
	}
	segments, err := verdict.Of(ctx, r, worst.Subject, info.Start, info.End)
	if err != nil {
		t.Fatal(err)
	}
	segments = verdict.Settle(segments)
	told, err := worst.Explain(ctx, r, segments)
	if err != nil {
		t.Fatal(err)
	}
	item := report.NewOutageItem(&worst, told)
	moments := map[string]KeyTime{}
	for _, k := range p.KeyTimes {
		moments[k.ID] = k
	}
	hero := map[string]string{}
	for _, f := range p.Hero {
		hero[f.Name] = f.Text
	}
	for what, is := range map[string]bool{
		"duration": strings.HasSuffix(p.Title, report.HowLong(item.Times, worst.AtWorst, worst.Down)),
		"state":    strings.HasPrefix(hero["At worst"], string(item.State)),
		"start":    strings.HasPrefix(hero["When"], p.moments(item.From)) && !p.Hurt[0].From.After(item.From),
		"end":      item.Over == strings.Contains(hero["When"], " to "+p.moments(item.To)) || item.Times > 1,
		"hurt end": !p.Hurt[0].To.Before(item.To),
		"what":     hero["What"] == report.Clean(report.Undated(item.Headline.Message)),
		"trigger":  item.Trigger == nil || moments["trigger"].Seq == item.Trigger.Seq || p.Picture.Reconstructed.After(p.Window.From),
		"who":      item.Trigger == nil || report.Who(item.Trigger) == "" || strings.Contains(hero["Who"]+hero["Trigger"], report.Who(item.Trigger)) || strings.HasPrefix(hero["Trigger"], "reconstructed"),
		"recovery": item.Recovery == nil || moments["mitigated"].Seq == item.Recovery.Seq,
		"over":     item.Over == (moments["impactEnd"].Certainty != NotObservable) && (!item.Over || moments["impactEnd"].Time.Equal(item.To)),
	} {
		if told != nil && !is {
			t.Errorf("the document has another %s than the outage %+v:\n%s\n%+v\n%+v", what, item, p.Title, p.Hero, p.KeyTimes)
		}
	}
	x, err := story.Explain(ctx, r, worst.Subject, segments, time.Time{})
	if errors.Is(err, story.ErrNoOutage) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	e := report.NewExplanation(info, x)
	if !e.Worst.From.Equal(worst.Worst.From) || item.Times == 1 && (!e.From.Equal(item.From) || !e.To.Equal(item.To)) {
		t.Errorf("explain is about %s to %s, the outage is from %s to %s", e.From, e.To, item.From, item.To)
	}
	if e.Worst.State == item.State && item.Trigger != nil && (len(e.Changes) == 0 || e.Changes[0].Seq != item.Trigger.Seq) {
		t.Errorf("explain has another trigger than the outage: %+v, %+v", e.Changes, item.Trigger)
	}
	var text bytes.Buffer
	if err := report.ExplanationText(&text, e, report.Options{Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	if !testing.Short() { // it has the changes of all verdicts
		transitions, err := story.Transitions(ctx, r, worst.Subject, segments)
		if err != nil {
			t.Fatal(err)
		}
		timeline := report.NewTimeline(info, transitions, true)
		if err := report.TimelineText(&text, timeline, report.Options{Zone: time.UTC}); err != nil {
			t.Fatal(err)
		}
	}
	checkText(t, r, worst.Subject, text.String())
}

var (
	// A time and the event that is cited for it, and what is said of that.
	cited = regexp.MustCompile(`(\d\d:\d\d:\d\d) #(\d+) +(.*)`)
	// A change or a mark of an object, which is named.
	ofObject = regexp.MustCompile(`^[A-Z][A-Za-z]+ ((?:[a-z0-9.-]+/)?[a-z0-9.:-]+?)(?: |:|$)`)
	// A stretch of the timeline.
	stretch = regexp.MustCompile(`^[0-9.]+m?s?[0-9hms.]* +([A-Z][A-Za-z]+)`)
	// A verdict that began.
	began = regexp.MustCompile(`^([A-Z][A-Za-z]+), \d+ (?:of \d+ )?ready`)
	// A Pod and the event with which it was lost.
	lost = regexp.MustCompile(`(?:\(|, )([a-z][a-z0-9.-]*) #(\d+)[,) ]`)
)

// checkText replays what a text cites: each # has the time beside it, and there a
// replay shows the verdict that it is cited for, and the change of the object that is
// named. Of a finding it is what the evidence shows that changed there: that may have
// had to last before it was one.
func checkText(t *testing.T, r *store.Recording, subject store.Ref, text string) {
	t.Helper()
	cursor := replay.NewCursor(r)
	at := func(number string) (store.Seq, store.Event) {
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Event(store.Seq(n))
		if err != nil { // it is none, but of the coverage
			e.Time, err = r.TimeOf(store.Seq(n))
		}
		if err != nil {
			t.Errorf("#%d cannot be read: %v", n, err)
		}
		return store.Seq(n), e
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		for _, m := range cited.FindAllStringSubmatch(line, -1) {
			seq, e := at(m[2])
			if got := e.Time.UTC().Format(time.TimeOnly); got != m[1] {
				t.Errorf("#%d came at %s: %s", seq, got, line)
			}
			says := m[3]
			diagnosed := func() analyzer.Report {
				s, err := cursor.Seek(seq)
				if err != nil {
					t.Fatal(err)
				}
				return analyzer.Diagnose(s, subject, analyzer.Options{})
			}
			if m := stretch.FindStringSubmatch(says); m != nil {
				says = m[1] + ", 0 of 0 ready"
			}
			if m := began.FindStringSubmatch(says); m != nil {
				if d := diagnosed(); string(d.Verdict.State) != m[1] {
					t.Errorf("at #%d a replay shows %s: %s", seq, d.Verdict.State, line)
				}
			} else if m := ofObject.FindStringSubmatch(says); m != nil {
				if name := strings.TrimPrefix(e.Namespace+"/"+e.Name, "/"); name != m[1] && name != "" { // a list lacks it

					t.Errorf("#%d is about %s: %s", seq, name, line)
				}
			}
		}
		for _, m := range lost.FindAllStringSubmatch(line, -1) {
			// Its own event, or that of what took it away, which the line names.
			seq, e := at(m[2])
			if ofSlice := strings.Contains(line, report.LossWords("slice")); ofSlice && e.Resource == replay.EndpointSlices {
				continue
			}
			if e.Name != m[1] && !strings.Contains(line, e.Name) {
				t.Errorf("#%d is about %s: %s", seq, e.Name, line)
			}
		}
	}
}
