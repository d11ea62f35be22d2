package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

// Format reads one kind of source.
type Format struct {
	Name  string // what --as takes
	Title string // what it is, in a few words
	// Match reports whether a file looks like one. Head is its beginning, up to
	// 64 KiB.
	Match func(path string, head []byte) bool
	// Read sends what the file says. An error is a file that cannot be read to
	// its end: what was sent before stays, and the error becomes a hole.
	Read func(in *Input) error
}

// Input is one file that is read, and where its records go.
type Input struct {
	Path     string
	Modified time.Time // zero if that is not known
	Disk     string    // where the file lies as it is; "" if it was packed
	Body     *bufio.Reader
	Source   int // number of the file

	ctx   context.Context
	pass  *firstPass
	units uint64 // so far
}

// Output takes what one worker finds. It is not safe for concurrent use.
type Output struct {
	in      *Input
	run     *run
	order   uint64
	err     error
	scratch []byte
	minutes map[int64]bool // in which the audit log says something
	alive   stretch
}

// maxUnit is the longest line or JSON value that is taken: the largest object and
// what a log wraps around it.
const maxUnit = 96 << 20

// Record sends a record, without its secrets. What cannot be redacted is not
// taken. The bytes of Object may be used again after return.
func (o *Output) Record(r Record) {
	if o.err != nil {
		return
	}
	policy := o.in.pass.policy
	if o.in.pass.requests {
		r.Object = nil
	}
	if len(r.Object) > 0 && policy != nil {
		object, err := policy.Object(o.scratch[:0], r.Resource, r.Object)
		if err != nil {
			o.Hole("an object that is no JSON")
			return
		}
		o.scratch, r.Object = object, object
	}
	if r.Request != nil {
		clean := *r.Request
		if policy != nil {
			clean.Message = policy.Text(clean.Message)
		}
		if r.Kind == Removed {
			clean.Effect = store.Removed
		}
		r.Request = &clean
	}
	r.order = o.order
	o.order++
	if r.Source == 0 {
		r.Source = o.in.Source
	}
	if err := o.run.add(&r); err != nil {
		o.err = &spoolError{err}
	}
}

// Alive says that an audit log has an entry of that time, also if it is none of
// those that are recorded: the log was being written then.
func (o *Output) Alive(at time.Time) {
	if at.IsZero() {
		return
	}
	if o.minutes == nil {
		o.minutes = map[int64]bool{}
	}
	o.minutes[at.Unix()/60] = true
	o.alive.take(at)
}

// Hole says that something is missing.
func (o *Output) Hole(reason string) { o.in.pass.summary.hole(o.in.Path, reason, 1) }

// Collection is what several files say together, such as the objects of a backup and what
// the backup was asked for.
type Collection interface {
	// Finish sends what is known after all sources were read.
	Finish(out *Output)
}

// Collection returns what the files of an import have in common under a name, by which
// its holes are told; create makes it. It must not be called by several goroutines.
func (in *Input) Collection(name string, create func() Collection) Collection {
	c := in.pass.together[name]
	if c == nil {
		if in.pass.together == nil {
			in.pass.together = map[string]Collection{}
		}
		c = create()
		in.pass.together[name] = c
	}
	return c
}

// Output returns where to send the records of a file that is read by one
// goroutine. Close must be called with it.
func (in *Input) Output() *Output {
	in.units++
	return &Output{in: in, run: in.pass.borrow(), order: in.pass.place(in.units)}
}

// Close gives back what Output returned.
func (in *Input) Close(o *Output) error {
	in.pass.end(o)
	return o.err
}

// Err is why no more records are taken, or nil.
func (o *Output) Err() error { return o.err }

// Revisions says that the records of the file are every write of everything
// between two times, after the lists at the first; or, if they are not whole, some
// of them.
func (in *Input) Revisions(from, to time.Time, whole bool) {
	in.pass.mu.Lock()
	defer in.pass.mu.Unlock()
	in.pass.histories = append(in.pass.histories, history{stretch{from, to}, whole})
}

// history is a stretch of time of which every write is known, if it is whole.
type history struct {
	stretch
	whole bool
}

// batchBytes is how much is handed to a worker at once.
const batchBytes = 512 << 10

type batch struct {
	data  []byte
	ends  []int
	first uint64
}

// EachUnit calls parse with each line of the file that is not empty or, if it is
// no file of lines, with each JSON value in it: an element of the array that it
// is, or one of several values. It calls it from several goroutines, each with an
// Output of its own. A unit must not be kept.
func (in *Input) EachUnit(parse func(unit []byte, out *Output)) error {
	ctx, cancel := context.WithCancel(in.ctx)
	defer cancel()
	batches := make(chan *batch, 2)
	var workers sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range max(1, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			o := &Output{in: in, run: in.pass.borrow()}
			defer in.pass.end(o)
			for b := range batches {
				from := 0
				for i, end := range b.ends {
					if o.err != nil || ctx.Err() != nil {
						break
					}
					o.order = in.pass.place(b.first + uint64(i))
					parse(b.data[from:end], o)
					from = end
				}
				in.pass.pool.Put(b)
			}
			if o.err != nil {
				mu.Lock()
				failed = errors.Join(failed, o.err)
				mu.Unlock()
				cancel()
			}
		})
	}
	err := in.split(ctx, batches)
	close(batches)
	workers.Wait()
	return errors.Join(err, failed)
}

