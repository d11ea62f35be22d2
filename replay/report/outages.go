package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/store"
)

// OutageList is the outages of a recording, worst first.
type OutageList struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"` // OutageList
	Recording  Recording    `json:"recording"`
	Items      []OutageItem `json:"items"`
	Quiet      []string     `json:"quiet"` // NAMESPACE/NAME of the Services without an outage
}

// OutageItem is one outage of a Service, or several with one cause that follow each
// other quickly.
type OutageItem struct {
	Subject  analyzer.Subject  `json:"subject"`
	State    analyzer.State    `json:"state"` // the worst verdict
	Headline analyzer.Headline `json:"headline"`
	From     time.Time         `json:"from"`
	To       time.Time         `json:"to"`
	Over     bool              `json:"over"`    // false: it lasts at the end of the recording
	Seconds  float64           `json:"seconds"` // how long the Service was not healthy
	// WorstSeconds is how much of Seconds the worst verdict held.
	WorstSeconds float64   `json:"worstSeconds"`
	Times        int       `json:"times"`   // how many outages these are
	WorstAt      time.Time `json:"worstAt"` // when a replay shows the worst verdict first
	// Explained says that trigger and recovery were looked for.
	Explained bool           `json:"explained"`
	Trigger   *change.Change `json:"trigger,omitempty"`
	Recovery  *change.Change `json:"recovery,omitempty"` // the change that ended it
	// Effect says whom else the outage hurts where that is more than the clients of
	// the Service.
	Effect string `json:"effect,omitempty"`
	// Undo is the command that takes the trigger back, where the trigger is proved and
	// a command can: as of then, not of now.
	Undo string `json:"undo,omitempty"`
	// Then is what to run, as of then, where nothing takes the trigger back.
	Then string        `json:"then,omitempty"`
	Also []OutageBrief `json:"also,omitempty"` // outages of other Services with the same cause
	Next []string      `json:"next,omitempty"` // commands that lead further
}

// OutageBrief is an outage that is listed under another.
type OutageBrief struct {
	Subject analyzer.Subject `json:"subject"`
	State   analyzer.State   `json:"state"`
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to"`
	Seconds float64          `json:"seconds"`
}

// NewOutageList returns the list without items.
func NewOutageList(info store.Info) OutageList {
	return OutageList{APIVersion: APIVersion, Kind: "OutageList", Recording: RecordingOf(info), Items: []OutageItem{}, Quiet: []string{}}
}

// NewOutageItem describes an outage; told is nil if it was not explained.
func NewOutageItem(o *story.Outage, told *story.Explanation) OutageItem {
	r := &o.Worst.Report
	item := OutageItem{
		Subject: r.Subject, State: r.Verdict.State, Headline: r.Headline,
		From: o.From.UTC(), To: o.To.UTC(), Over: !o.Open, Seconds: o.Down.Seconds(), WorstSeconds: o.AtWorst.Seconds(), Times: o.Times, WorstAt: o.Worst.ShownAt().UTC(), Explained: told != nil,
	}
	if analyzer.ClusterDNS(r.Subject.Namespace, r.Subject.Name) && item.State == analyzer.NotServing {
		item.Effect = "no name of a Service resolves while it lasts; their addresses work"
	}
	if told == nil || told.Worst.Report.Verdict.State != item.State { // the story is that of how it came up
		return item
	}
	item.Headline = told.Worst.Later.Headline
	item.Trigger, item.Recovery = told.Trigger(), told.End()
	if item.Undo = UndoOf(item.Trigger); item.Undo == "" && len(told.Worst.Later.Next) > 0 {
		item.Then = told.Worst.Later.Next[0]
	}
	return item
}

// UndoOf returns the command that takes a trigger back; "" where the trigger is not
// proved to be one, or no command can.
func UndoOf(trigger *change.Change) string {
	if trigger == nil || trigger.Link == change.Correlated {
		return ""
	}
	undo, can := trigger.Undo()
	if !can {
		return ""
	}
	return undo.String()
}

// NextOf returns what to run about an outage, as of then: what takes the trigger
// back, then the first of the other commands.
func NextOf(trigger *change.Change, next []string) []string {
	undo := UndoOf(trigger)
	if undo == "" {
		return next
	}
	for _, line := range next {
		if line != undo && !strings.Contains(line, " rollout undo ") { // that is the same, about the same workload
			return []string{undo, line}
		}
	}
	return []string{undo}
}

// NowCommand returns what shows how a subject is now: what holds in a recording may
// be over.
func NowCommand(s analyzer.Subject) string {
	c := command.New("svcspy", "trace", shortKind(s.Kind)+"/"+s.Name)
	if s.Namespace != "" {
		c = c.Add("-n", s.Namespace)
	}
	return c.String()
}

func shortKind(kind string) string {
	if kind == "Service" {
		return "svc"
	}
	return strings.ToLower(kind)
}

// SameCause reports whether two outages have one cause: the same change, or the same
// finding about an object that is not the Service itself, at the same time.
func (i *OutageItem) SameCause(other *OutageItem) bool {
	if i.Trigger != nil || other.Trigger != nil {
		return i.Trigger != nil && other.Trigger != nil && i.Trigger.Seq == other.Trigger.Seq
	}
	return i.Headline.ID == other.Headline.ID && i.Headline.Subject == other.Headline.Subject && i.Headline.Subject.Kind != "Service" &&
		i.From.Before(other.To) && other.From.Before(i.To)
}

// Brief returns what is listed of an outage under another.
func (i *OutageItem) Brief() OutageBrief {
	return OutageBrief{i.Subject, i.State, i.From, i.To, i.Seconds}
}

