package importer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

// Sink is where a recording goes. *store.Writer and *store.Memory are sinks.
type Sink interface {
	Append(store.Event) (store.Seq, error)
	Cover(store.Coverage) (store.Seq, error)
	Describe([]metav1.APIResource) error
	Commit(now time.Time) error
	Pending() int
}

// Options say what to import and how.
type Options struct {
	Sources []string
	Formats []Format // that are tried, in this order
	As      string   // name of the only Format to try; "" tries all
	Stdin   io.Reader
	Policy  *redact.Policy // gate A; nil writes everything as it is
	Dir     string         // folder of the temporary file
	// Omits says why some writes of a resource in a namespace, or ("") in any, are not
	// in the audit log; nil if nobody knows.
	Omits func(resource schema.GroupResource, namespace string) string
	// Requests takes only who asked for what: what was written is dropped.
	Requests bool
	// Progress is called now and then, from one goroutine at a time, with the bytes
	// that were read so far.
	Progress func(bytes int64)
}

// Evidence is what was read, sorted, and what it proves. It must be closed.
type Evidence struct {
	Explanation Explanation
	options     *Options
	spool       *spool
	plan        *plan
}

// ErrNothing is returned if no source has anything to import.
var ErrNothing = errors.New("nothing to import was found")

// ErrMixed is returned for etcd snapshots beside other sources.
var ErrMixed = errors.New("an etcd snapshot is imported by itself")

// ErrFormat is returned for a source that no format reads.
var ErrFormat = errors.New("the format is not known")

// Read reads the sources, and finds out what they prove. Nothing unredacted is
// written anywhere.
func Read(ctx context.Context, o *Options) (*Evidence, error) {
	s, err := newSpool(o.Dir)
	if err != nil {
		return nil, err
	}
	pass := &firstPass{policy: o.Policy, requests: o.Requests, spool: s, summary: &summary{holes: map[Hole]int{}}}
	e := &Evidence{options: o, spool: s}
	if err := e.read(ctx, pass); err != nil {
		return nil, errors.Join(err, s.close())
	}
	e.plan = newPlan(pass)
	e.plan.omits = o.Omits
	for r, err := range ordered(s.all()) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		e.plan.take(&r)
	}
	e.plan.settle()
	if e.plan.all.from.IsZero() || len(e.plan.resources) == 0 {
		return nil, errors.Join(pass.nothing(), s.close())
	}
	e.Explanation = e.plan.explain(pass.summary)
	return e, nil
}

// nothing is ErrNothing with the first of the holes.
func (p *firstPass) nothing() error {
	if holes := p.summary.list(); len(holes) > 0 {
		return fmt.Errorf("%w: %s", ErrNothing, holes[0])
	}
	return ErrNothing
}

// Close removes the temporary file.
func (e *Evidence) Close() error { return e.spool.close() }

func (e *Evidence) read(ctx context.Context, pass *firstPass) error {
	var total int64
	read := func(n int) {
		total += int64(n)
		if e.options.Progress != nil {
			e.options.Progress(total)
		}
	}
	files, number := 0, 0
	for _, source := range e.options.Sources {
		known := 0
		err := walk(ctx, source, e.options.Stdin, read, func(f *file) error {
			number++
			body := bufio.NewReaderSize(f.body, 128<<10)
			head, err := body.Peek(64 << 10)
			if len(head) == 0 {
				if err != nil && !errors.Is(err, io.EOF) {
					pass.summary.hole(f.path, "it cannot be read: "+err.Error(), 1)
				}
				return ctx.Err()
			}
			format := e.formatOf(f.path, head)
			if format == nil {
				pass.summary.skip(f.path)
				return nil
			}
			known++
			in := &Input{Path: f.path, Modified: f.modified, Disk: f.disk, Body: body, Source: number, ctx: ctx, pass: pass}
			err = format.Read(in)
			pass.base += in.units + 2
			pass.summary.read(format.Name)
			if err := ctx.Err(); err != nil {
				return err
			}
			var broken *spoolError
			if errors.As(err, &broken) {
				return err
			}
			if err != nil {
				pass.summary.hole(f.path, "it cannot be read to its end: "+err.Error(), 1)
			}
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && known > 0:
			pass.summary.hole(source, "it cannot be read to its end: "+err.Error(), 1)
		case err != nil:
			return fmt.Errorf("read %s: %w", source, err)
		case known == 0:
			return fmt.Errorf("read %s: %w", source, ErrFormat)
		}
		files += known
	}
	if err := pass.finish(ctx); err != nil {
		return err
	}
	if n := len(pass.histories); n > 1 || n == 1 && len(pass.summary.formats) > 1 {
		return ErrMixed
	}
	if len(pass.spool.runs) == 0 {
		return pass.nothing()
	}
	return nil
}

func (e *Evidence) formatOf(path string, head []byte) *Format {
	for i := range e.options.Formats {
		f := &e.options.Formats[i]
		if e.options.As == f.Name || e.options.As == "" && f.Match(path, head) {
			return f
		}
	}
	return nil
}

// spoolError is an error of the temporary file, which ends everything.
type spoolError struct{ error }

func (e *spoolError) Unwrap() error { return e.error }

// summary counts what was read. Its methods may be called concurrently.
type summary struct {
	mu      sync.Mutex
	holes   map[Hole]int // Count is 0 in the keys
	formats []string
	skipped int
	example string // of what was skipped
}

// mostHoles is how many different holes are told apart.
const mostHoles = 1000

func (s *summary) hole(path, reason string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := Hole{Path: path, Reason: reason}
	if _, known := s.holes[key]; !known && len(s.holes) >= mostHoles {
		key = Hole{Path: "other files", Reason: "further holes"}
	}
	s.holes[key] += n
}

func (s *summary) skip(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.skipped++; s.example == "" {
		s.example = path
	}
}

func (s *summary) read(format string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.formats, format) {
		s.formats = append(s.formats, format)
	}
}

func (s *summary) list() []Hole {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Hole, 0, len(s.holes)+1)
	for h, n := range s.holes {
		h.Count = n
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b Hole) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	if s.skipped > 0 {
		all = append(all, Hole{Path: path.Dir(s.example), Reason: fmt.Sprintf("files of no known format, such as %s", path.Base(s.example)), Count: s.skipped})
	}
	return all
}
