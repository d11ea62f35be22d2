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
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/block"
	"github.com/svcspy/svcspy/store/index"
)

// Run is the recording that a recording was cut from, else its own ID: excerpts
// of one run have the same positions.
func (h *Header) Run() string {
	if h.Source != nil {
		return h.Source.ID
	}
	return h.ID
}

// Join writes recordings of one cluster into the new file dst, one after the other
// in the order given, and seals it. If there is a file of that name the error is
// fs.ErrExist.
//
// Excerpts of one run that meet, or overlap, become what the run was there:
// positions, times and coverage are the same. Wherever something is missing
// between two of them, or another run begins, the ledger gets a Gap with the reason,
// and what is known next is a list, as after a recorder was away. From there on
// positions are new ones. What a recording has of the time before its window comes
// along for the first only.
func Join(dst string, h Header, from []*Recording, options ...Option) (Info, error) {
	if len(from) == 0 {
		return Info{}, errNothing
	}
	for i, r := range from {
		switch info := r.Info(); {
		case info.Last == 0:
			return Info{}, fmt.Errorf("join %s: %w", cmp.Or(r.path, info.ID), errNothing)
		case i > 0 && info.Start.Before(from[i-1].Info().Start):
			return Info{}, fmt.Errorf("join %s: it begins before the recording that it was to follow", cmp.Or(r.path, info.ID))
		}
	}
	first := from[0].Info()
	h.Start, h.Resources = first.Start, nil
	last := from[len(from)-1].Info()
	h.Source = &Source{ID: first.Run(), Start: first.Began(), End: last.End}
	w, err := Create(dst, h, options...)
	if err != nil {
		return Info{}, err
	}
	j := joining{w: w, streams: map[stream]Coverage{}}
	info, err := j.all(from)
	if err != nil {
		return Info{}, errors.Join(fmt.Errorf("join recordings: %w", err), w.Abort(), os.Remove(dst))
	}
	for _, m := range j.marks {
		if err := AddMark(dst, m.unsigned()); err != nil {
			return Info{}, errors.Join(err, os.Remove(dst))
		}
	}
	return info, nil
}

// stream is what one line of the ledger is about.
type stream struct {
	resource  schema.GroupVersionResource
	namespace string
}

// joining appends recordings to one Writer.
type joining struct {
	w        *Writer
	run      string // of the last recording
	last     Seq    // position in it up to which everything was appended
	renamed  bool   // positions are new ones
	end      time.Time
	closed   bool
	streams  map[stream]Coverage // in force at the end of what was appended
	document []metav1.APIResource
	marks    []Mark
	clock    Clock             // the last sample
	redacted map[string]uint64 // of runs before the present one
	counts   map[string]uint64 // of the present run
	insert   Insertion         // nil if nothing is put between positions
}

func (j *joining) all(from []*Recording) (Info, error) {
	if j.insert == nil && continuous(from) {
		return j.packed(from)
	}
	for i, r := range from {
		if err := j.add(r, from[i+1:], i == 0); err != nil {
			return Info{}, fmt.Errorf("%s: %w", cmp.Or(r.path, r.Info().ID), err)
		}
	}
	j.w.Redacted(sum(j.redacted, j.counts))
	j.w.interrupted = !j.closed
	return j.w.Seal(j.end)
}

// continuous reports whether recordings are sealed excerpts of one run, of all of its
// objects, without anything missing or twice between them: then a version that one of
// them builds upon is the same in those before it.
func continuous(from []*Recording) bool {
	for i, r := range from {
		info := r.Info()
		if info.SHA256 == "" || info.Last < info.First || info.Redaction.Shared != "" || info.Source != nil && len(info.Source.Subjects) > 0 {
			return false
		}
		if i == 0 {
			continue
		}
		before := from[i-1].Info()
		if info.Source == nil || info.Run() != before.Run() || info.First != before.Last+1 || info.Redaction != before.Redaction {
			return false
		}
	}
	return true
}

// packed takes continuous recordings over in the blocks in which they are, and seals.
func (j *joining) packed(from []*Recording) (Info, error) {
	to := newBlockCopy(j.w, blockContent)
	j.w.end.First = from[0].Info().First
	for i, r := range from {
		if err := j.pack(to, r, i == 0); err != nil {
			return Info{}, fmt.Errorf("%s: %w", cmp.Or(r.path, r.Info().ID), err)
		}
	}
	j.w.Redacted(j.counts)
	j.w.interrupted = !j.closed
	return to.seal(from[len(from)-1], j.end)
}

