package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/cmd/svcspy/process"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// Open opens the recording a question is put to. The words name its subject, if
// it has one: verdict:N and incident in its times are about that.
func (l *Query) Open(ctx context.Context, file string, words []string) (*store.Recording, error) {
	l.Ctx, l.Words = ctx, words
	process.RelaxGC()
	r, err := l.OpenRecording(file)
	if errors.Is(err, fs.ErrNotExist) {
		for _, word := range words {
			if st, werr := os.Stat(word); werr == nil && st.Mode().IsRegular() {
				return nil, Usage(err, "the recording comes before its subject: "+command.New(word, file).String())
			}
		}
	}
	if err == nil {
		l.WarnOfDamage(file, r)
		l.tellZone(r)
		info := r.Info()
		l.Detail("opened %s: #%d to #%d, %s to %s", report.Clean(bucket.PublicAddress(file)), info.First, info.Last, when.Format(info.Start), when.Format(info.End))
	}
	return r, err
}

// tellZone says in which zone clock times are printed. Where an instant is asked
// for, its echo says so.
func (l *Query) tellZone(t replay.Timeline) {
	zone, err := l.Zone()
	if err != nil || l.Output != "text" || l.At != "" {
		return
	}
	if _, offset := t.Info().End.In(zone).Zone(); offset != 0 {
		l.Note("times are in %s (%s)", zone, t.Info().End.In(zone).Format("-07:00"))
	}
}

// When reads one instant: the one place where a time of a flag is read. From is
// what +90s counts from, zero for the start of the recording.
func (l *Query) When(t replay.Timeline, text string, from time.Time) (when.Instant, error) {
	zone, err := l.Zone()
	if err != nil {
		return when.Instant{}, err
	}
	var course func() ([]verdict.Segment, error)
	if len(l.Words) > 0 {
		course = func() ([]verdict.Segment, error) { return l.verdicts(t) }
	}
	r := when.RangeOf(t, t.Marks, course)
	if course == nil {
		r.Verdict = func(int) (time.Time, error) {
			return time.Time{}, &when.NotThere{Problem: "verdicts are those on a subject, and none is named", Hint: "name one as TYPE/NAME, for example svc/web"}
		}
		r.Incident = func() (time.Time, error) { return l.firstIncident(t) }
	}
	r.Zone, r.Now, r.From = zone, l.Now(), from
	if l.Past {
		r.Past = func() (time.Time, error) { return l.reach(t) }
	}
	return when.Parse(text, r)
}

// verdicts returns the course of the subject, as svcspy timeline shows it.
func (l *Query) verdicts(t replay.Timeline) ([]verdict.Segment, error) {
	info := t.Info()
	ref, err := l.Subject(t, l.Words, info.Last)
	if err != nil {
		return nil, err
	}
	segments, err := verdict.Of(l.Ctx, t, ref, info.Start, info.End)
	return verdict.Settle(segments), Interrupted(l.Ctx, err)
}

// firstIncident returns the first incident of any Service.
func (l *Query) firstIncident(t replay.Timeline) (time.Time, error) {
	bar := l.Counter("Services")
	defer bar.End()
	info := t.Info()
	var first time.Time
	for c, err := range verdict.All(l.Ctx, t, info.Start, info.End, bar.Show) {
		if err != nil {
			return first, Interrupted(l.Ctx, err)
		}
		if l.Namespace != "" && l.Namespace != c.Subject.Namespace {
			continue
		}
		at, err := when.IncidentOf(verdict.Settle(c.Segments))
		if err == nil && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return first, &when.NotThere{Problem: "no Service went from well to unhealthy", Hint: "`" + l.Name + " timeline FILE` shows what each was"}
	}
	return first, nil
}

// state returns the state at an instant; without one, the last that is known.
func (l *Query) state(t replay.Timeline, text string) (*replay.State, error) {
	if err := NotEmpty(t); err != nil {
		return nil, err
	}
	if text == "" {
		return replay.NewCursor(t).End()
	}
	when, err := l.When(t, text, time.Time{})
	if err != nil {
		return nil, err
	}
	return StateAt(t, when)
}

// StateAt returns the state at an instant that was read.
func StateAt(t replay.Timeline, when when.Instant) (*replay.State, error) {
	c := replay.NewCursor(t)
	switch {
	case when.Seq > 0:
		return c.Seek(when.Seq)
	case when.Time.Equal(t.Info().End):
		return c.End()
	}
	return c.SeekTime(when.Time)
}

func NotEmpty(t replay.Timeline) error {
	if info := t.Info(); info.Last == 0 {
		return fmt.Errorf("the recording is empty: nothing was heard before it ended at %s", when.Format(info.End))
	}
	return nil
}

// Seek resolves --at and says on stderr how it was understood.
func (l *Query) Seek(t replay.Timeline) (*replay.State, error) {
	s, err := l.state(t, l.At)
	if err != nil {
		return nil, err
	}
	return s, l.echo("at", s)
}

