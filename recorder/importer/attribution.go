package importer

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// Base is the recording that an audit log is about. *store.Recording is one.
type Base interface {
	Info() store.Info
	Events(from, to store.Seq) iter.Seq2[store.Event, error]
	Ledger(from, to store.Seq) ([]store.Coverage, error)
}

// ErrForeign is returned if an audit log cannot be about the same cluster and
// minutes as the recording.
var ErrForeign = errors.New("the audit log does not belong to the recording")

// AttributionCounts says what an audit log tells about a recording.
type AttributionCounts struct {
	ID        string    `json:"id"` // of the recording
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Requests  int       `json:"requests"`  // that are added
	Writers   int       `json:"writers"`   // of them, those that wrote a version that was recorded
	Unchanged int       `json:"unchanged"` // of them, those that changed nothing
	Refused   int       `json:"refused"`   // of them, those that the API server refused
	Outside   int       `json:"outside"`   // requests that are left out: not in that time, or about nothing that was recorded
	Known     int       `json:"known"`     // requests that were in the recording before
	// ClockAhead is by how many seconds the clock of the API server is ahead of the
	// recorder's. Times of requests are moved by as much.
	ClockAhead float64 `json:"clockAheadSeconds"`
}

// Attribution tells by an audit log who made what a recording shows. What was
// recorded stays as it is: requests are added, each right before the version that
// it wrote. Of objects that only the log has nothing is taken over, so that the
// coverage of the recording, and so every verdict, holds as it did.
//
// The writer of a version is the first request that returned it. A write that
// changes nothing returns the version that was there (GuaranteedUpdate in
// k8s.io/apiserver/pkg/storage/etcd3 leaves etcd alone then). Requests that cannot
// be ordered are credited with nothing.
type Attribution struct {
	Counts   AttributionCounts
	evidence *Evidence
	base     Base
	hash     maphash.Seed
	places   map[uint64]place // by the order of the record
	offset   time.Duration    // that is added to times of the log
	known    map[uint64]bool  // auditIDs of requests that the recording has
	covered  map[schema.GroupResource]map[string]bool
	objects  map[uint64]bool // of a recording that was cut down to subjects; nil otherwise
}

// place is what is known of a request that returned a recorded version.
type place struct {
	seq   store.Seq // of the version that it wrote; 0 if it is not its writer
	doubt bool      // whether it wrote it is not known
	noop  bool
	twice bool // another line has the same request
}

// version is where a version of an object is in the recording.
type version struct {
	hash   uint64
	seq    store.Seq
	at     int64 // microseconds
	listed bool  // it was found by a list: it may be much older
}

// candidate is a request that returned a recorded version.
type candidate struct {
	version  int // its index
	order    uint64
	from, to int64 // microseconds: it was received, and answered
	source   int
	who      uint64
	creates  bool
}

// NewAttribution finds out what the audit log in the evidence tells about a
// recording. The evidence must have been read with Options.Requests.
func NewAttribution(ctx context.Context, e *Evidence, base Base) (*Attribution, error) {
	info := base.Info()
	a := &Attribution{
		evidence: e, base: base, hash: maphash.MakeSeed(), places: map[uint64]place{}, known: map[uint64]bool{},
		covered: map[schema.GroupResource]map[string]bool{}, Counts: AttributionCounts{ID: info.ID, From: info.Start.UTC(), To: info.End.UTC()},
	}
	log := e.plan.log
	switch {
	case log.from.IsZero():
		return nil, fmt.Errorf("%w: there are no requests in it", ErrForeign)
	case e.plan.clusterUID != "" && info.Cluster.UID != "" && e.plan.clusterUID != info.Cluster.UID:
		return nil, fmt.Errorf("%w: it is of cluster %s, the recording of %s", ErrForeign, e.plan.clusterUID, info.Cluster.UID)
	case log.to.Before(info.Start.Add(-mostAhead)) || log.from.After(info.End.Add(mostAhead)):
		return nil, fmt.Errorf("%w: it is from %s to %s, the recording from %s to %s", ErrForeign,
			log.from.UTC().Format(time.RFC3339), log.to.UTC().Format(time.RFC3339), info.Start.UTC().Format(time.RFC3339), info.End.UTC().Format(time.RFC3339))
	}
	ledger, err := base.Ledger(0, info.Last)
	if err != nil {
		return nil, err
	}
	for _, c := range ledger {
		gr := c.Resource.GroupResource()
		if a.covered[gr] == nil {
			a.covered[gr] = map[string]bool{}
		}
		if c.Status != store.Forbidden && c.Status != store.NotRecorded {
			a.covered[gr][c.Namespace] = true
		}
	}
	versions, err := a.versions(ctx, &info)
	if err != nil {
		return nil, err
	}
	if err := a.match(ctx, versions); err != nil {
		return nil, err
	}
	return a, a.count(ctx)
}

