package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// commitBytes is how much waits for a commit.
const commitBytes = 4 << 20

// Header returns what the recording says about the cluster; ID, Recorder and
// Redaction are the caller's.
func (e *Evidence) Header() store.Header {
	return store.Header{Start: e.plan.all.from, Cluster: store.Cluster{UID: e.plan.clusterUID}, Scope: store.Scope{Profile: "imported"}, Resources: e.plan.discovery()}
}

// Write writes the recording. It does not seal it.
func (e *Evidence) Write(ctx context.Context, sink Sink) (end time.Time, err error) {
	w := &writing{plan: e.plan, sink: sink, scopes: map[schema.GroupResource]map[string]*scopeState{}, objects: map[schema.GroupResource]map[objectKey]*objectState{}, listing: map[listKey]bool{}, finals: newFinals()}
	if !e.plan.log.from.IsZero() {
		w.logBegins = e.plan.log.from
	}
	for r, err := range ordered(e.spool.all()) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && r.Time.IsZero() {
			continue // it was counted
		}
		if err == nil {
			err = w.reach(e, r.Time)
		}
		if err == nil {
			err = w.take(&r)
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("write the recording: %w", err)
		}
	}
	if err := w.finish(); err != nil {
		return time.Time{}, fmt.Errorf("write the recording: %w", err)
	}
	return e.plan.all.to, nil
}

// writing is the last pass: events and the ledger.
type writing struct {
	plan      *plan
	sink      Sink
	now       time.Time
	logBegins time.Time // zero if it has begun, or there is none
	logEnded  bool
	silences  int // that have begun
	scopes    map[schema.GroupResource]map[string]*scopeState
	objects   map[schema.GroupResource]map[objectKey]*objectState
	listing   map[listKey]bool // lists that have begun
	requested map[objectKey]bool
	finals    *finals
}

type listKey struct {
	resource  schema.GroupResource
	source    int
	namespace string
}

// objectState is what is known of an object while it is written.
type objectState struct {
	uid, version string
	present      bool
	auditID      string    // of the request that returned version first
	answered     time.Time // that request
	source       int       // of that request
	unknown      bool      // its content is not known any more, or not yet
	removed      string
}

// scopeState is what is known of a scope while it is written.
type scopeState struct {
	unknown int    // objects whose content is not known
	blind   string // why nothing is known any more; "" if it is
	said    store.Coverage
	instant time.Time // of the last list
	listed  bool
}

func (w *writing) scope(gr schema.GroupResource, namespace string) *scopeState {
	all := w.scopes[gr]
	if all == nil {
		all = map[string]*scopeState{}
		w.scopes[gr] = all
	}
	s := all[namespace]
	if s == nil {
		s = &scopeState{}
		all[namespace] = s
	}
	return s
}

func (w *writing) object(gr schema.GroupResource, key objectKey) *objectState {
	all := w.objects[gr]
	if all == nil {
		all = map[objectKey]*objectState{}
		w.objects[gr] = all
	}
	o := all[key]
	if o == nil {
		o = &objectState{}
		all[key] = o
	}
	return o
}

// reach writes what happens by itself until an instant: the log begins, is
// silent, ends.
func (w *writing) reach(e *Evidence, at time.Time) error {
	w.now = at
	if !w.logBegins.IsZero() && !at.Before(w.logBegins) {
		w.logBegins = time.Time{}
		if err := w.begin(e); err != nil {
			return err
		}
	}
	for w.silences < len(w.plan.silences) && at.After(w.plan.silences[w.silences].from) {
		silence := w.plan.silences[w.silences]
		w.silences++
		if err := w.blind(silence.from, fmt.Sprintf("the audit log says nothing for %s", silence.to.Sub(silence.from).Round(time.Second))); err != nil {
			return err
		}
	}
	if !w.plan.log.to.IsZero() && !w.logEnded && at.After(w.plan.log.to) {
		w.logEnded = true
		return w.blind(w.plan.log.to, "the audit log ends")
	}
	return nil
}

