package apiserver

import (
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// selected is what a list or watch asks for: a place, and selectors.
type selected struct {
	resource  *resource
	namespace string
	name      string
	labels    labels.Selector    // nil: any
	fields    fields.Selector    // nil: any
	values    map[string]valueOf // of the fields in it
}

// valueOf reads the value of a field from an object.
type valueOf func(object []byte) string

// newSelected checks that the selectors are ones the recorded API server would
// take. columns are the selectable fields of a custom resource.
func newSelected(res *resource, q query, opts *internalversion.ListOptions, custom []string) (*selected, error) {
	s := &selected{resource: res, namespace: q.namespace, name: q.name, values: map[string]valueOf{}}
	if opts.LabelSelector != nil && !opts.LabelSelector.Empty() {
		s.labels = opts.LabelSelector
	}
	if opts.FieldSelector == nil || opts.FieldSelector.Empty() {
		return s, nil
	}
	s.fields = opts.FieldSelector
	for _, r := range s.fields.Requirements() {
		value, err := fieldOf(res, r.Field, custom)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		s.values[r.Field] = value
	}
	if name, ok := s.fields.RequiresExactMatch("metadata.name"); ok {
		if q.name != "" && name != q.name {
			return nil, apierrors.NewBadRequest("fieldSelector metadata.name doesn't match requested name")
		}
		s.name = name
	} else if q.name != "" {
		return nil, apierrors.NewBadRequest("fieldSelector metadata.name doesn't match requested name")
	}
	return s, nil
}

// String names the list: the resource, the namespace and the selectors.
func (s *selected) String() string {
	text := s.resource.gvr.GroupVersion().String() + " " + s.resource.Name
	if s.namespace != "" {
		text += " in " + s.namespace
	}
	if s.name != "" {
		text += " named " + s.name
	}
	if s.labels != nil {
		text += " with labels " + s.labels.String()
	}
	if s.fields != nil {
		text += " with fields " + s.fields.String()
	}
	return text
}

// query is what the recording's index can answer of it.
func (s *selected) query() store.Query {
	q := store.Query{Resource: s.resource.gvr, Namespace: s.namespace, Name: s.name}
	if s.fields != nil {
		if ns, ok := s.fields.RequiresExactMatch("metadata.namespace"); ok && q.Namespace == "" {
			q.Namespace = ns
		}
		if uid, ok := s.fields.RequiresExactMatch("involvedObject.uid"); ok && uid != "" {
			q.Involved = types.UID(uid)
		}
	}
	if s.labels == nil {
		return q
	}
	requirements, _ := s.labels.Requirements()
	for _, r := range requirements {
		value, one := r.Values().PopAny()
		if equal := r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals; equal && one {
			if q.Labels == nil {
				q.Labels = map[string]string{}
			}
			q.Labels[r.Key()] = value
		}
	}
	return q
}

// everything reports whether nothing but the place selects.
func (s *selected) everything() bool { return s.labels == nil && s.fields == nil }

// matches reports whether the version of an object is asked for.
func (s *selected) matches(e *store.Event) bool {
	if e == nil || s.namespace != "" && e.Namespace != s.namespace || s.name != "" && e.Name != s.name {
		return false
	}
	if s.labels != nil {
		var set labels.Set
		if raw := rawjson.Member(rawjson.Member(e.Object, "metadata"), "labels"); raw != nil && json.Unmarshal(raw, &set) != nil {
			return false
		}
		if !s.labels.Matches(set) {
			return false
		}
	}
	if s.fields == nil {
		return true
	}
	set := make(fields.Set, len(s.values))
	for field, value := range s.values {
		set[field] = value(e.Object)
	}
	return s.fields.Matches(set)
}

// fieldOf returns how to read a field, or the error the API server has for one
// that does not select this resource.
func fieldOf(res *resource, field string, custom []string) (valueOf, error) {
	gr := res.gvr.GroupResource()
	value, listed := selectable[gr][field]
	switch {
	case value != nil:
		return value, nil
	case listed: // explicitly not
	case field == "metadata.name", field == "metadata.namespace" && res.Namespaced:
		return at(field), nil
	}
	for _, path := range custom {
		if path == "."+field {
			return at(field), nil
		}
	}
	switch {
	case gr == schema.GroupResource{Group: "batch", Resource: "jobs"}:
		return nil, fmt.Errorf("field label %q not supported for Job", field)
	case gr == schema.GroupResource{Group: "resource.k8s.io", Resource: "resourceslices"}:
		return nil, fmt.Errorf("field label not supported for %s: %s", res.gvr.GroupVersion().WithKind(res.Kind), field)
	case selectable[gr] != nil, custom != nil:
		return nil, fmt.Errorf("field label not supported: %s", field)
	case field == "metadata.namespace":
		return at(field), nil
	}
	return nil, fmt.Errorf(`%q is not a known field selector: only "metadata.name", "metadata.namespace"`, field)
}

// at returns the value at a path, "" if there is none.
func at(path string) valueOf {
	return func(object []byte) string { return rawjson.Text(object, path) }
}

// orElse returns the value at a path, or what it stands for where it is left
// out.
func orElse(path, absent string) valueOf {
	return func(object []byte) string {
		if v := rawjson.Text(object, path); v != "" {
			return v
		}
		return absent
	}
}

// never is a field that may be asked for and that no object has.
func never([]byte) string { return "" }

// selectable are the fields that select, beside name and namespace: the field
// label conversions and the ToSelectableFields of Kubernetes' registries; nil is
// a field that other resources have and this one refuses
// (pkg/apis/*/v1/conversion.go, pkg/registry/*/*/strategy.go).
var selectable = map[schema.GroupResource]map[string]valueOf{
	{Resource: "pods"}: {
		"spec.nodeName":            at("spec.nodeName"),
		"spec.host":                at("spec.nodeName"), // its name in v1beta
		"spec.restartPolicy":       at("spec.restartPolicy"),
		"spec.schedulerName":       at("spec.schedulerName"),
		"spec.serviceAccountName":  at("spec.serviceAccountName"),
		"spec.hostNetwork":         orElse("spec.hostNetwork", "false"),
		"status.phase":             at("status.phase"),
		"status.podIP":             at("status.podIP"),
		"status.podIPs":            never, // accepted, but never filled in
		"status.nominatedNodeName": at("status.nominatedNodeName"),
	},
	{Resource: "nodes"}:                  {"spec.unschedulable": orElse("spec.unschedulable", "false")},
	{Resource: "replicationcontrollers"}: {"status.replicas": orElse("status.replicas", "0")},
	{Resource: "namespaces"}:             {"status.phase": at("status.phase")},
	{Resource: "secrets"}:                {"type": at("type")},
	{Resource: "services"}:               {"spec.clusterIP": at("spec.clusterIP"), "spec.type": at("spec.type")},
	{Resource: "events"}: {
		"involvedObject.kind":            at("involvedObject.kind"),
		"involvedObject.namespace":       at("involvedObject.namespace"),
		"involvedObject.name":            at("involvedObject.name"),
		"involvedObject.uid":             at("involvedObject.uid"),
		"involvedObject.apiVersion":      at("involvedObject.apiVersion"),
		"involvedObject.resourceVersion": at("involvedObject.resourceVersion"),
		"involvedObject.fieldPath":       at("involvedObject.fieldPath"),
		"reason":                         at("reason"),
		"reportingComponent":             at("reportingComponent"),
		"type":                           at("type"),
		"source": func(object []byte) string {
			if component := rawjson.Text(object, "source.component"); component != "" {
				return component
			}
			return rawjson.Text(object, "reportingComponent")
		},
	},
	{Group: "batch", Resource: "jobs"}:                              {"status.successful": orElse("status.succeeded", "0")},
	{Group: "certificates.k8s.io", Resource: "clustertrustbundles"}: {"spec.signerName": at("spec.signerName")},
	{Group: "certificates.k8s.io", Resource: "podcertificaterequests"}: {
		"spec.nodeName":      at("spec.nodeName"),
		"spec.podName":       at("spec.podName"),
		"spec.signerName":    at("spec.signerName"),
		"metadata.namespace": nil,
	},
	{Group: "resource.k8s.io", Resource: "resourceslices"}: {
		"spec.nodeName": at("spec.nodeName"), "spec.driver": at("spec.driver"), "spec.pool.name": at("spec.pool.name"),
	},
}
