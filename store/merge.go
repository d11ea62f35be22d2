package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/watch"
)

// ErrIncomparable is returned by Merge for objects whose resourceVersions do not
// compare, such as those of an audit log.
var ErrIncomparable = errors.New("its resourceVersions do not compare, so it cannot be merged")

// ErrMidList is returned by Merge for an excerpt that begins while a list was under
// way.
var ErrMidList = errors.New("it begins while the recorder listed objects, so it cannot be merged")

// Merge writes recordings of one cluster whose recorders ran at the same time into
// the new file dst, and seals it. Each version of an object is written once, when
// the first recorder received it. A stream is current while it was current for any
// of them: the gaps are those in which all had one. Positions are new ones; of the
// time before a recording there is what was known when it began. If there is a file
// of that name the error is fs.ErrExist.
//
// A resourceVersion grows with every write of its resource
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions),
// so what comes later from a recorder that lags is known by it.
func Merge(dst string, h Header, from []*Recording, options ...Option) (Info, error) {
	if len(from) == 0 {
		return Info{}, errNothing
	}
	m := merging{known: map[Ref]*knownVersion{}, floor: map[stream]uint64{}}
	for _, r := range from {
		info := r.Info()
		if info.Last == 0 {
			return Info{}, fmt.Errorf("merge %s: %w", cmp.Or(r.path, info.ID), errNothing)
		}
		m.sources = append(m.sources, &mergeSource{r: r, info: info, status: map[stream]Coverage{}, lists: map[stream]*openList{}})
	}
	slices.SortStableFunc(m.sources, func(a, b *mergeSource) int { return a.info.Start.Compare(b.info.Start) })
	h.Start, h.Resources = m.sources[0].info.Start, nil
	for _, s := range m.sources {
		if s.info.End.After(m.end) {
			m.end = s.info.End
		}
	}
	h.Source = &Source{ID: h.ID, Start: h.Start, End: m.end}
	w, err := Create(dst, h, options...)
	if err != nil {
		return Info{}, err
	}
	m.joining = joining{w: w, streams: map[stream]Coverage{}, renamed: true, end: m.end}
	info, err := m.all()
	if err != nil {
		return Info{}, errors.Join(fmt.Errorf("merge recordings: %w", err), w.Abort(), os.Remove(dst))
	}
	for _, mark := range m.marks {
		if err := AddMark(dst, mark.unsigned()); err != nil {
			return Info{}, errors.Join(err, os.Remove(dst))
		}
	}
	return info, nil
}

// merging appends recordings that overlap to one Writer.
type merging struct {
	joining
	sources []*mergeSource
	known   map[Ref]*knownVersion
	floor   map[stream]uint64 // up to which version the last list told everything
}

// mergeSource is one of the recordings, and what it said so far.
type mergeSource struct {
	r      *Recording
	info   Info
	status map[stream]Coverage
	lists  map[stream]*openList // that are under way
}

// openList is a list whose end has not come yet.
type openList struct {
	begun time.Time
	named map[Ref]Event // without the objects
}

// knownVersion is the last version of an object that was written, and where it is.
type knownVersion struct {
	stream  stream
	version uint64
	deleted bool
	at      time.Time
	source  *mergeSource
	event   Event // without the object
}

func withoutObject(e Event) Event {
	e.Object = nil
	return e
}

// said is an event or a change of coverage, at the time from which it holds.
type said struct {
	source   *mergeSource
	at       time.Time
	event    Event
	coverage *Coverage
	ended    bool // the recording ends
	document *document
}

