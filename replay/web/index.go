package web

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// Class is what an event is, for a reader who wants to know what mattered.
type class uint8

const (
	write     class = iota // somebody, or some tool, changed an object
	created                // an object that was not there before
	deleted                // an object is gone, or its deletion was asked for
	warning                // a Kubernetes Event of type Warning
	notice                 // a Kubernetes Event of type Normal
	derived                // a controller carried out something
	status                 // a report on how things are
	heartbeat              // a renewal that says nothing else
	listed                 // known from a list: no change
	stream                 // of the watch itself: list, bookmark, error
	classes
)

var classNames = [classes]string{"write", "created", "deleted", "warning", "event", "controller", "status", "heartbeat", "listed", "stream"}

// entry is what the index knows of one event.
type entry struct {
	seq   store.Seq
	at    int64 // microseconds
	ref   int32 // in refs, -1 for none
	about int32 // the object that a Kubernetes Event is about, in refs, -1 for none
	who   int32 // in names
	text  int32 // in names: reason and message of a Kubernetes Event
	class class
}

// eventIndex knows of every event what it is about, who wrote it and what it is,
// so that a million events are counted and filtered without reading them. It
// grows; it is safe for concurrent use.
type eventIndex struct {
	timeline replay.Timeline

	mu      sync.RWMutex
	entries []entry
	refs    []store.Ref
	keys    []string // of refs, as the page names them
	byKey   map[string]int32
	byRef   map[int32][]int32 // places in entries, also of Kubernetes Events about the object
	names   []string
	byName  map[string]int32
	upto    store.Seq
	last    map[int32]*writers // of each object's last version
	authors map[int32]bool     // names of those who wrote anything
}

func newIndex(t replay.Timeline) *eventIndex {
	x := &eventIndex{timeline: t, byKey: map[string]int32{}, byRef: map[int32][]int32{}, byName: map[string]int32{}, last: map[int32]*writers{}, authors: map[int32]bool{}}
	x.name("")
	return x
}

// mostNames is how many different writers and messages the index keeps; further
// messages are read when they are shown, and the text filter does not see them.
const mostNames = 500_000

// batch is how many events are indexed under one lock.
const batch = 2000

// grow reads what is new, and calls progress now and then. What cannot be read is
// left out: the page says that the recording is damaged.
func (x *eventIndex) grow(ctx context.Context, progress func(done, total store.Seq)) error {
	last := x.timeline.Info().Last
	x.mu.RLock()
	from := x.upto + 1
	x.mu.RUnlock()
	for from <= last {
		to := min(from+batch-1, last)
		var read []readEvent
		for e, err := range x.timeline.Events(from, to) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				read = append(read, readEvent{e, gistOf(&e)})
			}
		}
		x.mu.Lock()
		for i := range read {
			x.add(&read[i])
		}
		x.upto = to
		x.mu.Unlock()
		if progress != nil {
			progress(to, last)
		}
		from = to + 1
	}
	return ctx.Err()
}

type readEvent struct {
	store.Event
	gist gist
}

// gist is what decides about the class of an event.
type gist struct {
	Metadata struct {
		CreationTimestamp time.Time
		DeletionTimestamp *string
		Generation        int64
		OwnerReferences   []struct{ Controller bool }
		ManagedFields     []struct{ Manager, Operation, Subresource, Time string }
	}
	Type, Reason, Message, Note string
	InvolvedObject, Regarding   struct{ Kind, APIVersion, Namespace, Name string }
}

func gistOf(e *store.Event) (g gist) {
	if e.IsObject() && e.Resource.Resource != "leases" {
		_ = json.Unmarshal(e.Object, &g) // what is no object says nothing, and is a status
	}
	return g
}

// writers are who wrote a version, by its managedFields.
type writers struct {
	uid        string
	generation int64
	deleting   bool
	who        int32
	entries    map[[3]string]string // manager, operation and subresource: time
}

func (x *eventIndex) name(s string) int32 {
	if i, known := x.byName[s]; known {
		return i
	}
	if len(x.names) >= mostNames {
		return 0
	}
	i := int32(len(x.names))
	x.names = append(x.names, s)
	x.byName[s] = i
	return i
}

