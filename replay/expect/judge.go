package expect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Outcome says whether an expectation came true.
type Outcome string

// Outcomes.
const (
	Passed    Outcome = "passed"
	Failed    Outcome = "failed"
	Undecided Outcome = "undecided" // what would decide it was not recorded
)

// Result is what became of an expectation.
type Result struct {
	Expectation
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason"` // one sentence
	From    time.Time `json:"from"`   // the time it was held against
	To      time.Time `json:"to"`
	// Stretches are what decided it, in order, at most maxStretches.
	Stretches []Stretch `json:"stretches"`
	More      int       `json:"more,omitempty"` // stretches that are left out
}

const maxStretches = 20

// Stretch is a time with one verdict.
type Stretch struct {
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Seq      store.Seq      `json:"seq"` // the event with which it began
	State    analyzer.State `json:"state"`
	Headline string         `json:"headline,omitempty"` // id of the diagnosis
	Message  string         `json:"message,omitempty"`
	Gap      string         `json:"gap,omitempty"` // what was not listened to, though the verdict rests on it
}

// Times reads instants of expectations.
type Times func(text string) (when.Instant, error)

// Judge holds the verdicts of a subject against an expectation about it. Segments
// are raw, in order, of the whole recording. The error is about the times of the
// expectation.
func Judge(e Expectation, segments []verdict.Segment, times Times) (Result, error) {
	r := Result{Expectation: e, Outcome: Passed, Stretches: []Stretch{}}
	if len(segments) == 0 {
		r.Outcome, r.Reason = Undecided, "nothing was recorded"
		return r, nil
	}
	r.From, r.To = segments[0].From, segments[len(segments)-1].To
	for i := range segments { // the recorder looks around first
		if segments[i].Report.Verdict.State != analyzer.Unknown {
			r.From = segments[i].From
			break
		}
	}
	for _, bound := range []struct {
		text string
		at   *time.Time
	}{{e.After, &r.From}, {e.Before, &r.To}} {
		if bound.text == "" {
			continue
		}
		if state, ok := stateOf(bound.text); ok {
			i := slices.IndexFunc(segments, func(s verdict.Segment) bool {
				return s.Report.Verdict.State == state && s.To.After(r.From)
			})
			if i < 0 {
				r.Outcome, r.Reason = Failed, fmt.Sprintf("it never was %s, so there is no time to look at", state)
				return r, nil
			}
			*bound.at = later(segments[i].From, r.From)
			continue
		}
		instant, err := times(bound.text)
		if err != nil {
			return r, err
		}
		*bound.at = instant.Time
	}
	if r.To.Before(r.From) {
		return r, &SyntaxError{fmt.Sprintf("expectation %q: it ends at %s, before it begins at %s", e.String(), when.Format(r.To), when.Format(r.From)), "give the times in order"}
	}
	switch e.Quantifier {
	case Never, Always:
		r.throughout(segments)
	case Eventually:
		r.eventually(segments)
	case Finally:
		r.finally(segments)
	}
	return r, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// meant reports whether a segment is of the states, and of the diagnosis, that the
// expectation names.
func (e *Expectation) meant(s *verdict.Segment) bool {
	return slices.Contains(e.States, s.Report.Verdict.State) && (e.Because == "" || s.Report.Headline.ID == e.Because)
}

// open reports whether a segment decides nothing: the verdict is Unknown, and that
// is not what is expected.
func (e *Expectation) open(s *verdict.Segment) bool {
	return s.Report.Verdict.State == analyzer.Unknown && !slices.Contains(e.States, analyzer.Unknown)
}

// in yields the segments of the time looked at, cut to it.
func (r *Result) in(segments []verdict.Segment) []verdict.Segment {
	var in []verdict.Segment
	for _, s := range segments {
		instant := s.From.Equal(s.To)
		if s.From.Before(r.From) {
			s.From = r.From
		}
		if s.To.After(r.To) {
			s.To = r.To
		}
		// With what the recording ends may have no length.
		if s.To.After(s.From) || instant && s.From.Equal(r.To) {
			in = append(in, s)
		}
	}
	return in
}

func (r *Result) add(segments ...verdict.Segment) {
	for i := range segments {
		if len(r.Stretches) == maxStretches {
			r.More++
			continue
		}
		s := &segments[i]
		r.Stretches = append(r.Stretches, Stretch{s.From, s.To, s.Seq, s.Report.Verdict.State, s.Report.Headline.ID, s.Report.Headline.Message, s.Gap})
	}
}

// throughout judges never and always: stretches that must not be, one after the
// other, may last as long as the tolerance in all.
func (r *Result) throughout(segments []verdict.Segment) {
	bad := func(s *verdict.Segment) bool {
		return !r.open(s) && r.meant(s) == (r.Quantifier == Never)
	}
	over := func(run []verdict.Segment) bool {
		if len(run) == 0 {
			return false
		}
		length := run[len(run)-1].To.Sub(run[0].From)
		return length > r.Tolerance || r.Tolerance == 0
	}
	in := r.in(segments)
	count, undecided, longest := 0, []verdict.Segment(nil), time.Duration(0)
	var run, doubtful []verdict.Segment
	end := func() {
		if over(run) {
			count++
			longest = max(longest, run[len(run)-1].To.Sub(run[0].From))
			r.add(run...)
		}
		run = nil
	}
	endDoubt := func() {
		if over(doubtful) && slices.ContainsFunc(doubtful, func(s verdict.Segment) bool { return r.open(&s) }) {
			undecided = append(undecided, doubtful...)
		}
		doubtful = nil
	}
	for i := range in {
		s := &in[i]
		if bad(s) {
			run = append(run, *s)
		} else {
			end()
		}
		if bad(s) || r.open(s) {
			doubtful = append(doubtful, *s)
		} else {
			endDoubt()
		}
	}
	end()
	endDoubt()
	switch {
	case count > 0:
		r.Outcome = Failed
		r.Reason = fmt.Sprintf("it was not so %d times, at the longest for %s", count, longest.Round(time.Millisecond))
		if count == 1 {
			r.Reason = fmt.Sprintf("it was not so for %s", longest.Round(time.Millisecond))
		}
	case len(undecided) > 0:
		r.Outcome, r.Reason = Undecided, "for some of the time the verdict is Unknown"
		r.add(undecided...)
	default:
		r.Reason = "it was so all the time"
	}
}

// eventually judges whether a state is reached.
func (r *Result) eventually(segments []verdict.Segment) {
	limit := r.To
	if r.Within > 0 && r.From.Add(r.Within).Before(limit) {
		limit = r.From.Add(r.Within)
	}
	in := r.in(segments)
	var open []verdict.Segment
	for i := range in {
		s := &in[i]
		if s.From.After(limit) {
			break
		}
		if r.meant(s) {
			r.add(*s)
			r.Reason = fmt.Sprintf("it was so after %s", s.From.Sub(r.From).Round(time.Millisecond))
			return
		}
		if r.open(s) {
			open = append(open, *s)
		}
	}
	switch {
	case len(open) > 0:
		r.Outcome, r.Reason = Undecided, "it was not seen, and for some of the time the verdict is Unknown"
		r.add(open...)
	case r.Within > 0 && r.From.Add(r.Within).After(r.To):
		r.Outcome, r.Reason = Undecided, fmt.Sprintf("it was not seen in %s, when the time that was recorded ends", r.To.Sub(r.From).Round(time.Millisecond))
	default:
		r.Outcome, r.Reason = Failed, fmt.Sprintf("it was not so within %s", limit.Sub(r.From).Round(time.Millisecond))
		r.add(in[max(0, len(in)-1):]...)
	}
}

// finally judges the last instant.
func (r *Result) finally(segments []verdict.Segment) {
	in := r.in(segments)
	if len(in) == 0 {
		r.Outcome, r.Reason = Undecided, "nothing was recorded in that time"
		return
	}
	last := &in[len(in)-1]
	r.add(*last)
	switch {
	case r.open(last):
		r.Outcome, r.Reason = Undecided, "in the end the verdict is Unknown"
	case r.meant(last):
		r.Reason = fmt.Sprintf("in the end it is %s", last.Report.Verdict.State)
	default:
		r.Outcome, r.Reason = Failed, fmt.Sprintf("in the end it is %s", last.Report.Verdict.State)
	}
}

// Alert is a condition that an alert could have watched.
type Alert struct {
	Expectation               // Subject, States; Quantifier is never
	Condition   string        // as it was written
	For         time.Duration // how long it must hold before it fires
}

// Firing is one time an alert would have fired.
type Firing struct {
	At       time.Time `json:"at"`
	Pending  time.Time `json:"pending"` // when the condition began to hold
	Resolved time.Time `json:"resolved,omitzero"`
}

// Firings returns when an alert would have fired, and the longest time for which
// its condition held without that.
func (a *Alert) Firings(segments []verdict.Segment) (fired []Firing, longest time.Duration) {
	var begin time.Time
	end := func(at time.Time, over bool) {
		if begin.IsZero() {
			return
		}
		if held := at.Sub(begin); held >= a.For {
			f := Firing{At: begin.Add(a.For), Pending: begin}
			if over {
				f.Resolved = at
			}
			fired = append(fired, f)
		} else {
			longest = max(longest, held)
		}
		begin = time.Time{}
	}
	for i := range segments {
		switch s := &segments[i]; {
		case !a.meant(s):
			end(s.From, true)
		case begin.IsZero():
			begin = s.From
		}
	}
	if n := len(segments); n > 0 {
		end(segments[n-1].To, false)
	}
	return fired, longest
}

// Of judges expectations about one timeline. Subjects finds what the words of an
// expectation name. Verdicts on a subject are computed once.
func Of(ctx context.Context, t replay.Timeline, all []Expectation, subject func(words string) (store.Ref, error), times func(ref store.Ref) Times) ([]Result, error) {
	courses := map[store.Ref][]verdict.Segment{}
	info := t.Info()
	var results []Result
	for _, e := range all {
		ref, err := subject(e.Subject)
		if err != nil {
			return nil, err
		}
		segments, ok := courses[ref]
		if !ok {
			if segments, err = verdict.Of(ctx, t, ref, info.Start, info.End); err != nil {
				return nil, err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			courses[ref] = segments
		}
		r, err := Judge(e, segments, times(ref))
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}