// pack takes over what one of the recordings has after those before it.
func (j *joining) pack(to *blockCopy, r *Recording, first bool) error {
	info, after := r.Info(), j.last
	ledger, err := r.Ledger(after+1, info.Last)
	if err != nil {
		return err
	}
	begin := info.First
	if first {
		b, err := r.block(1) // the first that there is
		if err != nil {
			return err
		}
		begin = b.First
	}
	// Of the first, what is carried over from before the window stays.
	if err := to.adopt(r, index.Adoption{After: after, To: info.Last, First: begin, Ticks: r.ticksBetween(info.First-1, info.Last), Ledger: ledger}); err != nil {
		return err
	}
	if err := to.window(r, begin, info.Last); err != nil {
		return err
	}
	documents, err := r.discovery()
	if err != nil {
		return err
	}
	for _, d := range documents {
		d.after = max(d.after, after)
		if !sameResources(j.document, d.resources) {
			if err := to.describe(&d); err != nil {
				return err
			}
			j.document = d.resources
		}
	}
	j.last, j.closed, j.counts = info.Last, info.Closed, info.Redacted
	if info.End.After(j.end) {
		j.end = info.End
	}
	return j.aside(r)
}

func sameResources(a, b []metav1.APIResource) bool {
	return slices.EqualFunc(a, b, func(a, b metav1.APIResource) bool { return a.String() == b.String() })
}

// add appends one recording; later are those that follow it.
func (j *joining) add(r *Recording, later []*Recording, first bool) error {
	info := r.Info()
	meets := !first && info.Run() == j.run && info.First <= j.last+1
	if meets && info.Last <= j.last {
		return nil
	}
	if !first && !meets && info.Start.Before(j.end) {
		return fmt.Errorf("it begins at %s, before the end of the recording that it follows: two recorders ran at the same time", info.Start.UTC().Format(time.RFC3339))
	}
	var err error
	switch {
	case first:
		err = j.begin(r)
	case meets:
		err = j.window(r, j.last+1)
	default:
		err = j.again(r, later)
	}
	if err != nil {
		return err
	}
	if info.Run() != j.run {
		j.redacted, j.counts = sum(j.redacted, j.counts), nil
	}
	j.counts = info.Redacted
	j.run, j.last, j.closed = info.Run(), info.Last, info.Closed
	if info.End.After(j.end) {
		j.end = info.End
	}
	return j.aside(r)
}

// begin appends the first recording with what it has of the time before, at its
// own positions.
func (j *joining) begin(r *Recording) error {
	info := r.Info()
	j.w.time = time.Time{} // what is carried over is older than the window
	j.w.end.First, j.w.index.From = info.First, info.First
	inWindow := false
	ledger, err := r.Ledger(1, info.Last)
	if err != nil {
		return err
	}
	enter := func(seq Seq, at time.Time) error {
		if seq < info.First {
			return nil
		}
		if !inWindow && len(j.w.block.Entries) > 0 {
			if err := j.w.commit(j.w.time, true); err != nil { // a block ends where the window begins
				return err
			}
		}
		if !inWindow && j.insert != nil {
			j.renamed, j.w.at = true, info.First
		}
		inWindow = true
		if j.insert != nil {
			return j.insert(j.w, seq, at)
		}
		return nil
	}
	return j.append(r, r.Events(1, info.Last), ledger, enter)
}

// window appends what lies at a position and after it.
func (j *joining) window(r *Recording, from Seq) error {
	last := r.Info().Last
	ledger, err := r.Ledger(from, last)
	if err != nil {
		return err
	}
	return j.append(r, r.Events(from, last), ledger, func(Seq, time.Time) error { return nil })
}

// append appends events and coverage in the order of their positions.
func (j *joining) append(r *Recording, events iter.Seq2[Event, error], ledger []Coverage, enter func(Seq, time.Time) error) error {
	documents, err := r.discovery()
	if err != nil {
		return err
	}
	before := func(next Seq, at time.Time) error {
		for len(documents) > 0 && documents[0].after < next {
			if err := j.describe(documents[0].resources); err != nil {
				return err
			}
			documents = documents[1:]
		}
		for len(ledger) > 0 && ledger[0].Seq < next {
			if err := enter(ledger[0].Seq, ledger[0].Time); err != nil {
				return err
			}
			if err := j.cover(ledger[0]); err != nil {
				return err
			}
			ledger = ledger[1:]
		}
		return enter(next, at)
	}
	for e, err := range events {
		if err != nil {
			return err
		}
		if err := before(e.Seq, e.Time); err != nil {
			return err
		}
		if err := j.event(e); err != nil {
			return err
		}
	}
	return before(r.Info().Last+1, r.Info().End)
}