func (x *eventIndex) refPlace(ref store.Ref) int32 {
	key := keyOf(ref)
	if i, known := x.byKey[key]; known {
		return i
	}
	i := int32(len(x.refs))
	x.refs, x.keys = append(x.refs, ref), append(x.keys, key)
	x.byKey[key] = i
	return i
}

// keyOf names an object as permalinks do: svc/shop/web, deployments.apps/shop/web,
// nodes/n1.
func keyOf(ref store.Ref) string {
	resource := ref.Resource.GroupResource().String()
	if resource == "services" {
		resource = "svc"
	}
	if ref.Namespace != "" {
		return resource + "/" + ref.Namespace + "/" + ref.Name
	}
	return resource + "/" + ref.Name
}

// kinds are the resources that Kubernetes Events are about most, by their kind.
var kinds = map[string]string{
	"Pod": "pods", "Node": "nodes", "Service": "svc", "Deployment": "deployments.apps", "ReplicaSet": "replicasets.apps",
	"StatefulSet": "statefulsets.apps", "DaemonSet": "daemonsets.apps", "Job": "jobs.batch", "CronJob": "cronjobs.batch",
	"HorizontalPodAutoscaler": "horizontalpodautoscalers.autoscaling", "PersistentVolumeClaim": "persistentvolumeclaims",
	"Ingress": "ingresses.networking.k8s.io", "PodDisruptionBudget": "poddisruptionbudgets.policy",
}

// add must be called with the lock held.
func (x *eventIndex) add(e *readEvent) {
	n := entry{seq: e.Seq, at: e.Time.UnixMicro(), ref: -1, about: -1, class: stream}
	if !e.IsObject() {
		n.text = x.name(string(e.Type) + " " + e.Resource.GroupResource().String())
		x.entries = append(x.entries, n)
		return
	}
	n.ref = x.refPlace(e.Ref())
	g := &e.gist
	switch {
	case e.Resource.Resource == "leases":
		n.class = heartbeat
	case e.Resource.Resource == "events":
		n.class = notice
		if g.Type == "Warning" {
			n.class = warning
		}
		if e.Type == watch.Deleted {
			n.class = heartbeat // it has expired
		}
		n.text = x.name(shortened(strings.TrimSpace(g.Reason+": "+g.Message+g.Note), mostMessage))
		about := g.InvolvedObject
		if about.Name == "" {
			about = g.Regarding
		}
		if resource := kinds[about.Kind]; resource != "" {
			key := resource + "/" + about.Name
			if about.Namespace != "" && about.Kind != "Node" {
				key = resource + "/" + about.Namespace + "/" + about.Name
			}
			if place, known := x.byKey[key]; known {
				n.about = place
			}
		}
	default:
		x.classify(e, &n)
	}
	if n.who > 0 {
		x.authors[n.who] = true
	}
	place := int32(len(x.entries))
	x.entries = append(x.entries, n)
	x.byRef[n.ref] = append(x.byRef[n.ref], place)
	if n.about >= 0 {
		x.byRef[n.about] = append(x.byRef[n.about], place)
	}
}

// mostMessage is how much of a Kubernetes Event's message the index keeps.
const mostMessage = 240