// begin writes what held when the log began.
func (w *writing) begin(e *Evidence) error {
	for gr, all := range w.objects { // from lists before
		for key, o := range all {
			if o.present {
				w.forget(gr, key, o)
			}
		}
	}
	backdated := false
	for _, rp := range w.plan.resources {
		for _, o := range rp.objects {
			backdated = backdated || o.backdate
		}
	}
	if backdated {
		for r, err := range e.spool.all() {
			if err != nil {
				return err
			}
			if r.Kind != Listed {
				continue
			}
			rp := w.plan.resources[r.Resource.GroupResource()]
			o := rp.objects[objectKey{r.Namespace, r.Name}]
			if o == nil || !o.backdate || r.ResourceVersion != o.listed || r.Resource.Version != rp.version {
				continue
			}
			r.Time = w.plan.log.from
			if err := w.append(&r, watch.Added); err != nil {
				return err
			}
		}
	}
	for _, gr := range w.plan.sorted() {
		w.scope(gr, "")
		for ns := range w.plan.resources[gr].scopes {
			w.scope(gr, ns)
		}
		if err := w.say(gr, ""); err != nil {
			return err
		}
	}
	return w.cover(store.Requests, "", store.Coverage{Time: w.now, Status: store.Writes, Reason: "audit log"})
}

func (w *writing) gvr(gr schema.GroupResource) schema.GroupVersionResource {
	return gr.WithVersion(cmp.Or(w.plan.resources[gr].version, "v1"))
}

// take writes one record.
func (w *writing) take(r *Record) error {
	gr := r.Resource.GroupResource()
	rp := w.plan.resources[gr]
	key := objectKey{r.Namespace, r.Name}
	if (r.Kind == Written || r.Kind == Created || r.Kind == Removed && r.Object != nil) && r.Resource.Version != rp.version {
		r.Kind, r.Object = Unseen, nil // written in another version, which is not converted
	}
	if r.Request != nil && r.Name != "" {
		r.credit(w.objects[gr][key])
		if err := w.request(r); err != nil {
			return err
		}
	}
	switch r.Kind {
	case Refused:
		return nil
	case Unseen:
		if r.Name == "" {
			w.scope(gr, r.Namespace).blind = "something was written that the audit log does not name"
			if r.Namespace != "" {
				w.scope(gr, "").blind = "something was written that the audit log does not name"
			}
		} else {
			w.forget(gr, key, w.object(gr, key))
		}
		return w.told(gr, r.Namespace)
	case Listed:
		return w.listed(r, gr, key)
	case ListDone:
		return w.listDone(r, gr)
	}
	o := w.object(gr, key)
	if r.UID != "" && r.UID == o.removed || o.present && o.uid == r.UID && o.version != "" && !o.unknown && !newer(r.ResourceVersion, o.version) && r.Kind != Removed {
		return nil // it came twice, or late, or changed nothing
	}
	if r.Kind == Removed {
		if !o.present && o.removed != "" && (r.UID == "" || r.UID == o.removed) {
			return nil
		}
		if err := w.remove(r, o); err != nil {
			return err
		}
		w.learn(gr, key, o)
		return w.told(gr, r.Namespace)
	}
	kind := watch.Modified
	if !o.present || o.uid != r.UID {
		kind = watch.Added
	}
	if err := w.append(r, kind); err != nil {
		return err
	}
	w.learn(gr, key, o)
	return w.told(gr, r.Namespace)
}

// credit settles whether a request wrote the version that it returned, by what is
// known of the object: a write that changes nothing returns the version that was
// there.
func (r *Record) credit(o *objectState) {
	request := *r.Request
	switch {
	case request.Version == "" || r.Kind == Created || r.Kind == Removed:
		return
	case o != nil && o.present && o.uid == r.UID && o.version == r.ResourceVersion && o.auditID != request.AuditID &&
		!o.answered.Add(margin(o.source, r.Source)).After(earliest(r)):
		request.Effect = store.Unchanged
	case r.contested:
		request.Version = ""
	default:
		return
	}
	r.Request = &request
}

// forget notes that the content of an object is not known.
func (w *writing) forget(gr schema.GroupResource, key objectKey, o *objectState) {
	if o.unknown {
		return
	}
	o.unknown = true
	w.scope(gr, key.namespace).unknown++
	if key.namespace != "" {
		w.scope(gr, "").unknown++
	}
}

// learn notes that the content of an object is known, or that it is gone.
func (w *writing) learn(gr schema.GroupResource, key objectKey, o *objectState) {
	if !o.unknown {
		return
	}
	o.unknown = false
	w.scope(gr, key.namespace).unknown--
	if key.namespace != "" {
		w.scope(gr, "").unknown--
	}
}

