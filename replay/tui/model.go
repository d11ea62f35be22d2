package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Model is the screen. It is one value that is changed in place, by Update
// alone.
type Model struct {
	Options
	actions  []action
	timeline replay.Timeline
	cursor   *replay.Cursor
	jobs     *jobs
	moments  moment.Finder

	width, height int
	zones         []*time.Location
	zone          int // which of zones

	state    *replay.State
	envelope report.Envelope // of the subject, or of no report while Services are listed
	text     []string        // the report as lines, the first is its title
	gaps     []string        // resources that were not listened to and matter
	objects  []object
	past     []*moment.Moment // at or before the cursor, in order
	next     []*moment.Moment
	horizon  store.Seq                      // up to which next was looked for
	interest map[store.Ref]*moment.Interest // of each subject

	subject store.Ref   // no name: all Services are listed
	trail   []store.Ref // subjects to go back to
	list    list
	wanted  store.Ref // the Service to choose when they are listed anew
	courses map[store.Ref]*course
	all     courses
	stories map[told]*explanationText
	// accounts are the outages of Services; nil while they are being found out.
	accounts   map[store.Ref]*account
	recounting bool   // one is being found out
	noisy      bool   // show what controllers wrote, too
	layout     layout // of what was drawn last, for the mouse
	unmoused   bool   // the terminal keeps the mouse
	searching  bool   // a search through time is under way
	writesTo   store.Seq

	pane      pane         // which has the arrows
	scroll    int          // of the report
	chosen    int          // object
	event     int          // how many rows from the cursor's own
	unwritten []store.Mark // marks that wait for the recorder to end
	page      *page
	prompt    *prompt
	filter    string
	reference *replay.State // set with R

	pasts map[store.Ref]*factsPane
	ago   int // which of the facts is shown, 1 the last; 0 while the recording is

	player player
	follow bool // stay at the end of a recording that grows
	live   bool // it may still grow
	grew   bool // and has, since it was opened
	beats  int  // ticks that are under way

	tried     map[string]bool // names of the actions that were carried out
	message   string          // what the last key had to say
	failed    bool            // it is a failure
	writes    []row           // what people and tools wrote, for :changes
	writesErr error
	tick      func(time.Duration, func(time.Time) tea.Msg) tea.Cmd
}

// pane is a part of the screen that takes arrows.
type pane int

const (
	paneReport pane = iota
	paneObjects
	paneEvents
	panes
)

// grownMsg says that the recording has grown, or why it will not.
type grownMsg struct{ err error }

// New returns the screen of a state. Close it.
func New(ctx context.Context, o Options) (*Model, error) {
	if o.At == nil {
		return nil, errors.New("show a recording: no state to begin with")
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Speed <= 0 {
		o.Speed = 1
	}
	t := o.At.Timeline()
	m := &Model{
		Options: o, actions: allActions(), timeline: t, cursor: replay.NewCursor(t), jobs: newJobs(ctx), moments: moment.Finder{Timeline: t, Limit: moment.MaxPlaces},
		width: 80, height: 24, zones: []*time.Location{o.Zone}, subject: o.Subject,
		interest: map[store.Ref]*moment.Interest{}, courses: map[store.Ref]*course{}, stories: map[told]*explanationText{}, accounts: map[store.Ref]*account{}, pasts: map[store.Ref]*factsPane{}, tried: map[string]bool{}, player: player{speed: o.Speed}, tick: tea.Tick,
	}
	m.Marks = slices.Clone(o.Marks)
	m.sortMarks()
	if !isUTC(o.At.Instant().In(o.Zone)) {
		m.zones = append(m.zones, time.UTC)
	}
	if m.subject.Name == "" {
		m.pane = paneObjects
	}
	m.show(o.At)
	m.live = !t.Info().Closed
	m.follow = m.live && m.atEnd()
	return m, nil
}

// Close ends what goes on in the background and waits for it.
func (m *Model) Close() { m.jobs.dismiss() }

// Init begins what is done in the background.
func (m *Model) Init() tea.Cmd {
	return tea.Batch(m.compute(), m.survey(), m.await(), m.remember())
}

// await waits for the recording to grow.
func (m *Model) await() tea.Cmd {
	info := m.timeline.Info()
	if info.Closed {
		return nil
	}
	return m.jobs.do(func(ctx context.Context) tea.Msg { return grownMsg{m.timeline.Wait(ctx, info.Last)} })
}

// Update moves the screen by one message.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.write()
	case tea.KeyPressMsg:
		if m.prompt != nil {
			return m, m.typed(msg)
		}
		return m, m.press(msg.String())
	case tea.PasteMsg:
		if m.prompt != nil {
			return m, m.typed(msg)
		}
	case tea.MouseClickMsg:
		return m, m.click(msg.Mouse())
	case tea.MouseWheelMsg:
		return m, m.wheel(msg.Mouse())
	case accountMsg:
		return m, m.recounted(msg)
	case hitMsg:
		return m, m.hit(msg)
	case writesMsg:
		m.writes, m.writesErr = msg.rows, msg.err
	case beatMsg:
		return m, m.onBeat(time.Time(msg))
	case courseMsg:
		return m, m.learn(msg)
	case coursesMsg:
		return m, m.learnAll(msg)
	case listMsg:
		return m, m.listed(msg)
	case panicMsg:
		panic(fmt.Sprintf("%v\n%s", msg.value, msg.stack))
	case pastMsg:
		return m, m.remembered(msg)
	case savedMsg:
		m.saved(msg)
	case storyMsg:
		m.stories[msg.told] = &explanationText{lines: msg.lines, err: msg.err}
	case grownMsg:
		return m, m.grown(msg.err)
	}
	return m, nil
}