func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// classify says what a version of an object is, and who wrote it, by what is new
// in its managedFields. What a single change did exactly, package change says.
func (x *eventIndex) classify(e *readEvent, n *entry) {
	m := &e.gist.Metadata
	now := &writers{uid: string(e.UID), generation: m.Generation, deleting: m.DeletionTimestamp != nil, entries: map[[3]string]string{}}
	before := x.last[n.ref]
	if before != nil && before.uid != now.uid {
		before = nil
	}
	// Of the new entries the newest is the writer, one of the object before one of
	// a subresource.
	manager, sub, when := "", "", ""
	for _, f := range m.ManagedFields {
		id := [3]string{f.Manager, f.Operation, f.Subresource}
		now.entries[id] = f.Time
		if before != nil && before.entries[id] == f.Time {
			continue
		}
		if manager == "" || f.Time > when || f.Time == when && sub != "" && f.Subresource == "" {
			manager, sub, when = f.Manager, f.Subresource, f.Time
		}
	}
	n.who = x.name(manager)
	now.who = n.who
	controlled := slices.ContainsFunc(m.OwnerReferences, func(o struct{ Controller bool }) bool { return o.Controller })
	byController := manager != "" && change.IsController(&change.Writer{Manager: manager}) || controlled ||
		slices.Contains(change.DerivedResources, e.Resource.Resource)
	info := x.timeline.Info()
	switch {
	case e.Type == watch.Deleted:
		n.class = deleted
		n.who = 0
		delete(x.last, n.ref)
		if byController {
			n.class = derived
		}
		return
	case before == nil && (e.Type == watch.Modified || m.CreationTimestamp.Before(info.Began().Truncate(time.Second))):
		n.class = listed
	case before == nil:
		n.class = created
		if byController {
			n.class = derived
		}
	case now.deleting && !before.deleting:
		n.class, n.who = deleted, 0
		if controlled {
			n.class = derived
		}
	case e.Type == watch.Added && before.generation == now.generation:
		n.class = listed
	case sub == "status" || manager == "" && before.generation == now.generation:
		n.class = status
	case byController:
		n.class = derived
	case manager == "": // a field was removed, or two writes fell into one second
		n.class, n.who = write, before.who
	default:
		n.class = write
	}
	x.last[n.ref] = now
}

// selection says which events are meant.
type selection struct {
	from, to   int64  // microseconds, both included
	text       string // in lower case: part of a name, a writer or a message
	namespace  string
	kind       string // a resource, such as pods
	who        string
	object     string   // a key: the object, and the Kubernetes Events about it
	objects    []string // keys; nil is all
	classes    [classes]bool
	anyClasses bool
}

// matcher decides about entries with work done once for each object and name.
type matcher struct {
	x            *eventIndex
	s            *selection
	refs, names  []int8 // 0 not known, 1 no, 2 yes
	objects      []bool // by place in refs; nil is all
	who          int32
	unknownOwner bool
}

// matcher must be used with the lock held.
func (x *eventIndex) matcher(s *selection) *matcher {
	m := &matcher{x: x, s: s, refs: make([]int8, len(x.refs)), names: make([]int8, len(x.names)), who: -1}
	wanted := s.objects
	if s.object != "" {
		wanted = []string{s.object}
	}
	if wanted != nil {
		m.objects = make([]bool, len(x.refs))
		for _, key := range wanted {
			if place, known := x.byKey[key]; known {
				m.objects[place] = true
			}
		}
	}
	if s.who != "" {
		place, known := x.byName[s.who]
		m.who, m.unknownOwner = place, !known
	}
	return m
}

func (m *matcher) match(e *entry) bool {
	s := m.s
	if s.anyClasses && !s.classes[e.class] || m.unknownOwner || m.who >= 0 && e.who != m.who {
		return false
	}
	if m.objects != nil && (e.ref < 0 || !m.objects[e.ref]) && (e.about < 0 || !m.objects[e.about]) {
		return false
	}
	if s.namespace != "" || s.kind != "" {
		if e.ref < 0 {
			return false
		}
		ref := &m.x.refs[e.ref]
		if s.namespace != "" && ref.Namespace != s.namespace || s.kind != "" && ref.Resource.Resource != s.kind {
			return false
		}
	}
	return s.text == "" || m.named(e.ref) || m.named(e.about) || m.says(e.who) || m.says(e.text)
}

func (m *matcher) named(ref int32) bool {
	if ref < 0 {
		return false
	}
	if m.refs[ref] == 0 {
		m.refs[ref] = 1
		if strings.Contains(strings.ToLower(m.x.keys[ref]), m.s.text) {
			m.refs[ref] = 2
		}
	}
	return m.refs[ref] == 2
}