// request writes who asked.
func (w *writing) request(r *Record) error {
	object, err := r.requestObject()
	if err != nil {
		return err
	}
	if w.requested == nil {
		w.requested = map[objectKey]bool{}
	}
	key := objectKey{r.Namespace, store.RequestName(r.Resource, r.Name)}
	kind := watch.Modified
	if !w.requested[key] {
		w.requested[key], kind = true, watch.Added
	}
	_, err = w.sink.Append(store.Event{Time: r.Time, Type: kind, Resource: store.Requests, Namespace: key.namespace, Name: key.name, Object: object})
	return err
}

// append writes one version of an object.
func (w *writing) append(r *Record, kind watch.EventType) error {
	gr := r.Resource.GroupResource()
	key := objectKey{r.Namespace, r.Name}
	o := w.object(gr, key)
	o.uid, o.version, o.present, o.removed = r.UID, r.ResourceVersion, kind != watch.Deleted, ""
	o.auditID, o.answered, o.source = "", r.answered, r.Source
	if r.Request != nil {
		o.auditID = r.Request.AuditID
	}
	if kind == watch.Deleted {
		o.removed = r.UID
		w.finals.drop(gr, key)
	} else {
		w.finals.keep(gr, key, r.Object)
	}
	_, err := w.sink.Append(store.Event{
		Time: r.Time, Type: kind, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name,
		UID: types.UID(r.UID), ResourceVersion: r.ResourceVersion, Object: r.Object,
	})
	if err == nil && w.sink.Pending() >= commitBytes {
		err = w.sink.Commit(r.Time)
	}
	return err
}

// remove writes that an object is gone: with its final state, or with the last
// that is known, or with its names only.
func (w *writing) remove(r *Record, o *objectState) error {
	gr := r.Resource.GroupResource()
	r.Resource = w.gvr(gr)
	r.UID = cmp.Or(r.UID, o.uid)
	if len(r.Object) == 0 {
		r.Object = w.finals.last(gr, objectKey{r.Namespace, r.Name})
	}
	if len(r.Object) == 0 {
		names := map[string]string{"name": r.Name, "uid": r.UID}
		if r.Namespace != "" {
			names["namespace"] = r.Namespace
		}
		object, err := json.Marshal(map[string]any{
			"kind": w.plan.resources[gr].kind, "apiVersion": r.Resource.GroupVersion().String(), "metadata": names,
		})
		if err != nil {
			return err
		}
		r.Object = object
	}
	uid := r.UID
	err := w.append(r, watch.Deleted)
	o.removed = cmp.Or(uid, "?")
	return err
}

// listed writes an object of a list, if the log does not know better.
func (w *writing) listed(r *Record, gr schema.GroupResource, key objectKey) error {
	rp := w.plan.resources[gr]
	if r.Resource.Version != rp.version {
		return nil
	}
	if scope, complete := rp.listOf(r); complete {
		k := listKey{gr, r.Source, scope}
		if !w.listing[k] {
			w.listing[k] = true
			if !w.plan.log.has(r.Time) {
				if _, err := w.sink.Append(store.Event{Time: r.Time, Type: store.Relist, Resource: r.Resource, Namespace: scope}); err != nil {
					return err
				}
				if err := w.cover(r.Resource, scope, store.Coverage{Time: r.Time, Status: store.Listing}); err != nil {
					return err
				}
			}
		}
	}
	o := w.object(gr, key)
	inLog := w.plan.log.has(r.Time)
	if inLog && (o.removed != "" && o.removed == r.UID || o.present && !o.unknown && !newer(r.ResourceVersion, o.version)) {
		return nil
	}
	kind := watch.Modified
	if !o.present || o.uid != r.UID || !inLog {
		kind = watch.Added
	}
	if err := w.append(r, kind); err != nil {
		return err
	}
	w.learn(gr, key, o)
	if !inLog {
		return nil
	}
	return w.told(gr, r.Namespace)
}

// listOf returns the scope of the complete list that a record belongs to.
func (rp *resourcePlan) listOf(r *Record) (string, bool) {
	for _, l := range rp.lists {
		if l.source == r.Source && (l.namespace == "" || l.namespace == r.Namespace) {
			return l.namespace, true
		}
	}
	return "", false
}