// grown takes up that there is more.
func (m *Model) grown(err error) tea.Cmd {
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case errors.Is(err, io.EOF):
		m.ended()
		return m.survey()
	case err != nil:
		m.live = false
		m.fail("follow the recording", err)
		return nil
	}
	m.grew = true
	if m.timeline.Info().Closed { // what was new is the end
		m.ended()
		return tea.Batch(m.survey(), m.beginPage())
	}
	if m.follow {
		m.end()
	}
	return tea.Batch(m.await(), m.survey(), m.beginPage())
}

// ended takes up that nobody writes the recording any more.
func (m *Model) ended() {
	m.live = false
	if m.follow { // what comes last says that the recorder stopped
		m.end()
	}
	m.follow = false
	switch kept, err := m.keepMarks(); {
	case err != nil:
		m.fail("keep the marks", err)
	case !m.timeline.Info().Closed:
		m.say("the recording was never sealed: it ends where its recorder stopped writing")
	case kept > 0:
		m.say(fmt.Sprintf("the recording has ended and is sealed; marks written into it: %d", kept))
	case m.grew:
		m.say("the recording has ended and is sealed")
	}
}

// at is the instant of the cursor.
func (m *Model) at() time.Time { return m.state.Instant() }

// show moves the screen to a state.
func (m *Model) show(s *replay.State) {
	m.state = s
	m.event, m.ago = 0, 0
	m.examine()
}

// examine looks at the subject in the state, anew.
func (m *Model) examine() {
	var r analyzer.Report
	m.gaps, m.objects, m.text = nil, nil, nil
	if m.subject.Name == "" {
		m.mind(moment.OfServices())
	} else {
		var w *moment.View
		r, w = moment.Diagnose(m.state, m.subject)
		m.date(&r)
		m.mind(w)
		m.objects = objectsOf(m.state, m.subject, &r, w)
	}
	e, err := report.New(m.state, r)
	if err != nil {
		m.fail("read the coverage", err)
	}
	m.envelope = e
	for _, g := range e.Coverage.Gaps {
		if g.Status == store.Gap && m.concerns(g) {
			m.gaps = append(m.gaps, g.Resource)
		}
	}
	m.write()
	m.chosen = min(m.chosen, max(len(m.objects)-1, 0))
	if err := m.state.Err(); err != nil {
		m.fail("read the recording", err)
	}
	m.around()
}

// date dates a report at the cursor by the timeline of the subject.
func (m *Model) date(r *analyzer.Report) { m.dateAt(r, m.at()) }