func (m *merging) all() (Info, error) {
	var next []func() (said, error, bool)
	for _, s := range m.sources {
		pull, stop := iter.Pull2(s.items())
		defer stop()
		next = append(next, pull)
		if err := m.takeAside(s); err != nil {
			return Info{}, err
		}
	}
	heads, closed := make([]*said, len(next)), true
	take := func(i int) error {
		item, err, ok := next[i]()
		if heads[i] = nil; ok && err == nil {
			heads[i] = &item
		}
		return err
	}
	for i, s := range m.sources {
		if err := take(i); err != nil {
			return Info{}, err
		}
		closed = closed && s.info.Closed
	}
	for {
		first := -1
		for i, h := range heads {
			if h != nil && (first < 0 || h.at.Before(heads[first].at)) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		if err := m.hear(*heads[first]); err != nil {
			return Info{}, fmt.Errorf("%s: %w", cmp.Or(m.sources[first].r.path, m.sources[first].info.ID), err)
		}
		if err := take(first); err != nil {
			return Info{}, err
		}
	}
	m.w.interrupted = !closed
	return m.w.Seal(m.end)
}

// takeAside takes over marks, and the clocks of the first recording.
func (m *merging) takeAside(s *mergeSource) error {
	m.redacted = sum(m.redacted, s.info.Redacted)
	m.w.Redacted(m.redacted)
	if s == m.sources[0] {
		return m.aside(s.r)
	}
	marks, err := s.r.Marks()
	for _, mark := range marks {
		if !slices.ContainsFunc(m.marks, func(o Mark) bool { return o.Time.Equal(mark.Time) && o.Text == mark.Text && o.Author == mark.Author }) {
			m.marks = append(m.marks, mark)
		}
	}
	return err
}

// items yields what the recording says, by time: what is known at its beginning as
// lists, a Gap from the last proof that nothing had been missed, and its end.
func (s *mergeSource) items() iter.Seq2[said, error] {
	return func(yield func(said, error) bool) {
		first := Seq(1)
		if s.info.Source != nil && s.info.First > 1 {
			first = s.info.First
			if !s.beginning(yield) {
				return
			}
		}
		ledger, err := s.r.Ledger(first, s.info.Last)
		var documents []document
		if err == nil {
			documents, err = s.r.discovery()
		}
		if err != nil {
			yield(said{}, err)
			return
		}
		changes, last := make([]said, len(ledger)), map[stream]time.Time{}
		for i := range ledger {
			of := stream{ledger[i].Resource, ledger[i].Namespace}
			at := ledger[i].Since()
			for _, earliest := range []time.Time{s.info.Start, last[of]} {
				if at.Before(earliest) {
					at = earliest
				}
			}
			last[of] = at
			changes[i] = said{source: s, at: at, coverage: &ledger[i]}
		}
		slices.SortStableFunc(changes, func(a, b said) int { return a.at.Compare(b.at) })
		until := func(at time.Time, seq Seq) bool {
			for len(changes) > 0 && (changes[0].at.Before(at) || changes[0].at.Equal(at) && changes[0].coverage.Seq < seq) {
				if !yield(changes[0], nil) {
					return false
				}
				changes = changes[1:]
			}
			for len(documents) > 0 && documents[0].after < seq {
				if !yield(said{source: s, at: at, document: &documents[0]}, nil) {
					return false
				}
				documents = documents[1:]
			}
			return true
		}
		for e, err := range s.r.Events(first, s.info.Last) {
			if err != nil {
				yield(said{}, err)
				return
			}
			if !until(e.Time, e.Seq) || !yield(said{source: s, at: e.Time, event: e}, nil) {
				return
			}
		}
		if until(s.info.End.Add(time.Nanosecond), s.info.Last+1) {
			yield(said{source: s, at: s.info.End, ended: true}, nil)
		}
	}
}

// beginning yields what an excerpt knows when its window begins.
func (s *mergeSource) beginning(yield func(said, error) bool) bool {
	at := s.info.Start
	var streams []stream
	inForce := map[stream]Coverage{}
	for _, c := range s.r.inForce(s.info.First) {
		if c.Seq < s.info.First {
			inForce[stream{c.Resource, c.Namespace}] = c
		}
	}
	seqs, err := s.r.Find(Query{}, s.info.First-1)
	if err != nil {
		return yield(said{}, err)
	}
	listed := map[stream][]Event{}
	for _, seq := range seqs {
		e, err := s.r.Event(seq)
		if err != nil {
			return yield(said{}, err)
		}
		of := stream{e.Resource, e.Namespace}
		if _, ok := inForce[of]; !ok {
			of.namespace = ""
		}
		listed[of] = append(listed[of], e)
	}
	for of := range listed {
		if _, ok := inForce[of]; !ok {
			inForce[of] = Coverage{Resource: of.resource, Namespace: of.namespace, Status: NotRecorded}
		}
	}
	for of := range inForce {
		streams = append(streams, of)
	}
	slices.SortFunc(streams, compareStreams)
	for _, of := range streams {
		c := inForce[of]
		if c.Status == Listing { // what it was to name of what is known cannot be told any more
			return yield(said{}, fmt.Errorf("%s: %w", of.resource.Resource, ErrMidList))
		}
		var items []Event
		if c.Status.ContentCurrent() { // else there may be more, or less
			items = append(items, Event{Type: Relist, Resource: of.resource, Namespace: of.namespace})
		}
		for _, e := range listed[of] {
			e.Type = watch.Added
			items = append(items, e)
		}
		if c.Status.ContentCurrent() {
			items = append(items, Event{Type: watch.Bookmark, Resource: of.resource, Namespace: of.namespace, Object: endOfList})
		}
		for _, e := range items {
			if !yield(said{source: s, at: at, event: e}, nil) {
				return false
			}
		}
		if !yield(said{source: s, at: at, coverage: &c}, nil) {
			return false
		}
	}
	return true
}

// hear takes one thing that a recording says.
func (m *merging) hear(item said) error {
	s := item.source
	switch {
	case item.document != nil:
		return m.describe(item.document.resources)
	case item.coverage != nil:
		c := *item.coverage
		of := stream{c.Resource, c.Namespace}
		s.status[of] = c
		if c.Status != Listing && !c.Status.ContentCurrent() {
			delete(s.lists, of) // it will not be completed
		}
		return m.judge(of, item.at)
	case item.ended:
		return m.leave(s, item.at)
	}
	e := item.event
	of := s.streamOf(&e)
	switch {
	case e.Type == Relist:
		s.lists[of] = &openList{item.at, map[Ref]Event{}}
	case e.Type == watch.Bookmark && bytes.Contains(e.Object, []byte(InitialEventsEnd)):
		return m.listed(s, of, e, item.at)
	case e.IsObject() && s.lists[of] != nil && e.Type == watch.Added:
		s.lists[of].named[e.Ref()] = withoutObject(e)
		if m.current(of) {
			return m.object(s, of, e, item.at)
		}
	case e.IsObject():
		return m.object(s, of, e, item.at)
	}
	return nil // how a recorder's watch went is in the ledger
}

// streamOf returns the stream that an event came in.
func (s *mergeSource) streamOf(e *Event) stream {
	of := stream{e.Resource, e.Namespace}
	if _, ok := s.status[of]; !ok && e.IsObject() && s.lists[of] == nil {
		of.namespace = ""
	}
	return of
}

// current reports whether what was written of a stream is up to date.
func (m *merging) current(of stream) bool { return m.streams[of].Status.ContentCurrent() }

// versionOf returns a resourceVersion as a number.
func versionOf(e *Event) (uint64, error) {
	n, err := strconv.ParseUint(e.ResourceVersion, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %s/%s: resourceVersion %q: %w", e.Resource.Resource, e.Namespace, e.Name, e.ResourceVersion, ErrIncomparable)
	}
	return n, nil
}

// object writes a version of an object that is newer than what is known.
func (m *merging) object(s *mergeSource, of stream, e Event, at time.Time) error {
	version, err := versionOf(&e)
	if err != nil {
		return err
	}
	k := m.known[e.Ref()]
	deleted := e.Type == watch.Deleted
	switch {
	case version <= m.floor[of]:
		return nil
	case k == nil:
		k = &knownVersion{stream: of, deleted: true}
		m.known[e.Ref()] = k
	case version < k.version || version == k.version && (k.deleted || !deleted):
		return nil
	}
	if !deleted {
		if e.Type = watch.Modified; k.deleted || k.event.UID != e.UID {
			e.Type = watch.Added
		}
	}
	k.version, k.deleted, k.at, k.source, k.event = version, deleted, at, s, withoutObject(e)
	e.Seq, e.Time = 0, at
	return m.event(e)
}

// listed takes the end of a list. If others tell of the stream, and all that the
// list does not name is known to be deleted, it says nothing new; else it is written
// with what is known to be newer.
func (m *merging) listed(s *mergeSource, of stream, end Event, at time.Time) error {
	open := s.lists[of]
	delete(s.lists, of)
	if open == nil {
		return nil
	}
	list, whole := open.named, m.current(of)
	floor, err := strconv.ParseUint(end.ResourceVersion, 10, 64)
	versioned := err == nil
	if !versioned { // as old as its objects at least
		for _, e := range list {
			version, err := versionOf(&e)
			if err != nil {
				return err
			}
			floor = max(floor, version)
		}
	}
	// Where only this recorder listens, its list counts also without a version.
	newer := func(k *knownVersion) bool {
		return k.version > floor && (versioned || m.current(of) || !k.at.Before(open.begun))
	}
	var names []Ref
	for ref, k := range m.known {
		switch _, named := list[ref]; {
		case k.stream != of || k.deleted:
		case named || newer(k):
			names = append(names, ref)
		default:
			k.deleted, whole = true, false
		}
	}
	if whole { // what came before the others told of the stream again was not written yet
		for _, ref := range slices.SortedFunc(maps.Keys(list), Ref.Compare) {
			e, err := s.r.Event(list[ref].Seq)
			if err == nil {
				err = m.object(s, of, e, at)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for ref, e := range list {
		version, err := versionOf(&e)
		if err != nil {
			return err
		}
		if k := m.known[ref]; k == nil || version > k.version || k.deleted && version == k.version {
			if k == nil || k.deleted {
				names = append(names, ref)
			}
			m.known[ref] = &knownVersion{stream: of, version: version, at: at, source: s, event: e}
		}
	}
	slices.SortFunc(names, Ref.Compare)
	if err := m.event(Event{Time: at, Type: Relist, Resource: of.resource, Namespace: of.namespace}); err != nil {
		return err
	}
	for _, ref := range names {
		k := m.known[ref]
		e, err := k.source.r.Event(k.event.Seq)
		if err != nil {
			return err
		}
		e.Seq, e.Time, e.Type = 0, at, watch.Added
		if err := m.event(e); err != nil {
			return err
		}
	}
	m.floor[of] = max(m.floor[of], floor)
	end.Seq, end.Time = 0, at
	return m.event(end)
}

// judge writes the coverage of a stream if it is another than before: that of the
// recording that knows most.
func (m *merging) judge(of stream, at time.Time) error {
	var best Coverage
	for _, s := range m.sources {
		if c, ok := s.status[of]; ok && (best.Status == "" || c.Status.Weight() > best.Status.Weight()) {
			best = c
		}
	}
	last, known := m.streams[of]
	if best.Status == "" || known && last.Status == best.Status {
		return nil
	}
	if best.Status == Gap { // it begins now, whenever it was noticed
		best.Reason, _, _ = strings.Cut(best.Reason, "; nothing heard for ")
		if best.Since().Before(best.Time) {
			best.Reason = "no answer from the API server"
		}
	}
	best.Resumed = best.Resumed && known && last.Status == Gap
	best.Seq, best.Time = 0, at
	return m.cover(best)
}

// leave takes the end of a recording that others outlast.
func (m *merging) leave(s *mergeSource, at time.Time) error {
	if !at.Before(m.end) {
		return nil
	}
	for of, c := range s.status {
		if c.Status.ContentCurrent() || c.Status == Listing {
			c.Status, c.Reason, c.Resumed, c.ResourceVersion = Gap, "the recording ends", false, ""
			s.status[of] = c
		}
	}
	for _, of := range m.sorted() {
		if err := m.judge(of, at); err != nil {
			return err
		}
	}
	return nil
}
