package story

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// told is what explain has to say about an incident: testdata/changed.yaml.
type told struct {
	Outage   string    `json:"outage,omitempty"` // "none": there is nothing to explain
	Change   *expected `json:"change,omitempty"`
	Also     *expected `json:"also,omitempty"`
	Lost     string    `json:"lost,omitempty"`
	Missing  string    `json:"missing,omitempty"`
	Drops    []drop    `json:"drops,omitempty"` // losses within the outage, in order
	Eased    *expected `json:"eased,omitempty"` // how the worst ended, while the outage went on
	Recovery *expected `json:"recovery,omitempty"`
	Then     *expected `json:"then,omitempty"` // the second that explains the recovery
}

// drop is one loss of several: by what, at which step, how many endpoints were left,
// and which step had not been performed yet when as many were ready again.
type drop struct {
	Lost    string `json:"lost"`
	Step    int    `json:"step"`
	Ready   int    `json:"ready"`
	EndedBy int    `json:"endedBy,omitempty"`
	// Ended is what brought them back: "nothing" where that was time.
	Ended *expected `json:"ended,omitempty"`
}

func (d *drop) check(got *cause.Drop, steps [][2]time.Time) string {
	switch {
	case got.Lost[0].Class != d.Lost || got.Ready != d.Ready:
	case got.Lost[0].At.Before(steps[d.Step-1][0]) || got.Lost[0].At.After(steps[d.Step-1][1].Add(4*time.Second)):
	case d.EndedBy > 0 && (got.To.IsZero() || got.To.After(steps[d.EndedBy-1][0])):
	case d.Ended != nil:
		return d.Ended.check(got.Ended, 0, steps)
	default:
		return ""
	}
	return fmt.Sprintf("%+v, want %+v", *got, *d)
}

// expected is one change; fields that are absent are not compared.
type expected struct {
	Nothing bool        `json:"-"`
	Of      string      `json:"of,omitempty"` // Kind or Kind/name
	Verb    change.Verb `json:"verb,omitempty"`
	Path    string      `json:"path,omitempty"` // a part of it
	New     string      `json:"new,omitempty"`
	Writer  string      `json:"writer,omitempty"` // "nobody": nothing tells
	Link    change.Link `json:"link,omitempty"`
	Step    int         `json:"step,omitempty"` // of the incident's operations, from 1
}

func (e *expected) UnmarshalJSON(data []byte) error {
	if string(data) == `"nothing"` {
		e.Nothing = true
		return nil
	}
	type plain expected
	return json.Unmarshal(data, (*plain)(e))
}

// check returns what is wrong with the nth change.
func (e *expected) check(changes []change.Change, n int, steps [][2]time.Time) string {
	switch {
	case e.Nothing && len(changes) > 0:
		return "invented: " + changes[0].String()
	case e.Nothing:
		return ""
	case n >= len(changes):
		return "no change was found"
	}
	c := &changes[n]
	writer := "nobody"
	if c.Writer != nil {
		writer = c.Writer.Manager
	}
	name := c.Subject.Kind + "/" + c.Subject.Name
	text := fmt.Sprintf("%s #%d by %s, %s (%s)", c, c.Seq, writer, c.Link, c.Note)
	differs := name != e.Of && c.Subject.Kind != e.Of ||
		e.Verb != "" && c.Verb != e.Verb || e.Path != "" && !strings.Contains(c.Path+change.Text(c.New), e.Path) ||
		e.New != "" && change.Text(c.New) != e.New || e.Writer != "" && writer != e.Writer || e.Link != "" && c.Link != e.Link
	if !differs && e.Step > 0 {
		during := steps[e.Step-1]
		if c.ObservedAt.Before(during[0].Add(-time.Second)) || c.ObservedAt.After(during[1].Add(2*time.Second)) {
			return fmt.Sprintf("%s: not heard when step %d was performed, %s", text, e.Step, during[0])
		}
	}
	if differs {
		return fmt.Sprintf("%s: want %+v", text, *e)
	}
	return ""
}

// Every recorded incident is explained as its operations say. The score is
// printed with -v.
func TestExplainIncidents(t *testing.T) {
	data, err := os.ReadFile("testdata/changed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]told{}
	if err := yaml.UnmarshalStrict(data, &table); err != nil {
		t.Fatal(err)
	}
	right, asked := 0, 0
	replaytest.Recordings(t, func(t *testing.T, name string, r *store.Recording) {
		if testing.Short() && len(name)%4 != 0 {
			t.Skip("the race detector needs no score")
		}
		subject, info := replaytest.Subject(t, name), r.Info()
		raw, err := verdict.Of(context.Background(), r, subject, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		story, err := Explain(context.Background(), r, subject, verdict.Settle(raw), time.Time{})
		if err != nil && !errors.Is(err, ErrNoOutage) {
			t.Fatal(err)
		}
		checkAccount(t, r, subject, raw, story, 6)
		want, ok := table[name]
		if !ok {
			t.Skipf("%s is not in testdata/changed.yaml", name)
		}
		steps := replaytest.Steps(t, name)
		verify := func(what, problem string) {
			asked++
			if problem == "" {
				right++
				return
			}
			t.Errorf("%s: %s", what, problem)
		}
		if want.Outage == "none" {
			if !errors.Is(err, ErrNoOutage) {
				verify("outage", fmt.Sprintf("want none, error %v", err))
				return
			}
			verify("outage", "")
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if want.Change != nil {
			verify("change", want.Change.check(story.Worst.Changes, 0, steps))
		}
		if want.Also != nil {
			verify("also", want.Also.check(story.Worst.Changes, 1, steps))
		}
		if want.Lost != "" {
			problem := ""
			if len(story.Worst.Lost) == 0 {
				problem = "nothing is lost"
			}
			for _, l := range story.Worst.Lost {
				if l.Class != want.Lost {
					problem = fmt.Sprintf("%s by %s (%s), want %s", l.Pod, l.Class, l.Note, want.Lost)
				}
			}
			verify("lost", problem)
		}
		if want.Missing != "" {
			problem := ""
			if m := story.Worst.Missing; m == nil || m.ID != want.Missing {
				problem = fmt.Sprintf("%+v, want %s", m, want.Missing)
			}
			verify("not replaced", problem)
		}
		for i := range want.Drops {
			problem := "there is none"
			if i < len(story.Drops) {
				problem = want.Drops[i].check(&story.Drops[i], steps)
			}
			verify("drop", problem)
		}
		if want.Eased != nil {
			problem := "it was not"
			if story.Eased != nil {
				problem = want.Eased.check(story.Eased.Changes, 0, steps)
			}
			verify("eased", problem)
		}
		for n, want := range []*expected{want.Recovery, want.Then} {
			if want == nil {
				continue
			}
			problem := "there was none"
			if story.Recovery != nil {
				problem = want.check(story.Recovery.Changes, n, steps)
			}
			verify("recovery", problem)
		}
	})
	t.Logf("what-changed: %d of %d", right, asked)
}
