package cause

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
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// What happened that Kubernetes Events alone tell.

// scaled names the autoscaler that changed the replicas of a workload: a write
// through the scale subresource names at most the controller manager.
func (r *Relations) scaled(c *change.Change) {
	byScale := c.Writer != nil && c.Writer.Subresource == "scale" && c.Writer.Manager == "kube-controller-manager"
	if c.Writer != nil && !byScale || c.Path != "/spec/replicas" {
		return
	}
	for _, ref := range r.Refs {
		if ref.Resource.Resource != "horizontalpodautoscalers" {
			continue
		}
		o := r.State.Get(ref)
		if o == nil {
			continue
		}
		if of := analyzer.As[autoscalingv2.HorizontalPodAutoscaler](o).Spec.ScaleTargetRef; of.Name != c.Ref.Name || replay.Workloads[of.Kind] != c.Ref.Resource {
			continue
		}
		for _, event := range r.State.List(store.Query{Resource: replay.KubernetesEvents, Namespace: ref.Namespace, Involved: o.UID}) {
			e := analyzer.As[corev1.Event](event)
			// The latest of several alike, or the first: a repeated one counts up.
			near := slices.ContainsFunc([]time.Time{e.FirstTimestamp.Time, e.LastTimestamp.Time}, func(t time.Time) bool {
				return t.Sub(c.ObservedAt).Abs() < OneAct
			})
			if e.Reason == "SuccessfulRescale" && near && strings.HasPrefix(e.Message, fmt.Sprintf("New size: %s;", change.Text(c.New))) {
				c.NamedBy = event.Seq
				c.Writer = &change.Writer{Manager: cmp.Or(e.ReportingController, e.Source.Component), Operation: "Update", Subresource: "scale", Time: e.LastTimestamp.UTC()}
				return
			}
		}
	}
}

// preemptors adds what the scheduler removed Pods of the reach for. Its Events
// name the other Pod by its UID alone, so all Pods are looked at, in the rare
// case that there is such an Event.
func (r *Relations) preemptors() {
	wanted := map[types.UID]bool{}
	for uid, p := range r.Pods {
		if d := disruption(p); d == nil || d.Reason != corev1.PodReasonPreemptionByScheduler {
			continue
		}
		for _, o := range r.State.List(store.Query{Resource: replay.KubernetesEvents, Namespace: p.Namespace, Involved: uid}) {
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
func (r *Relations) named(uids map[types.UID]bool) []store.Ref {
	var found []store.Ref
	note := func(uid types.UID, ref store.Ref) {
		if uids[uid] {
			delete(uids, uid)
			found = append(found, ref)
		}
	}
	for _, o := range r.State.List(store.Query{Resource: replay.Pods}) {
		note(o.UID, o.Ref())
	}
	if len(uids) > 0 {
		seqs, err := r.State.Timeline().Touched(store.Query{Resource: replay.Pods}, 1, r.State.Seq())
		r.State.Note(err)
		for _, seq := range seqs[max(0, len(seqs)-maxPods*maxVersions):] {
			if e, err := r.State.Timeline().Event(seq); err == nil && e.IsObject() {
				note(e.UID, e.Ref())
			}
		}
	}
	slices.SortFunc(found, func(a, b store.Ref) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return found
}
