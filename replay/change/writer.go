package change

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Writer is who wrote a field, as managedFields tell: a tool, not a person.
// Time has a resolution of one second.
type Writer struct {
	Manager     string    `json:"manager"`
	Operation   string    `json:"operation"` // Update or Apply
	Subresource string    `json:"subresource,omitempty"`
	Time        time.Time `json:"time,omitzero"`
}

// sameWrite is how long after the time of an entry, which is cut to the second,
// the write that set it may be observed.
const sameWrite = 3 * time.Second

// WriterOf returns who made the change from one version to the other: the
// manager whose fields cover most of what changed, the newest among equals. An
// entry that the change itself wrote goes before one that was there already. It
// has no counterpart in the version before, or owns a changed field that its
// counterpart did not own: a write through a subresource may leave no time. Two
// writes of one second leave one entry, so one of that second counts, too. It
// also answers for fields that were removed, which nobody owns any more. A write
// to the main resource is not told of by an entry of a subresource that owns
// nothing of it, and nothing tells of a Pod being bound: that is nil, not
// somebody who wrote at another time.
func WriterOf(before, after *metav1.ObjectMeta, changed []Field, observed time.Time) *Writer {
	var all, kept []fieldpath.Path // what changed, and of that what is there now
	for i := range changed {
		path := changed[i].FieldPath()
		if all = append(all, path); changed[i].New != nil {
			kept = append(kept, path)
		}
	}
	var best *metav1.ManagedFieldsEntry
	var score [3]int64
	for i := range after.ManagedFields {
		e := &after.ManagedFields[i]
		if e.FieldsV1 == nil {
			continue
		}
		written, paths := int64(0), kept
		switch was := counterpart(before, e); {
		case before == nil, was == nil, e.Time != nil && !was.Time.Equal(e.Time):
			written, paths = 1, all
		case coverage(e, kept) > coverage(was, kept):
			written = 1 // the field is new in it
		case e.Time == nil, observed.Sub(e.Time.Time) > sameWrite:
			continue // it owned the field before, and wrote at another time
		}
		covered := coverage(e, paths)
		if covered == 0 && (written == 0 || (e.Subresource == "status") != onlyStatus(changed)) {
			continue
		}
		s := [3]int64{written, covered, 0}
		if e.Time != nil {
			s[2] = e.Time.Unix()
		}
		if best == nil || slices.Compare(s[:], score[:]) > 0 {
			best, score = e, s
		}
	}
	if best == nil {
		return nil
	}
	w := &Writer{Manager: best.Manager, Operation: string(best.Operation), Subresource: best.Subresource}
	if best.Time != nil {
		w.Time = best.Time.UTC()
	}
	return w
}

// counterpart returns the entry of the same manager, operation and subresource in
// the version before, nil if there is none.
func counterpart(before *metav1.ObjectMeta, e *metav1.ManagedFieldsEntry) *metav1.ManagedFieldsEntry {
	if before == nil {
		return nil
	}
	for i := range before.ManagedFields {
		b := &before.ManagedFields[i]
		if b.Manager == e.Manager && b.Operation == e.Operation && b.Subresource == e.Subresource && b.APIVersion == e.APIVersion {
			return b // losing a field to somebody else does not touch its time
		}
	}
	return nil
}

// coverage is how well an entry covers the paths: the lengths of what it owns
// of each, so that owning a field counts more than owning the map around it.
func coverage(e *metav1.ManagedFieldsEntry, paths []fieldpath.Path) int64 {
	if e.FieldsV1 == nil {
		return 0
	}
	set := fieldpath.NewSet()
	if err := set.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())); err != nil {
		return 0
	}
	sum := 0
	for _, p := range paths {
		at := set
		for i, element := range p {
			if at.Members.Has(element) {
				sum += i + 1
			}
			child, below := at.Children.Get(element)
			if !below {
				break
			}
			if at = child; i == len(p)-1 {
				sum += i + 1 // owns something in a part that appeared as a whole
			}
		}
	}
	return int64(sum)
}

func onlyStatus(changed []Field) bool {
	return len(changed) > 0 && !slices.ContainsFunc(changed, func(f Field) bool { return f.Top() != "status" })
}

// Top is the first field of the path.
func (f *Field) Top() string {
	if len(f.Steps) == 0 {
		return ""
	}
	return f.Steps[0].Field
}

// Metadata decodes the metadata of an object.
func Metadata(object []byte) (*metav1.ObjectMeta, error) {
	var o struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(object, &o); err != nil {
		return nil, err
	}
	return &o.Metadata, nil
}