// mostAhead is how far the clocks of the API server and of the recorder may be
// apart.
const mostAhead = time.Hour

// versions reads the recording once, and returns the first appearance of each of
// its versions by their hash.
func (a *Attribution) versions(ctx context.Context, info *store.Info) ([]version, error) {
	if info.Source != nil && len(info.Source.Subjects) > 0 {
		a.objects = map[uint64]bool{}
	}
	type stream struct {
		resource  schema.GroupVersionResource
		namespace string
	}
	listing := map[stream]bool{}
	var all []version
	for e, err := range a.base.Events(1, info.Last) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		switch {
		case e.Type == store.Relist:
			listing[stream{e.Resource, e.Namespace}] = true
		case e.Type == watch.Bookmark:
			delete(listing, stream{e.Resource, e.Namespace})
		case !e.IsObject():
		case e.Resource == store.Requests:
			var r store.Request
			if json.Unmarshal(e.Object, &r) == nil && r.AuditID != "" {
				a.known[a.sum(r.AuditID)] = true
			}
		default:
			gr := e.Resource.GroupResource()
			if a.objects != nil {
				a.objects[a.sum(gr.Group, gr.Resource, e.Namespace, e.Name)] = true
			}
			if e.ResourceVersion != "" {
				all = append(all, version{
					a.sum(gr.Group, gr.Resource, e.Namespace, e.Name, string(e.UID), e.ResourceVersion), e.Seq, e.Time.UnixMicro(),
					e.Seq < info.First || listing[stream{e.Resource, ""}] || listing[stream{e.Resource, e.Namespace}],
				})
			}
		}
	}
	slices.SortFunc(all, func(x, y version) int { return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.seq, y.seq)) })
	return slices.CompactFunc(all, func(x, y version) bool { return x.hash == y.hash }), nil
}

func (a *Attribution) sum(words ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(a.hash)
	for _, w := range words {
		_, _ = h.WriteString(w)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// match finds for each version the request that wrote it.
func (a *Attribution) match(ctx context.Context, versions []version) error {
	written := 0 // requests that wrote a version of something that was recorded, during the recording
	var all []candidate
	seen := map[uint64]bool{} // one request may be in several files
	for r, err := range a.requests() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if r.Request.Version == "" || r.UID == "" {
			continue
		}
		if !r.Time.Before(a.Counts.From) && !r.Time.After(a.Counts.To) {
			written++
		}
		h := a.sum(r.Resource.Group, r.Resource.Resource, r.Namespace, r.Name, r.UID, r.Request.Version)
		i, found := slices.BinarySearchFunc(versions, h, func(v version, h uint64) int { return cmp.Compare(v.hash, h) })
		if !found {
			continue
		}
		if id := a.sum(r.Request.AuditID); r.Request.AuditID != "" {
			if seen[id] {
				a.places[r.order] = place{twice: true}
				continue
			}
			seen[id] = true
		}
		all = append(all, candidate{
			version: i, order: r.order, from: earliest(&r).UnixMicro(), to: r.Time.UnixMicro(), source: r.Source,
			who: a.sum(r.Request.User, r.Request.Impersonated), creates: r.Request.Verb == "create" && r.Request.Subresource == "",
		})
	}
	if written >= foreignWrites && len(all) == 0 {
		return fmt.Errorf("%w: none of %d writes in it was recorded", ErrForeign, written)
	}
	slices.SortFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.version, y.version), cmp.Compare(x.to, y.to), cmp.Compare(x.order, y.order))
	})
	a.align(all, versions)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].version == all[0].version {
			n++
		}
		a.credit(all[:n], &versions[all[0].version])
		all = all[n:]
	}
	return nil
}

// align finds out how far the clocks are apart: by what is usual between the
// answer to the first request that returned a version, and the version's arrival
// at the recorder. Candidates are sorted by version and time.
func (a *Attribution) align(all []candidate, versions []version) {
	var apart []int64
	for i, c := range all {
		if v := &versions[c.version]; !v.listed && (i == 0 || all[i-1].version != c.version) {
			apart = append(apart, v.at-c.to)
		}
	}
	if len(apart) == 0 {
		return
	}
	slices.Sort(apart)
	a.offset = time.Duration(apart[len(apart)/2]) * time.Microsecond
	if a.offset.Abs() > mostAhead { // what is that far apart says nothing about clocks
		a.offset = 0
	}
	a.Counts.ClockAhead = (-a.offset).Round(time.Millisecond).Seconds()
}

