package store

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/index"
)

// Excerpt says what of a recording makes a smaller one that stands alone: a
// window of it, what the cluster was when that began, and of what lies before
// as much as is asked for. Everything keeps its position and its time.
type Excerpt struct {
	// Header is that of the new recording. Its Start is the moment from which
	// the excerpt answers as the whole recording does, Resources is ignored,
	// and Source says what it is cut from.
	Header Header
	// First, unless 0, is the position at which the window begins, for who
	// continues an earlier excerpt: several positions may have the time of
	// Header.Start.
	First Seq
	// End is the last moment of the window, between Header.Start and the end of
	// the recording.
	End time.Time
	// Oldest has the objects whose past before the window is needed, each with
	// the position of the oldest version that is.
	Oldest map[Ref]Seq
	// Only leaves out all objects that are not in Oldest.
	Only bool
	// Edit, if not nil, may change what is written: the object of an event with
	// its names, the words of a coverage change. It is called in order.
	Edit Editor
	// EditMark, if not nil, may change a mark.
	EditMark func(Mark) Mark
	// Marks are added to those of the window, whatever they are about.
	Marks []Mark
}

// Editor changes what is taken over from one recording to another. The bytes of
// an object may not be changed in place.
type Editor interface {
	Event(*Event) error
	Coverage(*Coverage) error
	Counts() map[string]uint64 // of values replaced, by class
}

// Excerpt writes part of the recording to the new file dst and seals it. If
// there is a file of that name the error is fs.ErrExist; if something of what
// is needed is damaged, nothing is left behind.
func (r *Recording) Excerpt(dst string, x Excerpt, options ...Option) (Info, error) {
	info, err := r.excerpt(dst, &x, options)
	if err != nil {
		return Info{}, fmt.Errorf("cut %s: %w", cmp.Or(r.path, r.Info().ID), err)
	}
	return info, nil
}

func (r *Recording) excerpt(dst string, x *Excerpt, options []Option) (Info, error) {
	info := r.Info()
	if info.Last == 0 {
		return Info{}, errNothing
	}
	c := copying{packed: x.Edit == nil && !x.Only && len(x.Oldest) == 0, r: r, end: x.End, edit: x.Edit, interrupted: !info.Closed && !r.live && !x.End.Before(info.End)}
	var err error
	if c.first, err = r.SeqAt(x.Header.Start); err != nil {
		return Info{}, err
	}
	if x.First > 0 {
		c.first = x.First
	}
	if c.last, err = r.SeqAt(x.End); err != nil {
		return Info{}, err
	}
	if !x.End.Before(info.End) {
		c.last = info.Last
	}
	c.first = max(c.first, info.First)
	if c.last < c.first {
		return Info{}, errNothing
	}
	if err := c.collect(x); err != nil {
		return Info{}, err
	}
	return c.write(dst, x.Header, options)
}

// copying takes positions over from one recording to another.
type copying struct {
	r           *Recording
	first, last Seq // the window
	end         time.Time
	interrupted bool
	edit        Editor
	packed      bool // the window is taken over in the blocks in which it is

	carried   []Seq        // events before the window, in order
	only      map[Ref]bool // nil: every object
	ledger    []Coverage
	documents []document
	clocks    []Clock
	marks     []Mark
}

// collect finds what comes along.
func (c *copying) collect(x *Excerpt) error {
	if x.Only {
		c.only = map[Ref]bool{}
		for ref := range x.Oldest {
			c.only[ref] = true
		}
	}
	if err := c.past(x.Oldest); err != nil {
		return err
	}
	if err := c.begin(x.Oldest); err != nil {
		return err
	}
	return c.aside(x)
}

// begin moves the beginning of the window back to what is kept, if what is
// there is not: at that moment, too, there must be a position. What was there
// then, and ended before the window, comes along.
func (c *copying) begin(oldest map[Ref]Seq) error {
	if c.only == nil {
		return nil
	}
	e, err := c.r.Event(c.first)
	switch {
	case errors.Is(err, ErrNotEvent): // a change of coverage
		return nil
	case err != nil:
		return err
	case !e.IsObject() || c.only[e.Ref()]:
		return nil
	}
	before := Seq(0)
	if n := len(c.carried); n > 0 {
		before = c.carried[n-1]
	}
	for _, l := range c.ledger {
		if l.Seq < c.first {
			before = max(before, l.Seq)
		}
	}
	if before == 0 {
		return errNothing
	}
	c.first = before
	return c.past(oldest)
}

