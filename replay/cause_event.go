package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// What happened that Kubernetes Events alone tell.

// scaled names the autoscaler that changed the replicas of a workload: a write
// through the scale subresource leaves no manager behind.
func (r *reach) scaled(c *Change) {
	if c.Writer != nil || c.Path != "/spec/replicas" {
		return
	}
	for _, ref := range r.refs {
		if ref.Resource.Resource != "horizontalpodautoscalers" {
			continue
		}
		o := r.state.Get(ref)
		if o == nil {
			continue
		}
		if of := analyzer.As[autoscalingv2.HorizontalPodAutoscaler](o).Spec.ScaleTargetRef; of.Name != c.ref.Name || workloads[of.Kind] != c.ref.Resource {
			continue
		}
		for _, event := range r.state.List(store.Query{Resource: eventResource, Namespace: ref.Namespace, Involved: o.UID}) {
			e := analyzer.As[corev1.Event](event)
			// The latest of several alike, or the first: a repeated one counts up.
			near := slices.ContainsFunc([]time.Time{e.FirstTimestamp.Time, e.LastTimestamp.Time}, func(t time.Time) bool {
				return t.Sub(c.ObservedAt).Abs() < oneAct
			})
			if e.Reason == "SuccessfulRescale" && near && strings.HasPrefix(e.Message, fmt.Sprintf("New size: %s;", scalar(c.New))) {
				c.told = event.Seq
				c.Writer = &Writer{Manager: cmp.Or(e.ReportingController, e.Source.Component), Operation: "Update", Subresource: "scale", Time: e.LastTimestamp.UTC()}
				return
			}
		}
	}
}

// preemptors adds what the scheduler removed Pods of the reach for. Its Events
// name the other Pod by its UID alone, so all Pods are looked at, in the rare
// case that there is such an Event.
func (r *reach) preemptors() {
	wanted := map[types.UID]bool{}
	for uid, p := range r.pods {
		if d := disruption(p); d == nil || d.Reason != corev1.PodReasonPreemptionByScheduler {
			continue
		}
		for _, o := range r.state.List(store.Query{Resource: eventResource, Namespace: p.Namespace, Involved: uid}) {
			e := analyzer.As[corev1.Event](o)
			if by, ok := strings.CutPrefix(e.Message, "Preempted by pod "); ok && e.Reason == "Preempted" {
				by, _, _ = strings.Cut(by, " ")
				wanted[types.UID(by)] = true
				r.add(o.Ref())
			}
		}
	}
	if len(wanted) == 0 {
		return
	}
	for _, ref := range r.named(wanted) {
		r.add(ref)
		top := r.top(ref)
		r.add(top)
		r.preempted[top] = true
	}
}

// named finds Pods by their UIDs, also those that are gone, in order.
func (r *reach) named(uids map[types.UID]bool) []store.Ref {
	var found []store.Ref
	note := func(uid types.UID, ref store.Ref) {
		if uids[uid] {
			delete(uids, uid)
			found = append(found, ref)
		}
	}
	for _, o := range r.state.List(store.Query{Resource: podResource}) {
		note(o.UID, o.Ref())
	}
	if len(uids) > 0 {
		seqs, err := r.state.Timeline().Touched(store.Query{Resource: podResource}, 1, r.state.Seq())
		r.state.Note(err)
		for _, seq := range seqs[max(0, len(seqs)-maxPods*maxVersions):] {
			if e, err := r.state.Timeline().Event(seq); err == nil && e.IsObject() {
				note(e.UID, e.Ref())
			}
		}
	}
	slices.SortFunc(found, func(a, b store.Ref) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return found
}
