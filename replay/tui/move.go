package tui

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// seekTime moves the cursor to an instant.
func (m *Model) seekTime(t time.Time) {
	m.follow = false
	if !t.Before(m.timeline.Info().End) {
		m.end()
		return
	}
	s, err := m.cursor.SeekTime(t)
	m.arrive(s, err)
}

// seek moves the cursor to a position.
func (m *Model) seek(seq store.Seq) {
	m.follow = false
	s, err := m.cursor.Seek(seq)
	m.arrive(s, err)
}

func (m *Model) arrive(s *replay.State, err error) {
	if err != nil {
		m.fail("move", err)
		return
	}
	m.show(s)
}

func (m *Model) start() { m.seekTime(m.timeline.Info().Start) }

func (m *Model) end() {
	s, err := m.cursor.End()
	m.arrive(s, err)
	m.follow = !m.timeline.Info().Closed
}

// atEnd reports whether the cursor stands at the end of the recording.
func (m *Model) atEnd() bool { return !m.at().Before(m.timeline.Info().End) }

// by moves by a duration, as far as there is something.
func (m *Model) by(d time.Duration) {
	info := m.timeline.Info()
	t := m.at().Add(d)
	switch {
	case t.Before(info.Start):
		t = info.Start
		m.say("the recording starts here; , leads to what is known of before")
	case t.After(info.End):
		m.end()
		m.say("the recording ends here")
		return
	}
	m.seekTime(t)
}

// toMoment moves to the next or previous event that matters, however far; before
// the first there is what was reconstructed.
func (m *Model) toMoment(direction int) tea.Cmd {
	if m.inPast() {
		m.stepPast(direction)
		return nil
	}
	seq, i := m.state.Seq(), m.interest[m.subject]
	if direction > 0 {
		found, err := m.next, error(nil)
		if len(found) == 0 {
			found, _, err = m.moments.After(m.horizon, 1, moment.AnyNumber, i)
		}
		switch {
		case err != nil:
			m.fail("look for the next event", err)
		case len(found) == 0:
			m.say("nothing that matters happened after this")
		default:
			m.seek(found[0].Seq)
		}
		return nil
	}
	// An event that lies before the instant is where one is sent first.
	if t, err := m.timeline.TimeOf(max(seq, 1)); err == nil && seq > 0 && !t.Before(m.at()) {
		seq--
	}
	found, err := m.moments.Before(seq, 1, moment.AnyNumber, i)
	switch {
	case err != nil:
		m.fail("look for the previous event", err)
	case len(found) == 0:
		return m.enterPast()
	default:
		m.seek(found[0].Seq)
	}
	return nil
}

// toPercent moves to a share of the recording, by its first digit or in full.
func (m *Model) toPercent(argument string) tea.Cmd {
	if len(argument) == 1 && argument != "0" {
		argument += "0"
	}
	return m.goTo(argument + "%")
}

// goTo moves to what a text of the time grammar says.
func (m *Model) goTo(text string) tea.Cmd {
	if text == "" {
		return nil
	}
	r := when.RangeOf(m.timeline, func() ([]store.Mark, error) { return m.Marks, nil }, m.course)
	r.Zone, r.Cursor, r.Past = m.zones[m.zone], m.at(), m.reach
	if m.Now != nil {
		r.Now = m.Now()
	}
	at, err := when.Parse(text, r)
	if err != nil {
		m.fail("go to", err)
		return nil
	}
	switch {
	case at.Time.Before(r.Start):
		m.enterPastAt(at.Time)
		return nil
	case at.Seq > 0:
		m.seek(at.Seq)
	default:
		m.seekTime(at.Time)
	}
	if !m.failed {
		m.say(fmt.Sprintf("at %s, event #%d", when.Echo(at, m.zones[m.zone]), m.state.Seq()))
	}
	return nil
}

var errNoVerdicts = errors.New("the verdicts are not computed yet")

// course returns the verdicts that verdict:N and incident count: while all Services
// are listed, of the one that was hurt first.
func (m *Model) course() ([]verdict.Segment, error) {
	segments := m.segments()
	if m.subject.Name == "" {
		segments = m.firstHurt()
	}
	if len(segments) == 0 {
		return nil, errNoVerdicts
	}
	return segments, nil
}