var errNothing = errors.New("nothing of it was recorded by then")

// past finds the events before the window: of each object the versions from the
// oldest that is needed, at least the current one; the lists that tell what was
// gone; and the coverage from then on.
func (c *copying) past(oldest map[Ref]Seq) error {
	before := c.first - 1
	carried := map[Seq]bool{}
	if c.only == nil {
		live, err := c.r.Find(Query{}, before)
		if err != nil {
			return err
		}
		for _, seq := range live {
			carried[seq] = true
		}
	}
	for ref, from := range oldest {
		versions, err := c.r.versionsOf(ref, before)
		if err != nil {
			return err
		}
		for i, v := range versions {
			if v.Seq >= from || i == len(versions)-1 && v.State == index.Present {
				carried[v.Seq] = true // of one that is gone: the end of the list it was missing in
			}
		}
	}
	if err := c.lists(carried); err != nil {
		return err
	}
	c.carried = slices.Sorted(maps.Keys(carried))
	c.ledger = c.r.ledgerFrom(c.first, c.last)
	return nil
}

// lists adds the beginnings of all lists before the window: one may still be
// going on, and others tell from when on what was not in them was gone.
func (c *copying) lists(carried map[Seq]bool) error {
	for from := Seq(1); from < c.first; {
		b, err := c.r.block(from)
		if err != nil {
			return err
		}
		for _, e := range b.Entries {
			if e.Seq < c.first && e.Tag&block.TagType == block.TagRelist {
				carried[e.Seq] = true
			}
		}
		from = b.Last() + 1
	}
	return nil
}

// ledgerFrom returns the coverage changes between two positions, and before
// them those that are in force at the first.
func (r *Recording) ledgerFrom(first, last Seq) []Coverage {
	r.mu.RLock()
	defer r.mu.RUnlock()
	changes := r.ledger.InForce(first)
	return append(changes, r.ledger.Between(first, last)...)
}

// versionsOf returns the versions of an object up to a position.
func (r *Recording) versionsOf(ref Ref, to Seq) (all []index.Version, err error) {
	err = r.mended(func() error {
		r.mu.RLock()
		defer r.mu.RUnlock()
		all = nil
		for _, p := range r.parts {
			versions, err := p.Versions(ref)
			if err != nil {
				return err
			}
			all = append(all, index.UpTo(versions, to)...)
		}
		return nil
	})
	return all, err
}

// aside finds what lies beside events and coverage.
func (c *copying) aside(x *Excerpt) error {
	documents, err := c.r.discovery()
	if err != nil {
		return err
	}
	for _, d := range documents {
		if d.after < c.first && len(c.documents) > 0 {
			c.documents = nil
		}
		if d.after <= c.last {
			c.documents = append(c.documents, d)
		}
	}
	clocks, err := c.r.Clocks()
	if err != nil {
		return err
	}
	for i, at := range clockTimes(clocks) {
		if at.Before(x.Header.Start) {
			c.clocks = nil // the last before the window stays
		}
		if !at.After(x.End) {
			c.clocks = append(c.clocks, clocks[i])
		}
	}
	marks, err := c.r.Marks()
	if err != nil {
		return err
	}
	for _, m := range marks {
		if m.Time.Before(x.Header.Start) || m.Time.After(x.End) {
			continue
		}
		if x.EditMark != nil {
			m = x.EditMark(m)
		}
		m = m.unsigned() // the new file has another digest
		c.marks = append(c.marks, m)
	}
	c.marks = append(c.marks, x.Marks...)
	return nil
}

// write makes the new file.
func (c *copying) write(dst string, h Header, options []Option) (Info, error) {
	h.Resources = nil
	if len(c.documents) > 0 && c.documents[0].after < c.first {
		h.Resources, c.documents = c.documents[0].resources, c.documents[1:]
	}
	w, err := Create(dst, h, options...)
	if err != nil {
		return Info{}, err
	}
	to := c.to
	if c.packed {
		to = c.packedTo
	}
	info, err := to(w)
	if err != nil {
		return Info{}, errors.Join(err, w.Abort(), os.Remove(dst))
	}
	if err := AddMark(dst, c.marks...); err != nil {
		return Info{}, errors.Join(err, os.Remove(dst))
	}
	return info, nil
}

