package moment

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/store"
)

// metadata is what every object has, and what only Kubernetes Events have.
type metadata struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Involved struct {
		Kind string    `json:"kind"`
		Name string    `json:"name"`
		UID  types.UID `json:"uid"`
	} `json:"involvedObject"`
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Count   int    `json:"count"`
}

// MetadataOf reads as much as can be read.
func MetadataOf(object []byte) *metadata {
	m := &metadata{}
	if err := json.Unmarshal(object, m); err != nil {
		return &metadata{} // an object without metadata matches nothing that asks for some
	}
	return m
}

func (m *metadata) matches(q *store.Query) bool {
	for k, v := range q.Labels {
		if got, ok := m.Metadata.Labels[k]; !ok || got != v {
			return false
		}
	}
	if q.Involved != "" && m.Involved.UID != q.Involved {
		return false
	}
	if q.Owner == "" {
		return true
	}
	for _, o := range m.Metadata.OwnerReferences {
		if o.UID == q.Owner {
			return true
		}
	}
	return false
}
