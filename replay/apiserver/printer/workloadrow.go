package printer

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"
)

func deploymentCells(d *appsv1.Deployment, at time.Time) []any {
	names, images := containers(d.Spec.Template.Spec.Containers)
	selector := "<invalid>"
	if s, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err == nil {
		selector = s.String()
	}
	return []any{
		d.Name, readyOf(d.Status.ReadyReplicas, value(d.Spec.Replicas, 0)),
		int64(d.Status.UpdatedReplicas), int64(d.Status.AvailableReplicas), age(d.CreationTimestamp, at),
		names, images, selector,
	}
}

func replicaSetCells(r *appsv1.ReplicaSet, at time.Time) []any {
	names, images := containers(r.Spec.Template.Spec.Containers)
	return []any{
		r.Name, int64(value(r.Spec.Replicas, 0)), int64(r.Status.Replicas), int64(r.Status.ReadyReplicas), age(r.CreationTimestamp, at),
		names, images, metav1.FormatLabelSelector(r.Spec.Selector),
	}
}

func replicationControllerCells(r *corev1.ReplicationController, at time.Time) []any {
	var names, images string
	if r.Spec.Template != nil {
		names, images = containers(r.Spec.Template.Spec.Containers)
	}
	return []any{
		r.Name, int64(value(r.Spec.Replicas, 0)), int64(r.Status.Replicas), int64(r.Status.ReadyReplicas), age(r.CreationTimestamp, at),
		names, images, labels.FormatLabels(r.Spec.Selector),
	}
}

func statefulSetCells(s *appsv1.StatefulSet, at time.Time) []any {
	names, images := containers(s.Spec.Template.Spec.Containers)
	return []any{s.Name, readyOf(s.Status.ReadyReplicas, value(s.Spec.Replicas, 0)), age(s.CreationTimestamp, at), names, images}
}

func daemonSetCells(d *appsv1.DaemonSet, at time.Time) []any {
	names, images := containers(d.Spec.Template.Spec.Containers)
	return []any{
		d.Name, int64(d.Status.DesiredNumberScheduled), int64(d.Status.CurrentNumberScheduled), int64(d.Status.NumberReady),
		int64(d.Status.UpdatedNumberScheduled), int64(d.Status.NumberAvailable),
		labels.FormatLabels(d.Spec.Template.Spec.NodeSelector), age(d.CreationTimestamp, at),
		names, images, metav1.FormatLabelSelector(d.Spec.Selector),
	}
}

func controllerRevisionCells(r *appsv1.ControllerRevision, at time.Time) []any {
	controller := none
	if owner := metav1.GetControllerOf(r); owner != nil {
		gv, _ := schema.ParseGroupVersion(owner.APIVersion) // malformed: no group
		controller = strings.ToLower(gv.WithKind(owner.Kind).GroupKind().String()) + "/" + owner.Name
	}
	return []any{r.Name, controller, r.Revision, age(r.CreationTimestamp, at)}
}

func jobCells(j *batchv1.Job, at time.Time) []any {
	completions := fmt.Sprintf("%d/1", j.Status.Succeeded)
	if j.Spec.Completions != nil {
		completions = fmt.Sprintf("%d/%d", j.Status.Succeeded, *j.Spec.Completions)
	} else if n := value(j.Spec.Parallelism, 0); n > 1 {
		completions = fmt.Sprintf("%s of %d", completions, n)
	}
	took := ""
	if j.Status.StartTime != nil {
		took = duration.HumanDuration(value(j.Status.CompletionTime, metav1.Time{Time: at}).Sub(j.Status.StartTime.Time))
	}
	names, images := containers(j.Spec.Template.Spec.Containers)
	return []any{
		j.Name, jobStatus(j), completions, took, age(j.CreationTimestamp, at),
		names, images, metav1.FormatLabelSelector(j.Spec.Selector),
	}
}