func (m *matcher) says(name int32) bool {
	if name == 0 {
		return false
	}
	if m.names[name] == 0 {
		m.names[name] = 1
		if strings.Contains(strings.ToLower(m.x.names[name]), m.s.text) {
			m.names[name] = 2
		}
	}
	return m.names[name] == 2
}

// between returns the places of the first entry in a time and of the first after
// it. It must be called with the lock held.
func (x *eventIndex) between(from, to int64) (int, int) {
	first, _ := slices.BinarySearchFunc(x.entries, from, func(e entry, at int64) int { return compare(e.at, at) })
	after, _ := slices.BinarySearchFunc(x.entries, to+1, func(e entry, at int64) int { return compare(e.at, at) })
	return first, max(first, after)
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// bins are counts of events in equal parts of a time.
type bins struct {
	From   int64 `json:"from"`
	To     int64 `json:"to"`
	All    []int `json:"all"`
	Writes []int `json:"writes"` // by people and tools: changes, creations and deletions
	Warns  []int `json:"warnings"`
	Total  int   `json:"total"`
	Ready  bool  `json:"ready"` // false while events are still being read
}

func (x *eventIndex) bins(s *selection, n int) bins {
	x.mu.RLock()
	defer x.mu.RUnlock()
	b := bins{From: s.from, To: s.to, All: make([]int, n), Writes: make([]int, n), Warns: make([]int, n), Ready: x.upto >= x.timeline.Info().Last}
	first, after := x.between(s.from, s.to)
	m := x.matcher(s)
	length := max(s.to-s.from, 1)
	for i := first; i < after; i++ {
		e := &x.entries[i]
		if !m.match(e) {
			continue
		}
		at := min(int((e.at-s.from)*int64(n)/length), n-1)
		b.All[at]++
		b.Total++
		switch e.class {
		case write, created, deleted:
			b.Writes[at]++
		case warning:
			b.Warns[at]++
		}
	}
	return b
}

// page returns entries that match, in order: up to limit of them before an event,
// or after it. before and after are exclusive; both 0 is the end of the time.
func (x *eventIndex) page(s *selection, before, after store.Seq, limit int) (found []entry, more bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	first, end := x.between(s.from, s.to)
	m := x.matcher(s)
	if after > 0 {
		for i := x.placeOf(after + 1); i < end; i++ {
			if i >= first && m.match(&x.entries[i]) {
				if len(found) == limit {
					return found, true
				}
				found = append(found, x.entries[i])
			}
		}
		return found, false
	}
	if before > 0 {
		end = min(end, x.placeOf(before))
	}
	for i := end - 1; i >= first; i-- {
		if m.match(&x.entries[i]) {
			if len(found) == limit {
				more = true
				break
			}
			found = append(found, x.entries[i])
		}
	}
	slices.Reverse(found)
	return found, more
}

// placeOf returns the place of the first entry that is not before a position.
func (x *eventIndex) placeOf(seq store.Seq) int {
	i, _ := slices.BinarySearchFunc(x.entries, seq, func(e entry, seq store.Seq) int { return compare(int64(e.seq), int64(seq)) })
	return i
}

// facets returns who wrote anything, the namespaces and the kinds, each in order.
func (x *eventIndex) facets() (who, namespaces, kinds []string) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	writes, spaces, resources := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range x.refs {
		spaces[x.refs[i].Namespace] = true
		resources[x.refs[i].Resource.Resource] = true
	}
	for who := range x.authors {
		writes[x.names[who]] = true
	}
	delete(spaces, "")
	return keys(writes), keys(spaces), keys(resources)
}

// mostChoices is how many values a filter offers.
const mostChoices = 200

func keys(set map[string]bool) []string {
	all := make([]string, 0, len(set))
	for k := range set {
		all = append(all, k)
	}
	slices.Sort(all)
	return all[:min(len(all), mostChoices)]
}

// ref returns the object of a key.
func (x *eventIndex) ref(key string) (store.Ref, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	place, known := x.byKey[key]
	if !known {
		return store.Ref{}, false
	}
	return x.refs[place], true
}