// to appends everything at its own position, and seals.
func (c *copying) to(w *Writer) (Info, error) {
	w.time = time.Time{} // what is carried over is older than the window
	if c.last > 0 {
		w.end.First, w.index.From = c.first, c.first
	}
	w.clocks, w.interrupted = c.clocks, c.interrupted
	inWindow := false
	for e, err := range c.events() {
		if err != nil {
			return Info{}, err
		}
		if err := c.between(w, e.Seq, &inWindow); err != nil {
			return Info{}, err
		}
		if c.edit != nil {
			if err := c.edit.Event(&e); err != nil {
				return Info{}, fmt.Errorf("event %d: %w", e.Seq, err)
			}
		}
		w.at = e.Seq
		seq, err := w.Append(e)
		if err == nil && seq != e.Seq {
			err = fmt.Errorf("event %d would become %d: %w", e.Seq, seq, ErrDamaged)
		}
		if err == nil && w.Pending() >= 4<<20 {
			err = w.commit(e.Time, w.block.Size >= blockContent)
		}
		if err != nil {
			return Info{}, err
		}
	}
	if err := c.between(w, c.last+1, &inWindow); err != nil {
		return Info{}, err
	}
	w.Redacted(c.redacted())
	return w.Seal(c.end)
}

// packedTo takes the window over in the blocks in which it is, and seals.
func (c *copying) packedTo(w *Writer) (Info, error) {
	w.end.First, w.clocks, w.interrupted = c.first, c.clocks, c.interrupted
	first, before := c.first, 0
	for before < len(c.ledger) && c.ledger[before].Seq < c.first {
		before++
	}
	if before > 0 {
		first = c.ledger[0].Seq
	}
	if len(c.carried) > 0 {
		first = min(first, c.carried[0])
	}
	at, err := c.r.TimeOf(c.first)
	if err != nil {
		return Info{}, err
	}
	to := newBlockCopy(w, 2*blockContent) // as it is stored and sent, it is put into fewer blocks
	// The index of a recording that is written is put together anew at times: first it.
	ticks := append([]index.Tick{{Seq: c.first, Time: at}}, c.r.ticksBetween(c.first, c.last)...)
	if err := to.adopt(c.r, index.Adoption{To: c.last, Current: c.first, First: first, Ticks: ticks, Ledger: c.ledger}); err != nil {
		return Info{}, err
	}
	if err := to.carried(c.r, c.carried, c.ledger[:before]); err != nil {
		return Info{}, err
	}
	if err := to.window(c.r, c.first, c.last); err != nil {
		return Info{}, err
	}
	for i := range c.documents {
		if err := to.describe(&c.documents[i]); err != nil {
			return Info{}, err
		}
	}
	w.Redacted(c.redacted())
	return to.seal(c.r, c.end)
}

// redacted is how many values were replaced, by the recorder and by Edit.
func (c *copying) redacted() map[string]uint64 {
	counts := c.r.Info().Redacted
	if c.edit == nil {
		return counts
	}
	counts = maps.Clone(counts)
	for class, n := range c.edit.Counts() {
		if counts == nil {
			counts = map[string]uint64{}
		}
		counts[class] += n
	}
	return counts
}

// between writes what lies before the next event. A block ends where the window
// begins.
func (c *copying) between(w *Writer, next Seq, inWindow *bool) error {
	enter := func(seq Seq) error {
		if *inWindow || seq < c.first {
			return nil
		}
		*inWindow = true
		if len(w.block.Entries) == 0 {
			return nil
		}
		return w.commit(w.time, true)
	}
	for len(c.ledger) > 0 && c.ledger[0].Seq < next {
		l := c.ledger[0]
		c.ledger = c.ledger[1:]
		if err := enter(l.Seq); err != nil {
			return err
		}
		if c.edit != nil {
			if err := c.edit.Coverage(&l); err != nil {
				return err
			}
		}
		w.at = l.Seq
		if _, err := w.Cover(l); err != nil {
			return err
		}
	}
	for len(c.documents) > 0 && c.documents[0].after < next {
		if err := w.Describe(c.documents[0].resources); err != nil {
			return err
		}
		c.documents = c.documents[1:]
	}
	return enter(next)
}

// events yields what is taken over, in order.
func (c *copying) events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, seq := range c.carried {
			if !yield(c.r.Event(seq)) {
				return
			}
		}
		for e, err := range c.r.Events(c.first, c.last) {
			if err == nil && c.only != nil && e.IsObject() && !c.only[e.Ref()] {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
