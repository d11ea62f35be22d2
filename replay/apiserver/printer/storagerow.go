package printer

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// storageClasses shows StorageClasses; in a list, the one a claim without a
// class gets is marked.
func storageClasses() Printer {
	p := rows(storageClassCells, "Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age")
	p.Preferred = defaultStorageClass
	return p
}

func storageClassCells(c *storagev1.StorageClass, at time.Time) []any {
	return []any{
		c.Name, c.Provisioner, string(value(c.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)),
		string(value(c.VolumeBindingMode, storagev1.VolumeBindingImmediate)), value(c.AllowVolumeExpansion, false), age(c.CreationTimestamp, at),
	}
}

// defaultStorageClass is the youngest that is annotated as the default, the
// first by name of equally young ones.
func defaultStorageClass(items []store.Event) string {
	name, created := "", ""
	for i := range items {
		annotations := rawjson.Member(rawjson.Member(items[i].Object, "metadata"), "annotations")
		if rawjson.Scalar(rawjson.Member(annotations, "storageclass.kubernetes.io/is-default-class")) != "true" &&
			rawjson.Scalar(rawjson.Member(annotations, "storageclass.beta.kubernetes.io/is-default-class")) != "true" {
			continue
		}
		// RFC 3339 in UTC and whole seconds sorts as text.
		at := rawjson.Text(items[i].Object, "metadata.creationTimestamp")
		if name == "" || at > created || at == created && items[i].Name < name {
			name, created = items[i].Name, at
		}
	}
	return name
}

func volumeCells(v *corev1.PersistentVolume, at time.Time) []any {
	capacity := v.Spec.Capacity[corev1.ResourceStorage]
	claim := ""
	if ref := v.Spec.ClaimRef; ref != nil {
		claim = ref.Namespace + "/" + ref.Name
	}
	phase := string(v.Status.Phase)
	if v.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	class, old := v.Annotations[corev1.BetaStorageClassAnnotation]
	if !old {
		class = v.Spec.StorageClassName
	}
	return []any{
		v.Name, capacity.String(), accessModes(v.Spec.AccessModes), string(v.Spec.PersistentVolumeReclaimPolicy), phase, claim, class,
		value(v.Spec.VolumeAttributesClassName, unset), v.Status.Reason, age(v.CreationTimestamp, at), string(value(v.Spec.VolumeMode, unset)),
	}
}

func claimCells(c *corev1.PersistentVolumeClaim, at time.Time) []any {
	phase, capacity, modes := string(c.Status.Phase), "", ""
	if c.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	if c.Spec.VolumeName != "" {
		size := c.Status.Capacity[corev1.ResourceStorage]
		capacity, modes = size.String(), accessModes(c.Status.AccessModes)
	}
	class, old := c.Annotations[corev1.BetaStorageClassAnnotation]
	if !old {
		class = value(c.Spec.StorageClassName, "")
	}
	return []any{
		c.Name, phase, c.Spec.VolumeName, capacity, modes, class,
		value(c.Spec.VolumeAttributesClassName, unset), age(c.CreationTimestamp, at), string(value(c.Spec.VolumeMode, unset)),
	}
}

func attachmentCells(a *storagev1.VolumeAttachment, at time.Time) []any {
	return []any{
		a.Name, a.Spec.Attacher, value(a.Spec.Source.PersistentVolumeName, ""), a.Spec.NodeName, a.Status.Attached, age(a.CreationTimestamp, at),
	}
}

func attributesClassCells(c *storagev1.VolumeAttributesClass, at time.Time) []any {
	return []any{c.Name, c.DriverName, age(c.CreationTimestamp, at)}
}

func csiNodeCells(n *storagev1.CSINode, at time.Time) []any {
	return []any{n.Name, int64(len(n.Spec.Drivers)), age(n.CreationTimestamp, at)}
}

func csiDriverCells(d *storagev1.CSIDriver, at time.Time) []any {
	var modes, audiences []string
	for _, m := range d.Spec.VolumeLifecycleModes {
		modes = append(modes, string(m))
	}
	for _, r := range d.Spec.TokenRequests {
		audiences = append(audiences, r.Audience)
	}
	tokens := strings.Join(audiences, ",")
	if d.Spec.TokenRequests == nil {
		tokens = unset
	}
	return []any{
		d.Name, value(d.Spec.AttachRequired, true), value(d.Spec.PodInfoOnMount, false), value(d.Spec.StorageCapacity, false),
		tokens, value(d.Spec.RequiresRepublish, false), or(strings.Join(modes, ","), none), age(d.CreationTimestamp, at),
	}
}