// firstHurt returns the verdicts on the Service whose first incident is the earliest,
// else those on any; nil while they are not known.
func (m *Model) firstHurt() []verdict.Segment {
	var found []verdict.Segment
	var first time.Time
	for _, ref := range slices.SortedFunc(maps.Keys(m.all.logs), replay.CompareRefs) {
		segments := m.all.logs[ref].Segments()
		at, err := when.IncidentOf(segments)
		if err == nil && (first.IsZero() || at.Before(first)) {
			found, first, m.wanted = segments, at, ref
		}
		if found == nil {
			found = segments
		}
	}
	return found
}

// setReference makes the cursor's state what D compares with.
func (m *Model) setReference() {
	m.reference = m.state
	m.say("reference set at " + m.clock(m.at()) + "; D shows what is different since then")
}

// nextZone shows times in another zone.
func (m *Model) nextZone() {
	if len(m.zones) == 1 {
		m.say("times are in UTC; --tz gives another zone")
		return
	}
	m.zone = (m.zone + 1) % len(m.zones)
	m.write()
	m.say("times are in " + m.zones[m.zone].String())
}

// speeds are between a quarter and 64 times.
const slowest, fastest = 0.25, 64

func (m *Model) changeSpeed(factor float64) {
	m.player.speed = math.Min(fastest, math.Max(slowest, m.player.speed*factor))
	m.say(fmt.Sprintf("speed %gx", m.player.speed))
}

func (m *Model) setSpeed(text string) tea.Cmd {
	speed, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(speed > 0) {
		m.fail("speed", fmt.Errorf("%q is not a number such as 4 or 0.5", text))
		return nil
	}
	m.player.speed = speed
	m.changeSpeed(1)
	return nil
}

// player plays the recording, many times a second.
type player struct {
	on    bool
	speed float64
	last  time.Time // when it was moved last, by the clock of the ticks
}

// beatMsg moves what moves by itself: the player, and figures of progress.
type beatMsg time.Time

// interval is how often the screen moves while it plays.
const interval = 100 * time.Millisecond

// Nothing happens for longer than idle, as the viewer sees it: then the time
// up to shortly before the next event is skipped.
const idle, lead = 2 * time.Second, 500 * time.Millisecond

// beat asks for the next tick, unless one is under way.
func (m *Model) beat() tea.Cmd {
	if m.beats > 0 {
		return nil
	}
	m.beats++
	return m.tick(interval, func(t time.Time) tea.Msg { return beatMsg(t) })
}

// onBeat does what is due, and goes on while there is more.
func (m *Model) onBeat(now time.Time) tea.Cmd {
	m.beats--
	if !m.player.on {
		if c := m.courses[m.subject]; c != nil && c.busy != nil {
			return m.beat()
		}
		return nil
	}
	passed := interval
	if !m.player.last.IsZero() {
		passed = now.Sub(m.player.last)
	}
	m.player.last = now
	m.play(passed)
	return tea.Batch(m.beat(), m.survey())
}

// play moves the cursor by what passed for the viewer.
func (m *Model) play(passed time.Duration) {
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * m.player.speed) }
	end := m.timeline.Info().End
	t := m.at().Add(scaled(passed))
	due := end
	if len(m.next) > 0 {
		due = m.next[0].At
	} else if at, err := m.timeline.TimeOf(m.horizon); err == nil && m.horizon > m.state.Seq() && m.horizon < m.timeline.Info().Last {
		due = at // nothing up to there
	}
	if due.Sub(t) > scaled(idle) {
		skipped := due.Add(-scaled(lead)).Sub(t)
		t = t.Add(skipped)
		m.say(fmt.Sprintf("skipped %s in which nothing changed", report.Duration(skipped)))
	}
	if !t.Before(end) {
		m.end()
		if !m.live {
			m.player.on = false
			m.say("played to the end")
		}
		return
	}
	m.seekTime(t)
}

// togglePlay plays or pauses; at the end it begins anew.
func (m *Model) togglePlay() tea.Cmd {
	m.player.on = !m.player.on
	m.player.last = time.Time{}
	if !m.player.on {
		return nil
	}
	if m.atEnd() && !m.live {
		m.start()
	}
	return m.beat()
}