// describe writes a discovery document that is another than the last.
func (j *joining) describe(resources []metav1.APIResource) error {
	if sameResources(j.document, resources) {
		return nil
	}
	j.document = resources
	return j.w.Describe(resources)
}

// cover appends a change of coverage.
func (j *joining) cover(c Coverage) error {
	j.at(c.Seq)
	j.streams[stream{c.Resource, c.Namespace}] = c
	_, err := j.w.Cover(c)
	return err
}

// event appends an event, and commits what has added up.
func (j *joining) event(e Event) error {
	j.at(e.Seq)
	if _, err := j.w.Append(e); err != nil {
		return err
	}
	if j.w.Pending() < 4<<20 {
		return nil
	}
	return j.w.commit(e.Time, j.w.block.Size >= blockContent)
}

// at has the next position be the same as in the run it comes from.
func (j *joining) at(seq Seq) {
	if !j.renamed && seq != 0 {
		j.w.at = seq
	}
}

// again appends a recording after a time of which nothing is known.
func (j *joining) again(r *Recording, later []*Recording) error {
	info := r.Info()
	reason := "the recorder was started anew"
	if info.Run() == j.run {
		reason = "the recordings of this time are missing"
	}
	j.renamed, j.w.at = true, 0
	if err := j.interrupt(reason); err != nil {
		return err
	}
	if info.Source == nil || info.First <= 1 {
		return j.window(r, 1) // it begins with lists of its own
	}
	if err := j.relist(r, later); err != nil {
		return err
	}
	return j.window(r, info.First)
}

// interrupt writes a Gap for every stream that was followed until now.
func (j *joining) interrupt(reason string) error {
	for _, s := range j.sorted() {
		c := j.streams[s]
		if !c.Status.ContentCurrent() && c.Status != Listing {
			continue
		}
		c.Seq, c.Time, c.Status, c.Reason, c.Resumed, c.ResourceVersion = 0, j.end, Gap, reason, false, ""
		if err := j.cover(c); err != nil {
			return err
		}
	}
	return nil
}

func (j *joining) sorted() []stream {
	var all []stream
	for s := range j.streams {
		all = append(all, s)
	}
	slices.SortFunc(all, compareStreams)
	return all
}

func compareStreams(a, b stream) int {
	return cmp.Or(Ref{Resource: a.resource}.Compare(Ref{Resource: b.resource}), cmp.Compare(a.namespace, b.namespace))
}

// endOfList is the bookmark that ends a list.
var endOfList = []byte(`{"metadata":{"annotations":{"` + InitialEventsEnd + `":"true"}}}`)

// relist writes what there was when the window of a recording begins as a list of
// each stream, and the coverage that was in force.
func (j *joining) relist(r *Recording, later []*Recording) error {
	info := r.Info()
	inForce := map[stream]Coverage{}
	for _, c := range r.inForce(info.First) {
		if c.Seq < info.First {
			inForce[stream{c.Resource, c.Namespace}] = c
		}
	}
	begun, err := r.listsBegun(info.First)
	if err != nil {
		return err
	}
	open, err := listsOpen(r, later)
	if err != nil {
		return err
	}
	seqs, err := r.Find(Query{}, info.First-1)
	if err != nil {
		return err
	}
	listed := map[stream][]Seq{}
	again := map[stream][]Seq{} // what a list that is open has named so far
	for _, seq := range seqs {
		e, err := r.Event(seq)
		if err != nil {
			return err
		}
		own, all := stream{e.Resource, e.Namespace}, stream{resource: e.Resource}
		for _, s := range slices.Compact([]stream{own, all}) {
			if seq >= begun[s] {
				again[s] = append(again[s], seq)
			}
		}
		if _, ok := inForce[own]; !ok {
			own = all
		}
		listed[own] = append(listed[own], seq)
	}
	known := joining{streams: inForce}
	for s := range listed {
		if _, ok := inForce[s]; !ok {
			inForce[s] = Coverage{Resource: s.resource, Status: NotRecorded}
		}
	}
	order := known.sorted()
	for _, s := range order {
		slices.Sort(listed[s])
		if err := j.list(r, s, listed[s], info.Start, true); err != nil {
			return err
		}
	}
	for _, c := range slices.SortedStableFunc(maps.Values(inForce), func(a, b Coverage) int { return cmp.Compare(a.Seq, b.Seq) }) {
		c.Seq, c.Time = 0, info.Start // of two that tell as much the later counts
		if err := j.cover(c); err != nil {
			return err
		}
	}
	for s, is := range open { // a list of one namespace may have no line in the ledger
		if _, ok := inForce[s]; is && !ok {
			order = append(order, s)
		}
	}
	slices.SortFunc(order, compareStreams)
	for _, s := range order {
		if inForce[s].Status != Listing && !open[s] {
			continue
		}
		slices.Sort(again[s])
		if err := j.list(r, s, again[s], info.Start, false); err != nil {
			return err
		}
	}
	return nil
}