// dateAt dates a report at an instant by the timeline of the subject, once that
// is known up to there.
func (m *Model) dateAt(r *analyzer.Report, at time.Time) {
	c := m.courses[m.subject]
	if c == nil || c.until.Before(at) {
		return
	}
	for i := range slices.Backward(c.segments) {
		if !c.segments[i].From.After(at) {
			verdict.DateIn(r, c.segments, i, m.timeline.Info().Start, at)
			return
		}
	}
}

// mind takes up what was looked at for the subject.
func (m *Model) mind(w *moment.View) {
	i := m.interest[m.subject]
	if i == nil {
		i = moment.NewInterest()
		m.interest[m.subject] = i
	}
	i.Add(w)
}

func (m *Model) concerns(g report.Gap) bool {
	return slices.ContainsFunc(m.interest[m.subject].Covered, func(s moment.Stream) bool {
		return s.Resource.GroupResource().String() == g.Resource && (g.Namespace == "" || s.Namespace == "" || s.Namespace == g.Namespace)
	})
}

// shownPast and shownNext are how many moments before and after the cursor are
// looked for, and unread is at how many places of which it is not known what
// happened: drawing must not wait for a search through the whole recording. Keys
// that ask for more search on.
const shownPast, shownNext, unread = 40, 12, 64

// around finds what happened around the cursor.
func (m *Model) around() {
	seq, i := m.state.Seq(), m.interest[m.subject]
	var err error
	if m.past, err = m.moments.Before(seq, shownPast, unread, i); err == nil {
		m.next, m.horizon, err = m.moments.After(seq, shownNext, unread, i)
	}
	if err != nil {
		m.fail("read what changed", err)
	}
}

// write prints the report to lines.
func (m *Model) write() {
	if m.subject.Name == "" {
		return
	}
	e := m.envelope
	e.Endpoints.Items = nil // they have a pane of their own
	e.Next = nil            // the summary has it
	m.text = m.print(func(w io.Writer, o report.Options) error {
		o.Brief = m.height < spacious
		return report.Text(w, e, o)
	})
}

// print returns what a printer of package report prints, as lines.
func (m *Model) print(printer func(io.Writer, report.Options) error) []string {
	return printed(printer, m.textOptions())
}

func (m *Model) textOptions() report.Options {
	return report.Options{Color: true, ASCII: m.ASCII, Zone: m.zones[m.zone]}
}

// spacious is how high a screen must be for the report to come with its
// evidence; on others e shows that.
const spacious = 36

func printed(printer func(io.Writer, report.Options) error, o report.Options) []string {
	var b bytes.Buffer
	if err := printer(&b, o); err != nil {
		return []string{report.Clean(err.Error())}
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

// say shows a remark until the next key.
func (m *Model) say(text string) { m.message, m.failed = report.Clean(text), false }

// fail shows what did not work.
func (m *Model) fail(what string, err error) {
	text := what + ": " + err.Error()
	if when := (*when.Error)(nil); errors.As(err, &when) && when.Hint != "" {
		hint, _, _ := strings.Cut(when.Hint, "\n")
		text += "; " + hint
	}
	m.message, m.failed = report.Clean(text), true
}

// press carries out a key.
func (m *Model) press(key string) tea.Cmd {
	m.message = ""
	for i := range m.actions {
		if slices.Contains(m.actions[i].keys, key) {
			return m.carryOut(&m.actions[i], digit(key))
		}
	}
	m.say("no key " + key + "; ? shows the keys")
	return nil
}

// carryOut does what an action says, and then what follows from any move.
func (m *Model) carryOut(a *action, argument string) tea.Cmd {
	state, subject := m.state, m.subject
	m.tried[a.name] = true
	cmd := a.do(m, argument)
	if m.state == state && m.subject == subject {
		return cmd
	}
	return tea.Batch(cmd, m.survey(), m.beginPage())
}

// newInput returns an empty line to type in.
func newInput(sign string, suggestions []string) textinput.Model {
	in := textinput.New()
	in.Prompt = sign
	in.ShowSuggestions = len(suggestions) > 0
	in.SetSuggestions(suggestions)
	in.SetStyles(textinput.Styles{})
	in.SetVirtualCursor(false) // the terminal's own needs no ticks to blink
	in.Focus()
	return in
}