// echo prints `at 2026-11-23T13:02:00Z (14:02:00 +01:00), event #8812, 340 ms
// old, coverage complete`; in UTC the time stands there once.
func (l *Query) echo(word string, s *replay.State) error {
	zone, err := l.Zone()
	if err != nil {
		return err
	}
	if info := s.Timeline().Info(); s.Instant().Before(info.Start) {
		elsewhere := ""
		if info.Source != nil && !s.Instant().Before(info.Source.Start) {
			elsewhere = "; the one it was cut from has seen this instant"
		}
		l.Note("%s %s, RECONSTRUCTED: the recording starts only %s later, at %s%s", word, when.Echo(when.Instant{Time: s.Instant()}, zone), info.Start.Sub(s.Instant()).Round(time.Millisecond), when.Format(info.Start), elsewhere)
		return nil
	}
	coverage, err := report.CoverageOf(s)
	if err != nil {
		return err
	}
	heard := s.Timeline().Info().Start
	if s.Seq() > 0 {
		if heard, err = s.Timeline().TimeOf(s.Seq()); err != nil {
			return err
		}
	}
	age := s.Instant().Sub(heard).Truncate(time.Millisecond)
	old := age.String()
	if age < time.Second {
		old = fmt.Sprintf("%d ms", age.Milliseconds())
	}
	l.Note("%s %s, event #%d, %s old, coverage %s", word, when.Echo(when.Instant{Time: s.Instant()}, zone), s.Seq(), old, coverage.Status)
	return nil
}

// Range is a question about a recording between two instants.
type Range struct {
	*Query
	Since, Until string
	Flags        [2]string // that name them, if they are not --since and --until
}

// Bounds reads the two instants; +90s as the second counts from the first. What
// was given is repeated on stderr.
func (s *Range) Bounds(t replay.Timeline) (from, to when.Instant, err error) {
	info := t.Info()
	if err := NotEmpty(t); err != nil {
		return from, to, err
	}
	from, to = when.Instant{Time: info.Start}, when.Instant{Time: info.End}
	if s.Since != "" {
		if from, err = s.When(t, s.Since, time.Time{}); err != nil {
			return from, to, err
		}
	}
	if s.Until != "" {
		if to, err = s.When(t, s.Until, from.Time); err != nil {
			return from, to, err
		}
	}
	if to.Time.Before(from.Time) || to.Seq > 0 && to.Seq < from.Seq {
		return from, to, Usage(fmt.Errorf("%s (%s) is before %s (%s)", cmp.Or(s.Flags[1], "--until"), when.Format(to.Time), cmp.Or(s.Flags[0], "--since"), when.Format(from.Time)), "")
	}
	return from, to, s.echoBounds(from, to)
}

func (s *Range) echoBounds(from, to when.Instant) error {
	zone, err := s.Zone()
	if err == nil && (s.Since != "" || s.Until != "") {
		s.Note("from %s to %s", when.Echo(from, zone), when.Echo(to, zone))
	}
	return err
}

// Resolve returns the two instants as times.
func (s *Range) Resolve(t replay.Timeline) (from, to time.Time, err error) {
	first, last, err := s.Bounds(t)
	return first.Time, last.Time, err
}

// Positions returns the last position before the stretch and its last one.
func (s *Range) Positions(t replay.Timeline) (before, last store.Seq, err error) {
	from, to, err := s.Bounds(t)
	if err != nil {
		return 0, 0, err
	}
	if before = from.Seq - min(from.Seq, 1); from.Seq == 0 {
		if before, err = t.SeqAt(from.Time.Add(-time.Microsecond)); err != nil {
			return 0, 0, err
		}
	}
	if last = to.Seq; last == 0 {
		last, err = t.SeqAt(to.Time)
	}
	return before, last, err
}

const TimesHelp = `Every flag that takes an instant reads it in the same way:

  2026-11-23T14:02:00Z        RFC 3339, as svcspy prints what is to be copied
  2026-11-23 14:02 +0200      a day and a time, with or without a zone
  14:02  14:02:10.5Z  2:02pm  that time inside the recording
  14:02 Europe/Berlin         in a zone; else in that of --tz, else in yours
  today 14:02, yesterday 14:02
  3m ago, -5m                 before the end; before now while it is recorded
  +90s                        after the start, or for --until after --since
  now                         the end, while it is recorded
  @1795442520                 seconds since 1970
  start+5m, end-30s, 50%      by where the recording begins and ends
  #8812, rv:91823             the event of that number, or that was first heard
                              in that resourceVersion
  @deploy                     a mark
  verdict:3                   where the third verdict of svcspy timeline begins
  incident                    where the subject, or without one any Service,
                              first went from well to unhealthy

To what names a place in the recording an offset can be added: incident-10s,
#8812+2s, @deploy+1m.

Stderr repeats the instant as understood. A time that is ambiguous, outside the
recording or impossible is an error that lists the alternatives; svcspy never
guesses. An instant between two events shows the state at the earlier one.`

func (a *App) TimesTopic() *cobra.Command {
	return &cobra.Command{Use: "times", Short: "How times are written", Long: TimesHelp}
}

func (s *Range) AddFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.Since, "since", "", "the instant to begin at, such as 14:02 or start+5m (default: the start)")
	flags.StringVar(&s.Until, "until", "", "the instant to end at (default: the end)")
	flags.StringVarP(&s.Namespace, "namespace", "n", "", "namespace of the subject (default: the one that has it)")
}

// Course returns the verdicts on a subject in the whole recording, settled, so
// that what is said of one instant does not depend on where one began to look.
// With an error of the context it returns those so far.
func (s *Range) Course(ctx context.Context, t replay.Timeline, ref store.Ref, raw bool) ([]verdict.Segment, error) {
	info := t.Info()
	segments, err := verdict.Of(ctx, t, ref, info.Start, info.End)
	if !raw {
		segments = verdict.Settle(segments)
	}
	return segments, err
}