// credit decides which of the requests that returned one version wrote it. They
// are sorted by when they were answered.
func (a *Attribution) credit(all []candidate, v *version) {
	writer := 0
	for i, c := range all {
		if c.creates { // there was nothing before it
			writer = i
			break
		}
	}
	first := &all[writer]
	seen := v.at - a.offset.Microseconds() // by the clock of the API server
	early, late := first.from > seen+jitter.Microseconds(), seen-first.to > mostLate.Microseconds()
	rival := false
	for i := range all {
		c := &all[i]
		if i == writer {
			continue
		}
		switch {
		case first.creates, first.precedes(c), c.from > seen+jitter.Microseconds() && !v.listed:
			a.places[c.order] = place{noop: true} // the version was there when it was asked for
		default:
			rival = rival || c.who != first.who
			a.places[c.order] = place{seq: v.seq, doubt: true}
		}
	}
	switch {
	case first.creates, !rival && !v.listed && !early && !late:
		a.places[first.order] = place{seq: v.seq}
	case early && !v.listed:
		a.places[first.order] = place{noop: true} // the version was seen before it was asked for
	case rival && !late && !v.listed:
		a.places[first.order] = place{seq: v.seq, doubt: true}
	default: // what it returned may be much older
		a.places[first.order] = place{doubt: true}
	}
}

const (
	// jitter is how much later than its usual delay a version may have been asked
	// for and still be the one that was seen.
	jitter = time.Second
	// mostLate is how long after the answer a recorder may see what was written.
	mostLate = 10 * time.Second
	// apartClocks is how far the clocks of two API servers may be apart.
	apartClocks = time.Second
	// slowest is how long a request may take from being received to its answer.
	slowest = time.Minute
)

// precedes reports whether one request was answered before another was received:
// then what it wrote was there.
func (c *candidate) precedes(o *candidate) bool {
	return c.to+margin(c.source, o.source).Microseconds() <= o.from
}

// margin is what the times of two lines must be apart to have an order. Each API
// server has its log, and its clock.
func margin(source, other int) time.Duration {
	if source == other {
		return 0
	}
	return apartClocks
}

// earliest is when the API server took up a request, or the longest before if the
// log does not say.
func earliest(r *Record) time.Time {
	if r.Received.IsZero() || r.Received.After(r.Time) {
		return r.Time.Add(-slowest)
	}
	return r.Received
}

// began is when the API server took up a request: before what it wrote was seen
// by anybody, where the time at which it answered may be after.
func began(r *Record) time.Time {
	if !r.Received.IsZero() && r.Received.Before(r.Time) {
		return r.Received
	}
	return r.Time
}

// count counts what is added.
func (a *Attribution) count(ctx context.Context) error {
	for r, err := range a.requests() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		p := a.places[r.order]
		switch {
		case p.twice:
			continue
		case r.Request.AuditID != "" && a.known[a.sum(r.Request.AuditID)]:
			a.Counts.Known++
			continue
		case p.seq == 0 && !a.during(&r):
			a.Counts.Outside++
			continue
		case p.seq != 0 && !p.doubt:
			a.Counts.Writers++
		case p.noop:
			a.Counts.Unchanged++
		case r.Kind == Refused:
			a.Counts.Refused++
		}
		a.Counts.Requests++
	}
	return nil
}

// foreignWrites is how many writes of recorded objects make it certain, if none
// was recorded, that it is another cluster's log.
const foreignWrites = 5

// requests yields the records that say who asked for what about an object that
// is recorded, by time.
func (a *Attribution) requests() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r, err := range a.evidence.spool.all() {
			if err == nil && (r.Request == nil || r.Name == "" || r.Time.IsZero() || !a.holds(&r)) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// holds reports whether the recording is about the object of a record.
func (a *Attribution) holds(r *Record) bool {
	gr := r.Resource.GroupResource()
	if a.objects != nil {
		return a.objects[a.sum(gr.Group, gr.Resource, r.Namespace, r.Name)]
	}
	return a.covered[gr][""] || a.covered[gr][r.Namespace]
}

func (a *Attribution) during(r *Record) bool {
	at := began(r).Add(a.offset)
	return !at.Before(a.Counts.From) && !at.After(a.Counts.To)
}

// Weaker returns the policy of redaction that holds for both: for what was
// recorded, and for what is added to it.
func Weaker(recorded, added store.Redaction) store.Redaction {
	recorded.Shared = "" // users and addresses are added
	order := []string{"none", "patterns", "standard", "shape"}
	if slices.Index(order, added.Policy) < slices.Index(order, recorded.Policy) {
		recorded.Policy, recorded.Version = added.Policy, added.Version
	}
	return recorded
}

// Insertion returns what puts the requests between the positions of the
// recording, for store.Interleave. Stop must be called at the end.
func (a *Attribution) Insertion(ctx context.Context) (insertion store.Insertion, stop func()) {
	w := &attributing{Attribution: a, matched: map[store.Seq][]Record{}, requested: map[objectKey]bool{}}
	w.next, stop = iter.Pull2(a.requests())
	last := a.base.Info().Last
	return func(sink store.Appender, seq store.Seq, at time.Time) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.sink = sink
		if err := w.before(seq, at); err != nil || seq <= last {
			return err
		}
		return w.finish(at)
	}, stop
}