// HowLong says how long an outage was, the same in all outputs: how often, how long
// the worst verdict held, and how long the subject was not healthy.
func HowLong(times int, worst, all time.Duration) string {
	switch {
	case times > 1:
		return fmt.Sprintf("%d times, %s in all", times, Lasting(all))
	case Lasting(worst) != Lasting(all):
		return fmt.Sprintf("for %s of %s", Lasting(worst), Lasting(all))
	}
	return "for " + Lasting(all)
}

func ofSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// mostQuiet is how many quiet Services are named.
const mostQuiet = 4

// OutageText prints the outages: what broke, when and for how long, what triggered
// it and who did that, how it ended, and what to run next.
func OutageText(w io.Writer, l OutageList, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: l.Recording.End}
	number := len(l.Items)
	for i := range l.Items {
		number += len(l.Items[i].Also)
	}
	from := l.Recording.Start.In(p.zone())
	what := "No outage was recorded"
	if number > 0 {
		what = phrase.Quantity(number, "outage")
	}
	p.line("%s, %s %s %s to %s (%s)", p.paint(bold, what), from.Format(time.DateOnly), from.Format(time.TimeOnly), from.Format("MST"), p.clock(l.Recording.End), span(l.Recording.Start, l.Recording.End))
	for n := range l.Items {
		p.outage(&l.Items[n], n == 0)
	}
	if n := len(l.Quiet); n > 0 {
		p.line("")
		names := strings.Join(l.Quiet[:min(n, mostQuiet)], ", ")
		if n > mostQuiet {
			names += fmt.Sprintf(" and %d more", n-mostQuiet)
		}
		p.line("quiet     %s: %s", phrase.Quantity(n, "Service"), Clean(names))
	}
	return p.w.Flush()
}

func (p *printer) outage(i *OutageItem, first bool) {
	p.line("")
	state := p.paint(stateColor(i.State), string(i.State))
	until := "to " + p.clock(i.To)
	if !i.Over {
		until = "until the recording ends"
	}
	p.line("%s %s %s, %s %s", p.paint(bold, path(i.Subject)), state, HowLong(i.Times, ofSeconds(i.WorstSeconds), ofSeconds(i.Seconds)), p.clock(i.From), until)
	p.line("  what      %s", p.say(Undated(i.Headline.Message)))
	if i.Effect != "" {
		p.line("  effect    %s", Clean(i.Effect))
	}
	switch {
	case i.Trigger != nil:
		p.line("  trigger   %s %s", p.clock(i.Trigger.ObservedAt), what(p, i.Trigger))
		p.line("  who       %s", writerName(i.Trigger))
	case i.Explained:
		p.line("  trigger   no recorded change explains it")
	}
	switch {
	case i.Recovery != nil:
		p.line("  recovery  %s %s (%s)", p.clock(i.Recovery.ObservedAt), what(p, i.Recovery), writerName(i.Recovery))
	case i.Explained && i.Over:
		p.line("  recovery  %s without a recorded change", p.clock(i.To))
	case i.Explained:
		p.line("  recovery  none in this recording")
	}
	for _, b := range i.Also {
		p.line("  also      %s %s for %s from %s", path(b.Subject), p.paint(stateColor(b.State), string(b.State)), Lasting(ofSeconds(b.Seconds)), p.clock(b.From))
	}
	if i.Undo != "" {
		p.line("  undo      %s  (as of then)", Clean(i.Undo))
	}
	if i.Then != "" {
		p.line("  then      %s", p.say(i.Then))
	}
	for n, line := range i.Next {
		if n > 0 && !first {
			break
		}
		p.line("  %-9s %s", map[bool]string{true: "next", false: ""}[n == 0], Clean(line))
	}
	if first && len(i.Next) > 0 && i.Subject.Kind == "Service" {
		p.line("  now       %s", Clean(NowCommand(i.Subject)))
	}
}

// OutageWord is one line about an outage, for where there is room for few.
type OutageWord struct{ Name, Text string }

// OutageWords say when an outage was, and who set it off with what.
func OutageWords(i *OutageItem, at time.Time, o Options) []OutageWord {
	p := &printer{o: o, at: at}
	until := "to " + p.clock(i.To)
	if !i.Over {
		until = "until the recording ends"
	}
	words := []OutageWord{{"WHEN   ", fmt.Sprintf("%s %s, %s %s", p.clock(i.From), until, i.State, HowLong(i.Times, ofSeconds(i.WorstSeconds), ofSeconds(i.Seconds)))}}
	switch {
	case i.Trigger != nil:
		words = append(words, OutageWord{"WHO    ", ChangeBrief(i.Trigger, at, o)})
	case i.Explained:
		words = append(words, OutageWord{"WHO    ", "no recorded change explains it"})
	}
	return words
}

// Who says who made a change, the same in all outputs: the user whom an audit log
// names, else the field manager; "" if neither is known.
func Who(c *change.Change) string {
	switch {
	case c.Requester != nil:
		return Clean(c.Requester.String())
	case c.Writer != nil:
		return Clean(c.Writer.Manager)
	}
	return ""
}

// writer is who made a change, in few words.
func writer(c *change.Change) string { return cmp.Or(Who(c), "unknown (see the audit log)") }

// writerName says who made a change.
func writerName(c *change.Change) string { return cmp.Or(Who(c), NobodyKnown) }

// NobodyKnown stands where it is not known who made a change.
const NobodyKnown = "unknown: not in managedFields; the audit log has it"