// split reads units and sends them in batches.
func (in *Input) split(ctx context.Context, batches chan<- *batch) error {
	b := in.pass.batch()
	b.first = in.units
	send := func() error {
		if len(b.ends) == 0 {
			return nil
		}
		in.units += uint64(len(b.ends))
		select {
		case batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		b = in.pass.batch()
		b.first = in.units
		return nil
	}
	unit := func(end int) error {
		b.ends = append(b.ends, end)
		if len(b.data) >= batchBytes {
			return send()
		}
		return nil
	}
	head, _ := in.Body.Peek(4 << 10)
	var err error
	if wholeValues(head) {
		err = in.splitValues(&b, unit)
	} else {
		err = in.splitLines(&b, unit)
	}
	return errors.Join(err, send())
}

// wholeValues reports whether a text is one JSON value over many lines, or an
// array, rather than a value on each line.
func wholeValues(head []byte) bool {
	head = bytes.TrimLeft(head, "\ufeff \t\r\n")
	if len(head) == 0 {
		return false
	}
	if head[0] == '[' {
		return true
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return bytes.Equal(bytes.TrimSpace(line), []byte("{"))
}

func (in *Input) splitLines(b **batch, unit func(end int) error) error {
	long := 0
	for {
		begin := len((*b).data)
		for {
			part, err := in.Body.ReadSlice('\n')
			if len((*b).data)-begin <= maxUnit {
				(*b).data = append((*b).data, part...)
			} else {
				long++
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if long > 0 {
				in.pass.summary.hole(in.Path, fmt.Sprintf("a line longer than %d MiB", maxUnit>>20), 1)
				(*b).data, long = (*b).data[:begin], 0
			}
			if len(bytes.TrimSpace((*b).data[begin:])) == 0 {
				(*b).data = (*b).data[:begin]
			} else if err := unit(len((*b).data)); err != nil {
				return err
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			break
		}
	}
}

// splitValues cuts a stream of JSON values at the ends of values, and at those of
// the elements of an array that is the whole text.
func (in *Input) splitValues(b **batch, unit func(end int) error) error {
	first := true
	depth, base := 0, 0
	text, escaped, large := false, false, false
	begin := len((*b).data)
	done := func() error {
		err := error(nil)
		if large {
			in.pass.summary.hole(in.Path, fmt.Sprintf("a JSON value longer than %d MiB: one object a line has no such limit", maxUnit>>20), 1)
			(*b).data = (*b).data[:begin]
		} else {
			err = unit(len((*b).data))
		}
		large = false
		begin = len((*b).data)
		return err
	}
	for {
		c, err := in.Body.ReadByte()
		if errors.Is(err, io.EOF) {
			if depth > base {
				in.pass.summary.hole(in.Path, "the file ends in the middle of a value", 1)
				(*b).data = (*b).data[:begin]
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case text:
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				text = false
			}
		case c == '"':
			text = depth > base
		case c == '{' || c == '[':
			if first && c == '[' {
				first, depth, base = false, 1, 1
				continue
			}
			first = false
			depth++
		case c == '}' || c == ']':
			if depth > 0 {
				depth--
			}
			if depth < base { // the array has ended; another may follow
				base, first = 0, true
				continue
			}
			if depth == base {
				if !large {
					(*b).data = append((*b).data, c)
				}
				if err := done(); err != nil {
					return err
				}
				continue
			}
		}
		if depth == base {
			continue // between values
		}
		if len((*b).data)-begin > maxUnit {
			large = true
			(*b).data = (*b).data[:begin]
		}
		if !large {
			(*b).data = append((*b).data, c)
		}
	}
}

// firstPass is the first pass: sources are read, redacted and sorted.
type firstPass struct {
	policy    *redact.Policy
	requests  bool // only who asked for what
	spool     *spool
	summary   *summary
	pool      sync.Pool
	mu        sync.Mutex
	free      []*run
	base      uint64 // units of the files before
	minutes   map[int64]bool
	alive     stretch
	histories []history // of etcd
	together  map[string]Collection
}

func (p *firstPass) batch() *batch {
	if b, ok := p.pool.Get().(*batch); ok && cap(b.data) <= 4*batchBytes {
		b.data, b.ends = b.data[:0], b.ends[:0]
		return b
	}
	return &batch{}
}

// perUnit is how many records of one unit have places of their own.
const perUnit = 1 << 20

func (p *firstPass) place(unit uint64) uint64 { return (p.base + unit) * perUnit }

func (p *firstPass) borrow() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	return &run{spool: p.spool}
}

// end takes over what an Output has gathered.
func (p *firstPass) end(o *Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, o.run)
	if p.minutes == nil {
		p.minutes = map[int64]bool{}
	}
	maps.Copy(p.minutes, o.minutes)
	if !o.alive.from.IsZero() {
		p.alive.take(o.alive.from)
		p.alive.take(o.alive.to)
	}
}

func (p *firstPass) finish(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(p.together)) {
		in := &Input{Path: name, ctx: ctx, pass: p}
		out := in.Output()
		p.together[name].Finish(out)
		if err := in.Close(out); err != nil {
			return err
		}
		p.base += in.units + 2
	}
	for _, r := range p.free {
		if err := r.flush(); err != nil {
			return err
		}
		r.data, r.index = nil, nil
	}
	return nil
}