// attributing puts requests between positions.
type attributing struct {
	*Attribution
	sink      store.Appender
	next      func() (Record, error, bool)
	ahead     *Record // that was read and is later than what is written
	ended     bool
	waiting   byBegin                // whose result is not known
	matched   map[store.Seq][]Record // by the event that they wrote
	requested map[objectKey]bool
	begun     bool // the log
	over      bool
}

// before writes the requests that come before a position.
func (w *attributing) before(seq store.Seq, at time.Time) error {
	log := w.evidence.plan.log
	if !w.begun && !at.Before(log.from.Add(w.offset)) {
		w.begun = true
		if err := w.cover(log.from.Add(w.offset), store.Writes, "audit log"); err != nil {
			return err
		}
	}
	if err := w.read(seq, at); err != nil {
		return err
	}
	for len(w.waiting) > 0 && !began(&w.waiting[0]).Add(w.offset).After(at) {
		r := heap.Pop(&w.waiting).(Record)
		r.Time = began(&r).Add(w.offset)
		if err := w.request(&r); err != nil {
			return err
		}
	}
	if w.begun && !w.over && at.After(log.to.Add(w.offset)) {
		w.over = true
		if err := w.cover(log.to.Add(w.offset), store.Gap, "the audit log ends"); err != nil {
			return err
		}
	}
	for _, r := range w.matched[seq] {
		r.Time = at
		if err := w.request(&r); err != nil {
			return err
		}
	}
	delete(w.matched, seq)
	return nil
}

// read reads so far ahead that no request is missed that began before.
func (w *attributing) read(seq store.Seq, at time.Time) error {
	for !w.ended {
		if w.ahead == nil {
			r, err, more := w.next()
			if err != nil {
				return err
			}
			if !more {
				w.ended = true
				return nil
			}
			w.ahead = &r
		}
		if w.ahead.Time.Add(w.offset).After(at.Add(slowest)) {
			return nil
		}
		r := *w.ahead
		w.ahead, r.Object = nil, nil
		p := w.places[r.order]
		if p.twice || r.Request.AuditID != "" && w.known[w.sum(r.Request.AuditID)] {
			continue
		}
		switch {
		case p.noop:
			r.Request.Effect = store.Unchanged
		case p.doubt:
			r.Request.Version = "" // who of several wrote it is not known
		}
		if p.seq >= seq {
			w.matched[p.seq] = append(w.matched[p.seq], r)
		} else if w.during(&r) {
			heap.Push(&w.waiting, r)
		}
	}
	return nil
}

func (w *attributing) request(r *Record) error {
	object, err := r.requestObject()
	if err != nil {
		return err
	}
	key := objectKey{r.Namespace, store.RequestName(r.Resource, r.Name)}
	kind := watch.Modified
	if !w.requested[key] {
		w.requested[key], kind = true, watch.Added
	}
	_, err = w.sink.Append(store.Event{Time: r.Time, Type: kind, Resource: store.Requests, Namespace: key.namespace, Name: key.name, Object: object})
	return err
}

func (w *attributing) cover(at time.Time, status store.Status, reason string) error {
	_, err := w.sink.Cover(store.Coverage{Time: at, Resource: store.Requests, Status: status, Reason: reason})
	return err
}

// finish ends the ledger of requests.
func (w *attributing) finish(at time.Time) error {
	if !w.begun || w.over {
		return nil
	}
	return w.cover(at, store.Gap, store.Stopped)
}

// byBegin is a heap of records by when they were received.
type byBegin []Record

func (b byBegin) Len() int { return len(b) }
func (b byBegin) Less(i, j int) bool {
	return cmp.Or(began(&b[i]).Compare(began(&b[j])), cmp.Compare(b[i].order, b[j].order)) < 0
}
func (b byBegin) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *byBegin) Push(x any)   { *b = append(*b, x.(Record)) }
func (b *byBegin) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}
