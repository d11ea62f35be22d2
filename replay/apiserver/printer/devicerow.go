package printer

import (
	"strings"
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	storagemigrationv1 "k8s.io/api/storagemigration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func resourceClaimCells(c *resourcev1.ResourceClaim, at time.Time) []any {
	var states []string
	if c.DeletionTimestamp != nil {
		states = append(states, "deleted")
	}
	switch {
	case c.Status.Allocation != nil:
		states = append(states, "allocated")
		if len(c.Status.ReservedFor) > 0 {
			states = append(states, "reserved")
		}
	case c.DeletionTimestamp == nil:
		states = append(states, "pending")
	}
	return []any{c.Name, strings.Join(states, ","), age(c.CreationTimestamp, at)}
}

func resourceSliceCells(s *resourcev1.ResourceSlice, at time.Time) []any {
	return []any{s.Name, value(s.Spec.NodeName, ""), s.Spec.Driver, s.Spec.Pool.Name, age(s.CreationTimestamp, at)}
}

func deviceTaintCells(r *resourcev1.DeviceTaintRule, at time.Time) []any {
	added := ""
	if r.Spec.Taint.TimeAdded != nil {
		added = age(*r.Spec.Taint.TimeAdded, at)
	}
	return []any{r.Name, r.Spec.Taint.Key, r.Spec.Taint.Value, string(r.Spec.Taint.Effect), added, age(r.CreationTimestamp, at)}
}

func migrationCells(m *storagemigrationv1.StorageVersionMigration, _ time.Time) []any {
	status := "Unknown"
	for _, c := range m.Status.Conditions {
		switch {
		case c.Status != metav1.ConditionTrue:
		case c.Type == "Running", c.Type == "Failed", c.Type == "Succeeded":
			status = c.Type
		}
	}
	return []any{m.Name, schema.GroupResource{Group: m.Spec.Resource.Group, Resource: m.Spec.Resource.Resource}.String(), status}
}