// listDone ends a list. Outside of the log it is the only evidence, as of its
// instant.
func (w *writing) listDone(r *Record, gr schema.GroupResource) error {
	s := w.scope(gr, r.Namespace)
	s.listed, s.instant = true, r.Time
	if w.plan.log.has(r.Time) {
		return w.told(gr, r.Namespace)
	}
	gvr := w.gvr(gr)
	k := listKey{gr, r.Source, r.Namespace}
	if !w.listing[k] { // it is empty
		w.listing[k] = true
		if _, err := w.sink.Append(store.Event{Time: r.Time, Type: store.Relist, Resource: gvr, Namespace: r.Namespace}); err != nil {
			return err
		}
	}
	bookmark := `{"metadata":{"annotations":{"` + store.InitialEventsEnd + `":"true"}}}`
	if _, err := w.sink.Append(store.Event{Time: r.Time, Type: watch.Bookmark, Resource: gvr, Namespace: r.Namespace, ResourceVersion: r.ResourceVersion, Object: []byte(bookmark)}); err != nil {
		return err
	}
	for key, o := range w.objects[gr] {
		if r.Namespace == "" || key.namespace == r.Namespace {
			w.learn(gr, key, o)
		}
	}
	if w.plan.history.has(r.Time) {
		return w.cover(gvr, r.Namespace, w.status(gr, r.Namespace))
	}
	return w.cover(gvr, r.Namespace, store.Coverage{Time: r.Time, Status: store.Instant, ResourceVersion: r.ResourceVersion, Reason: "one list"})
}

// finish ends the ledger.
func (w *writing) finish() error {
	if err := w.reach(nil, w.plan.all.to); err != nil {
		return err
	}
	for _, gr := range w.plan.sorted() {
		for _, ns := range slices.Sorted(maps.Keys(w.scopes[gr])) {
			if s := w.scopes[gr][ns]; s.said.Status == "" || s.said.Status == store.Gap {
				continue
			}
			if err := w.cover(w.gvr(gr), ns, store.Coverage{Time: w.now, Status: store.Gap, Reason: store.Stopped}); err != nil {
				return err
			}
		}
	}
	return w.sink.Commit(w.now)
}

// discovery is what is known of the cluster's resources.
func (p *plan) discovery() []metav1.APIResource {
	all := []metav1.APIResource{}
	for _, gr := range p.sorted() {
		rp := p.resources[gr]
		if rp.kind == "" || rp.version == "" {
			continue
		}
		all = append(all, metav1.APIResource{
			Group: gr.Group, Version: rp.version, Name: gr.Resource, SingularName: strings.ToLower(rp.kind), Kind: rp.kind, ShortNames: shortNames[gr],
			Namespaced: rp.namespaced, Verbs: metav1.Verbs{"get", "list", "watch"},
		})
	}
	return all
}

// shortNames are those of the kinds that reports are about.
var shortNames = map[schema.GroupResource][]string{
	{Resource: "services"}: {"svc"}, {Resource: "pods"}: {"po"}, {Resource: "nodes"}: {"no"}, {Resource: "namespaces"}: {"ns"},
	{Resource: "configmaps"}: {"cm"}, {Resource: "endpoints"}: {"ep"}, {Resource: "events"}: {"ev"}, {Resource: "resourcequotas"}: {"quota"},
	{Resource: "persistentvolumeclaims"}: {"pvc"}, {Resource: "serviceaccounts"}: {"sa"}, {Resource: "replicationcontrollers"}: {"rc"},
	{Group: "apps", Resource: "deployments"}: {"deploy"}, {Group: "apps", Resource: "replicasets"}: {"rs"},
	{Group: "apps", Resource: "statefulsets"}: {"sts"}, {Group: "apps", Resource: "daemonsets"}: {"ds"},
	{Group: "batch", Resource: "cronjobs"}: {"cj"}, {Group: "autoscaling", Resource: "horizontalpodautoscalers"}: {"hpa"},
	{Group: "policy", Resource: "poddisruptionbudgets"}: {"pdb"}, {Group: "networking.k8s.io", Resource: "ingresses"}: {"ing"},
	{Group: "networking.k8s.io", Resource: "networkpolicies"}: {"netpol"},
}

func kindOf(object []byte) string {
	c := rawjson.Cursor{Text: object}
	if c.Peek() != '{' {
		return ""
	}
	for c.Enter('{'); c.More('}'); {
		if string(c.Key()) == "kind" && c.Peek() == '"' {
			return c.String()
		}
		c.Skip()
	}
	return ""
}