// list appends a list of objects, at a time.
func (j *joining) list(r *Recording, s stream, seqs []Seq, at time.Time, complete bool) error {
	if err := j.event(Event{Time: at, Type: Relist, Resource: s.resource, Namespace: s.namespace}); err != nil {
		return err
	}
	for _, seq := range seqs {
		e, err := r.Event(seq)
		if err != nil {
			return err
		}
		e.Seq, e.Time, e.Type = 0, at, watch.Added
		if err := j.event(e); err != nil {
			return err
		}
	}
	if !complete {
		return nil
	}
	return j.event(Event{Time: at, Type: watch.Bookmark, Resource: s.resource, Namespace: s.namespace, Object: endOfList})
}

// inForce returns the coverage changes that hold at a position.
func (r *Recording) inForce(at Seq) []Coverage {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ledger.InForce(at)
}

// listsBegun returns where the last list of each stream before a position began.
func (r *Recording) listsBegun(before Seq) (map[stream]Seq, error) {
	begun := map[stream]Seq{}
	for e, err := range r.lists(1, before-1) {
		if err != nil {
			return nil, err
		}
		if e.Type == Relist {
			begun[stream{e.Resource, e.Namespace}] = e.Seq
		}
	}
	return begun, nil
}

// listsOpen returns the streams whose list began before the window of a recording
// and ends in it, or in those after it that continue it.
func listsOpen(r *Recording, later []*Recording) (map[stream]bool, error) {
	open, decided := map[stream]bool{}, map[stream]bool{}
	from, run := r.Info().First, r.Info().Header
	for _, r := range append([]*Recording{r}, later...) {
		info := r.Info()
		if info.Run() != run.Run() || info.First > from {
			break
		}
		for e, err := range r.lists(from, info.Last) {
			if err != nil {
				return nil, err
			}
			s := stream{e.Resource, e.Namespace}
			ends := e.Type == watch.Bookmark && bytes.Contains(e.Object, []byte(InitialEventsEnd))
			if decided[s] || e.Type != Relist && !ends {
				continue
			}
			open[s], decided[s] = ends, true
		}
		from = max(from, info.Last+1)
	}
	return open, nil
}

// lists yields the beginnings of lists and the bookmarks between two positions.
func (r *Recording) lists(from, to Seq) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		bookmark, err := block.TagOf(watch.Bookmark)
		if err != nil {
			yield(Event{}, err)
			return
		}
		for from <= to {
			b, err := r.block(from)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, entry := range b.Entries {
				tag := entry.Tag & block.TagType
				if entry.Seq < from || entry.Seq > to || !entry.IsEvent() || tag != block.TagRelist && tag != bookmark {
					continue
				}
				if e, err := r.Event(entry.Seq); !yield(e, err) || err != nil {
					return
				}
			}
			from = b.Last() + 1
		}
	}
}

// aside takes over marks and clocks.
func (j *joining) aside(r *Recording) error {
	clocks, err := r.Clocks()
	if err != nil {
		return err
	}
	marks, err := r.Marks()
	if err != nil {
		return err
	}
	seen := func(m Mark) bool {
		return slices.ContainsFunc(j.marks, func(o Mark) bool {
			return o.Time.Equal(m.Time) && o.Text == m.Text && o.Author == m.Author
		})
	}
	for _, m := range marks {
		if !seen(m) {
			j.marks = append(j.marks, m)
		}
	}
	for _, c := range clocks {
		if c == j.clock { // an excerpt has the last sample before its window too
			continue
		}
		j.clock = c
		if err := j.w.Clock(c); err != nil {
			return err
		}
	}
	return nil
}

// sum adds up counts by class.
func sum(all ...map[string]uint64) map[string]uint64 {
	var total map[string]uint64
	for _, counts := range all {
		for class, n := range counts {
			if total == nil {
				total = map[string]uint64{}
			}
			total[class] += n
		}
	}
	return total
}
