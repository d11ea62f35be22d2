package importer

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// blind says that nothing is known of anything from an instant on.
func (w *writing) blind(at time.Time, why string) error {
	w.now = at
	for _, gr := range w.plan.sorted() {
		for _, ns := range slices.Sorted(maps.Keys(w.scopes[gr])) {
			s := w.scopes[gr][ns]
			s.blind = why
			if err := w.cover(w.gvr(gr), ns, store.Coverage{Time: at, Status: store.Gap, Reason: why}); err != nil {
				return err
			}
		}
	}
	return nil
}

// told says what is known of a namespace and of the cluster, if that changed.
func (w *writing) told(gr schema.GroupResource, namespace string) error {
	if err := w.say(gr, ""); err != nil || namespace == "" {
		return err
	}
	return w.say(gr, namespace)
}

// say writes into the ledger what is known of a scope, if that changed.
func (w *writing) say(gr schema.GroupResource, namespace string) error {
	c := w.status(gr, namespace)
	s := w.scope(gr, namespace)
	if namespace != "" && s.said.Status == "" && c.Status == w.scope(gr, "").said.Status && c.Reason == w.scope(gr, "").said.Reason {
		return nil // what is said of the cluster holds
	}
	if s.said.Status == c.Status && s.said.Reason == c.Reason {
		return nil
	}
	return w.cover(w.gvr(gr), namespace, c)
}

// status is what is known of a scope by the audit log.
func (w *writing) status(gr schema.GroupResource, namespace string) store.Coverage {
	rp, s := w.plan.resources[gr], w.scope(gr, namespace)
	c := store.Coverage{Time: w.now}
	switch proof := rp.scopes[namespace]; {
	case s.blind != "":
		c.Status, c.Reason = store.Unseen, s.blind
	case w.plan.history.has(w.now):
		c.Status, c.Reason = rp.ofHistory(&w.plan.history)
	case w.plan.omission(gr, rp, namespace) != "":
		c.Status, c.Reason = store.Unseen, w.plan.omission(gr, rp, namespace)
	case rp.written == 0 && rp.unseen == 0:
		c.Status, c.Reason = store.Derived, "the audit log has no writes of them"
		if rp.listed > 0 {
			c.Status, c.Reason = store.Writes, "from a later list: they were not changed before"
			if s.listed {
				c.Status, c.Reason = store.Unseen, "a list, and nothing tells what changed since"
			}
		}
	case rp.written == 0:
		c.Status, c.Reason = store.Unseen, "the audit log leaves out what is written"
	case rp.hidden:
		c.Status, c.Reason = store.Unseen, "the audit log leaves out some writes"
	case !rp.follows(gr):
		c.Status, c.Reason = store.Unseen, "the audit log leaves out writes of the status"
	case s.unknown > 0:
		c.Status, c.Reason = store.Unseen, "a write whose content was not logged"
	case proof != nil && proof.proven && !w.now.Before(proof.from):
		c.Status, c.Reason = store.Current, proof.why
	default:
		c.Status, c.Reason = store.Writes, "audit log"
	}
	return c
}

// ofHistory is what is known of a resource by etcd.
func (rp *resourcePlan) ofHistory(h *history) (store.Status, string) {
	switch {
	case !h.whole:
		return store.Unseen, "the etcd snapshot is damaged"
	case rp.hidden:
		return store.Unseen, "some of them cannot be read in the etcd snapshot"
	case len(rp.versions) > 1:
		return store.Unseen, "etcd has some of them in another version"
	}
	return store.Revisions, "etcd snapshot"
}

func (w *writing) cover(gvr schema.GroupVersionResource, namespace string, c store.Coverage) error {
	c.Resource, c.Namespace = gvr, namespace
	if gvr != store.Requests {
		w.scope(gvr.GroupResource(), namespace).said = c
	}
	_, err := w.sink.Cover(c)
	return err
}
