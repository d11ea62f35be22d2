package flight

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// Session is one recording in progress. Path and Writer are needed.
type Session struct {
	Path   string
	Writer *store.Writer
	Ring   *Ring         // nil: everything is kept
	Watch  *VerdictWatch // nil: no verdict is followed
	Now    func() time.Time
	// Say and Warn print a line for the user of the recorder. The text may hold
	// words of the cluster. They are called from several goroutines.
	Say, Warn func(format string, args ...any)
	// Saver, unless nil, is what Keep does instead.
	Saver func(why string) (path, remark string)

	sink    *noticeWriter
	control error // why Requests are not answered
}

// Run records until ctx ends or a Condition of Watch ends it, and returns what
// recorder.Run returned. Beside it the verdicts are followed and Requests
// answered; when Run returns, all of that has ended.
func (s *Session) Run(ctx context.Context, o recorder.Options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if s.Ring != nil {
		s.sink = s.Ring.noticeWriter
		o.Sink = s.Ring
	} else {
		s.sink = &noticeWriter{Writer: s.Writer}
		o.Sink = s.sink
	}
	ready := make(chan struct{})
	o.Ready = func() {
		s.Say("listening")
		close(ready)
	}
	var beside sync.WaitGroup
	if w := s.Watch; w != nil {
		s.connect(w, stop)
		if w.references != nil {
			o.Follow = w.references.Targets
		}
		beside.Go(func() {
			select {
			case <-ready:
				w.run(ctx)
			case <-ctx.Done():
			}
		})
	}
	quiet, err := s.Answer()
	if s.control = err; err != nil {
		s.Warn("%v; `svcspy keep` and `svcspy mark` do not work, SIGUSR1 does", err)
	}
	err = recorder.Run(ctx, o)
	stop()
	quiet()
	beside.Wait()
	return err
}

// Answer answers Requests until stop is called, which waits for the last one.
// Run does it by itself.
func (s *Session) Answer() (stop func(), err error) {
	c, err := newControl(s.Path, s.reply)
	if err != nil {
		return func() {}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	open.Go(func() { c.run(ctx, s.Path) })
	return func() {
		cancel()
		open.Wait()
	}, nil
}

// connect tells the watch what to do.
func (s *Session) connect(w *VerdictWatch, stop func()) {
	w.now = s.Now
	if w.open == nil {
		w.open = func() (liveRecording, error) {
			r, err := store.Open(s.Path)
			if err != nil {
				return nil, err
			}
			return r, nil
		}
	}
	if s.Ring != nil {
		w.keep = s.Ring.keepIfRoom
	}
	w.ended = func(why string) {
		s.Say("stopping: %s", why)
		stop()
	}
	w.lost = func(err error) {
		s.sink.note(fmt.Sprintf("conditions are not followed: %v", err))
		s.Warn("the recording cannot be read, so conditions are not followed: %v; recording goes on, and it is tried again", err)
	}
	w.found = func(since time.Time, blind time.Duration) {
		s.sink.note(fmt.Sprintf("conditions are followed again; they were not for %s", blind.Round(time.Second/10)))
		s.Warn("conditions are followed again; they were not from %s on, for %s", when.Format(since.Truncate(time.Second)), blind.Round(time.Second/10))
	}
}

// Lapse says, once Run has returned, for how long Conditions were not followed
// although they can be now; "" if they always were.
func (s *Session) Lapse() string {
	if s.Watch == nil {
		return ""
	}
	s.Watch.mu.Lock()
	defer s.Watch.mu.Unlock()
	b := s.Watch.blind
	if b.times == 0 || !b.since.IsZero() {
		return ""
	}
	return fmt.Sprintf("conditions were not followed for %s in all (%d times, last because of: %v)", b.total.Round(time.Second/10), b.times, b.err)
}

// Err returns, once Run has returned, what did not work in the end although
// recording went on.
func (s *Session) Err() error {
	if s.Watch == nil {
		return s.control
	}
	return errors.Join(s.Watch.err(), s.control)
}

// Keep has the Ring save its window, and returns where and a remark.
func (s *Session) Keep(why string) (path, remark string) {
	if s.Saver != nil {
		return s.Saver(why)
	}
	path, remark = s.Path, "it is no flight recorder: everything is kept"
	if s.Ring != nil {
		var until time.Time
		path, until = s.Ring.Keep(why)
		remark = "what follows is kept until " + when.Format(until.Truncate(time.Second))
	} else {
		s.Say("everything is kept, as there is no --ring: %s", why)
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path, remark
}

// Note writes a notice of the recorder about itself into the ledger, with the next
// commit. It may be called while Run runs.
func (s *Session) Note(text string) { s.sink.note(text) }

// Seal saves what the Ring is to save, and seals. Run must have returned.
func (s *Session) Seal() (store.Info, error) {
	var kept error
	if s.Ring != nil {
		kept = s.Ring.finish()
	}
	now := s.Now()
	if s.sink != nil {
		kept = errors.Join(kept, s.sink.flush(now))
	}
	info, err := s.Writer.Seal(now)
	if err != nil {
		err = fmt.Errorf("seal: %w", err)
	}
	return info, errors.Join(err, kept)
}

// reply does what another process asks for.
func (s *Session) reply(q Request) Response {
	switch {
	case q.Verb == Keep:
		path, remark := s.Keep("asked for by svcspy keep")
		return Response{Path: path, Remark: remark}
	case q.Verb == Mark && q.Mark != nil:
		if q.Mark.Time.IsZero() {
			q.Mark.Time = s.Now().UTC().Truncate(time.Microsecond)
		}
		err := CheckMark(*q.Mark)
		if err == nil {
			err = s.Writer.Mark(*q.Mark)
		}
		if err != nil {
			return Response{Error: err.Error()}
		}
		s.Say("marked %s: %s", when.Format(q.Mark.Time), q.Mark.Text)
		return Response{Time: q.Mark.Time}
	}
	return Response{Error: "this recorder does not know what that asks for"}
}

// longestMark is how many bytes the text of a mark may have: it is a remark, not
// a report.
const longestMark = 4096

// CheckMark returns a UsageError for what is not a remark.
func CheckMark(m store.Mark) error {
	switch {
	case m.Text == "":
		return &UsageError{"the text of the mark is empty", "svcspy mark FILE lists the marks there are"}
	case len(m.Text) > longestMark || len(m.Author) > longestMark:
		return &UsageError{"the mark is longer than 4096 bytes", "put what is longer into the postmortem"}
	case !utf8.ValidString(m.Text) || !utf8.ValidString(m.Author):
		return &UsageError{"the mark is not valid UTF-8", ""}
	}
	return nil
}
