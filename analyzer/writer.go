package analyzer

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// writer is who last wrote a field, as managedFields tell: a tool, not a
// person. Deletions leave no writer.
type writer struct {
	manager, operation, subresource string
	time                            time.Time
}

func (w *writer) String() string {
	if w.subresource != "" && w.subresource != "status" {
		return fmt.Sprintf("%s (%s)", w.manager, w.subresource)
	}
	return w.manager
}

// writerOf returns the newest manager of a field, given as its keys in
// fieldsV1 ("f:spec", "f:replicas"); nil if nobody is known.
func writerOf(m *metav1.ObjectMeta, path ...string) *writer {
	var newest *writer
	for i := range m.ManagedFields {
		f := &m.ManagedFields[i]
		if f.Time == nil || f.FieldsV1 == nil || !owns(f.FieldsV1.GetRawBytes(), path) {
			continue
		}
		if newest == nil || f.Time.After(newest.time) {
			newest = &writer{f.Manager, string(f.Operation), f.Subresource, f.Time.Time}
		}
	}
	return newest
}

func owns(fields json.RawMessage, path []string) bool {
	for _, key := range path {
		var level map[string]json.RawMessage
		if json.Unmarshal(fields, &level) != nil {
			return false
		}
		next, ok := level[key]
		if !ok {
			return false
		}
		fields = next
	}
	return true
}
