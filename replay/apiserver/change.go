package apiserver

import (
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// DerivedAnnotation is on the object of a DELETED that was not recorded: the
// recorder had lost its watch, and the next complete list did not have the
// object any more. Its value says between which positions it went.
const DerivedAnnotation = "svcspy.dev/deleted-between"

// change is what a watch tells its clients: a recorded event, with the type it
// has for someone who saw everything before it here, or a derived deletion.
type change struct {
	store.Event
	before func() *store.Event // the version until then, nil if there was none
}

// read returns the changes with after < Seq <= to. What cannot be read is left
// out; the objects it was about appear with their next version.
func (st *stage) read(after, to store.Seq) []*change {
	var changes []*change
	for e, err := range st.timeline.Events(after+1, to) {
		if err != nil {
			continue
		}
		switch {
		case e.IsObject():
			changes = append(changes, st.changesOf(e)...)
		case e.Type == watch.Bookmark:
			if isListEnd(&e) {
				changes = append(changes, st.vanished(&e)...)
			}
			changes = append(changes, &change{Event: e})
		}
	}
	return changes
}

// changesOf says what an event is to those who know the state before it. As a
// rule it is what it says. But a list that was begun anew repeats what is known,
// and tells of another object under a known name.
func (st *stage) changesOf(e store.Event) []*change {
	c := &change{Event: e, before: sync.OnceValue(func() *store.Event { return st.versionBefore(e.Ref(), e.Seq) })}
	if e.Type == watch.Modified {
		return []*change{c}
	}
	known := c.before()
	switch {
	case known == nil && e.Type == watch.Deleted, known != nil && known.UID == e.UID && known.ResourceVersion == e.ResourceVersion && e.Type == watch.Added:
		return nil
	case known != nil && known.UID != e.UID && e.Type == watch.Added:
		gone := st.gone(known, &e)
		c.before = func() *store.Event { return nil }
		return []*change{gone, c}
	case known != nil && e.Type == watch.Added:
		c.Type = watch.Modified
	}
	return []*change{c}
}

// versionBefore returns the version of an object that existed before a
// position.
func (st *stage) versionBefore(ref store.Ref, seq store.Seq) *store.Event {
	seqs, err := st.timeline.Find(store.Query{Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name}, seq-1)
	if err != nil {
		return nil
	}
	for _, s := range seqs {
		if e, err := st.timeline.Event(s); err == nil && e.Namespace == ref.Namespace {
			return &e
		}
	}
	return nil
}

// vanished returns the deletions that the end of a list proves: of what existed
// before it and is not in it.
func (st *stage) vanished(end *store.Event) []*change {
	q := store.Query{Resource: end.Resource, Namespace: end.Namespace}
	before, err := st.timeline.Find(q, end.Seq-1)
	if err != nil {
		return nil
	}
	after, err := st.timeline.Find(q, end.Seq)
	if err != nil {
		return nil
	}
	listed := make(map[store.Seq]bool, len(after))
	for _, seq := range after {
		listed[seq] = true
	}
	var changes []*change
	for _, seq := range before {
		if listed[seq] {
			continue
		}
		if last, err := st.timeline.Event(seq); err == nil {
			changes = append(changes, st.gone(&last, end))
		}
	}
	return changes
}

// gone returns the deletion of an object in its last known state. Like a real
// one it has the resourceVersion at which it is known.
func (st *stage) gone(last, by *store.Event) *change {
	e := *last
	e.Type, e.Seq, e.Time, e.ResourceVersion = watch.Deleted, by.Seq, by.Time, by.ResourceVersion
	e.Object = derived(last.Object, by.ResourceVersion, fmt.Sprintf("%d-%d", last.Seq, by.Seq))
	return &change{Event: e, before: func() *store.Event { return last }}
}

// derived returns a copy of an object with another resourceVersion and the
// DerivedAnnotation; the object itself if it cannot be decoded.
func derived(object []byte, resourceVersion, between string) []byte {
	var o map[string]any
	if json.Unmarshal(object, &o) != nil {
		return object
	}
	metadata, _ := o["metadata"].(map[string]any)
	if metadata == nil {
		return object
	}
	metadata["resourceVersion"] = resourceVersion
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[DerivedAnnotation] = between
	b, err := json.Marshal(o)
	if err != nil {
		return object
	}
	return b
}

// isListEnd reports whether a bookmark ends a list.
func isListEnd(e *store.Event) bool {
	return len(rawjson.Member(rawjson.Member(rawjson.Member(e.Object, "metadata"), "annotations"), store.InitialEventsEnd)) > 0
}