func jobStatus(j *batchv1.Job) string {
	holds := func(kind batchv1.JobConditionType) bool {
		for _, c := range j.Status.Conditions {
			if c.Type == kind {
				return c.Status == corev1.ConditionTrue
			}
		}
		return false
	}
	switch {
	case holds(batchv1.JobComplete):
		return "Complete"
	case holds(batchv1.JobFailed):
		return "Failed"
	case j.DeletionTimestamp != nil:
		return "Terminating"
	case holds(batchv1.JobSuspended):
		return "Suspended"
	case holds(batchv1.JobFailureTarget):
		return "FailureTarget"
	case holds(batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	}
	return "Running"
}

func cronJobCells(c *batchv1.CronJob, at time.Time) []any {
	last, suspended := none, unset
	if c.Status.LastScheduleTime != nil {
		last = age(*c.Status.LastScheduleTime, at)
	}
	if c.Spec.Suspend != nil {
		suspended = map[bool]string{true: "True", false: "False"}[*c.Spec.Suspend]
	}
	names, images := containers(c.Spec.JobTemplate.Spec.Template.Spec.Containers)
	return []any{
		c.Name, c.Spec.Schedule, value(c.Spec.TimeZone, none), suspended, int64(len(c.Status.Active)), last, age(c.CreationTimestamp, at),
		names, images, metav1.FormatLabelSelector(c.Spec.JobTemplate.Spec.Selector),
	}
}

func podTemplateCells(p *corev1.PodTemplate, _ time.Time) []any {
	names, images := containers(p.Template.Spec.Containers)
	return []any{p.Name, names, images, labels.FormatLabels(p.Template.Labels)}
}

func disruptionBudgetCells(b *policyv1.PodDisruptionBudget, at time.Time) []any {
	least, most := "N/A", "N/A"
	if b.Spec.MinAvailable != nil {
		least = b.Spec.MinAvailable.String()
	}
	if b.Spec.MaxUnavailable != nil {
		most = b.Spec.MaxUnavailable.String()
	}
	return []any{b.Name, least, most, int64(b.Status.DisruptionsAllowed), age(b.CreationTimestamp, at)}
}

func autoscalerCells(h *autoscalingv2.HorizontalPodAutoscaler, at time.Time) []any {
	least := unset
	if h.Spec.MinReplicas != nil {
		least = fmt.Sprint(*h.Spec.MinReplicas)
	}
	var targets []string
	for i := range h.Spec.Metrics {
		var current autoscalingv2.MetricStatus
		if i < len(h.Status.CurrentMetrics) {
			current = h.Status.CurrentMetrics[i]
		}
		targets = append(targets, metricTarget(&h.Spec.Metrics[i], &current))
	}
	return []any{
		h.Name, h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name, few(targets, 2, ", ", none),
		least, int64(h.Spec.MaxReplicas), int64(h.Status.CurrentReplicas), age(h.CreationTimestamp, at),
	}
}

// metricTarget shows a metric as current/wanted.
func metricTarget(m *autoscalingv2.MetricSpec, now *autoscalingv2.MetricStatus) string {
	switch {
	case m.Type == autoscalingv2.ExternalMetricSourceType && m.External != nil:
		var current *autoscalingv2.MetricValueStatus
		if now.External != nil {
			current = &now.External.Current
		}
		return quantityTarget(&m.External.Target, current)
	case m.Type == autoscalingv2.ObjectMetricSourceType && m.Object != nil:
		var current *autoscalingv2.MetricValueStatus
		if now.Object != nil {
			current = &now.Object.Current
		}
		return quantityTarget(&m.Object.Target, current)
	case m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil:
		current := unknown
		if now.Pods != nil {
			current = now.Pods.Current.AverageValue.String()
		}
		return current + "/" + m.Pods.Target.AverageValue.String()
	case m.Type == autoscalingv2.ResourceMetricSourceType && m.Resource != nil:
		var current *autoscalingv2.MetricValueStatus
		if now.Resource != nil {
			current = &now.Resource.Current
		}
		return string(m.Resource.Name) + ": " + utilizationTarget(&m.Resource.Target, current)
	case m.Type == autoscalingv2.ContainerResourceMetricSourceType && m.ContainerResource != nil:
		var current *autoscalingv2.MetricValueStatus
		if now.ContainerResource != nil {
			current = &now.ContainerResource.Current
		}
		return string(m.ContainerResource.Name) + ": " + utilizationTarget(&m.ContainerResource.Target, current)
	}
	return "<unknown type>"
}

func quantityTarget(target *autoscalingv2.MetricTarget, current *autoscalingv2.MetricValueStatus) string {
	now := unknown
	if target.AverageValue != nil {
		if current != nil && current.AverageValue != nil {
			now = current.AverageValue.String()
		}
		return now + "/" + target.AverageValue.String() + " (avg)"
	}
	if current != nil {
		now = current.Value.String()
	}
	return now + "/" + target.Value.String()
}

func utilizationTarget(target *autoscalingv2.MetricTarget, current *autoscalingv2.MetricValueStatus) string {
	now, wanted := unknown, "<auto>"
	if target.AverageValue != nil {
		if current != nil {
			now = current.AverageValue.String()
		}
		return now + "/" + target.AverageValue.String()
	}
	if current != nil && current.AverageUtilization != nil {
		now = fmt.Sprintf("%d%%", *current.AverageUtilization)
	}
	if target.AverageUtilization != nil {
		wanted = fmt.Sprintf("%d%%", *target.AverageUtilization)
	}
	return now + "/" + wanted
}

func readyOf(ready, wanted int32) string { return fmt.Sprintf("%d/%d", ready, wanted) }
