package printer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	nodev1 "k8s.io/api/node/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcspy/svcspy/store/rawjson"
)

func nodeCells(n *corev1.Node, at time.Time) []any {
	status := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type != corev1.NodeReady {
			continue
		}
		if status = "NotReady"; c.Status == corev1.ConditionTrue {
			status = "Ready"
		}
	}
	if n.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	info := n.Status.NodeInfo
	kernel := or(info.KernelVersion, unknown)
	if info.Architecture != "" {
		kernel += " (" + info.Architecture + ")"
	}
	return []any{
		n.Name, status, or(strings.Join(nodeRoles(n), ","), none), age(n.CreationTimestamp, at), info.KubeletVersion,
		nodeAddress(n, corev1.NodeInternalIP), nodeAddress(n, corev1.NodeExternalIP),
		or(info.OSImage, unknown), kernel, or(info.ContainerRuntimeVersion, unknown),
	}
}

// nodeRoles are written into labels, either as part of the key or as the value.
func nodeRoles(n *corev1.Node) []string {
	roles := map[string]bool{}
	for key, v := range n.Labels {
		if role, ok := strings.CutPrefix(key, "node-role.kubernetes.io/"); ok && role != "" {
			roles[role] = true
		}
		if key == "kubernetes.io/role" && v != "" {
			roles[v] = true
		}
	}
	return slices.Sorted(maps.Keys(roles))
}

func nodeAddress(n *corev1.Node, kind corev1.NodeAddressType) string {
	for _, a := range n.Status.Addresses {
		if a.Type == kind {
			return a.Address
		}
	}
	return none
}

func eventCells(e *corev1.Event, at time.Time) []any {
	first := e.FirstTimestamp
	if first.IsZero() {
		first = metav1.Time(e.EventTime)
	}
	last, count := e.LastTimestamp, e.Count
	if last.IsZero() {
		last = first
	}
	if e.Series != nil {
		last, count = metav1.Time(e.Series.LastObservedTime), e.Series.Count
	} else if count == 0 {
		count = 1 // a single Event of the newer API has none
	}
	about := strings.ToLower(e.InvolvedObject.Kind)
	if e.InvolvedObject.Name != "" {
		about += "/" + e.InvolvedObject.Name
	}
	source := or(e.Source.Component, e.ReportingController)
	if host := or(e.Source.Host, e.ReportingInstance); host != "" {
		source += ", " + host
	}
	return []any{
		age(last, at), e.Type, e.Reason, about, e.InvolvedObject.FieldPath, source, strings.TrimSpace(e.Message),
		age(first, at), int64(count), e.Name,
	}
}

func namespaceCells(n *corev1.Namespace, at time.Time) []any {
	return []any{n.Name, string(n.Status.Phase), age(n.CreationTimestamp, at)}
}

// secret is a Secret whose values may be redacted, and thus no longer bytes.
type secret struct {
	metav1.ObjectMeta `json:"metadata"`
	Type              string         `json:"type"`
	Data              map[string]any `json:"data"`
}

func secretCells(s *secret, at time.Time) []any {
	return []any{s.Name, s.Type, int64(len(s.Data)), age(s.CreationTimestamp, at)}
}

// configMap is a ConfigMap whose values may be redacted.
type configMap struct {
	metav1.ObjectMeta `json:"metadata"`
	Data              map[string]any `json:"data"`
	BinaryData        map[string]any `json:"binaryData"`
}

func configMapCells(c *configMap, at time.Time) []any {
	return []any{c.Name, int64(len(c.Data) + len(c.BinaryData)), age(c.CreationTimestamp, at)}
}

func resourceQuotaCells(q *corev1.ResourceQuota, at time.Time) []any {
	var requests, limits []string
	for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
		used, hard := q.Status.Used[name], q.Status.Hard[name]
		line := fmt.Sprintf("%s: %s/%s", name, used.String(), hard.String())
		if strings.HasPrefix(string(name), "limits.") {
			limits = append(limits, line)
		} else {
			requests = append(requests, line)
		}
	}
	return []any{q.Name, strings.Join(requests, ", "), strings.Join(limits, ", "), age(q.CreationTimestamp, at)}
}

func leaseCells(l *coordinationv1.Lease, at time.Time) []any {
	return []any{l.Name, value(l.Spec.HolderIdentity, ""), age(l.CreationTimestamp, at)}
}

func priorityClassCells(c *schedulingv1.PriorityClass, at time.Time) []any {
	return []any{c.Name, int64(c.Value), c.GlobalDefault, age(c.CreationTimestamp, at), string(value(c.PreemptionPolicy, ""))}
}

func runtimeClassCells(c *nodev1.RuntimeClass, at time.Time) []any {
	return []any{c.Name, c.Handler, age(c.CreationTimestamp, at)}
}

// webhooks is a configuration of either kind.
type webhooks struct {
	metav1.ObjectMeta `json:"metadata"`
	Webhooks          []struct{} `json:"webhooks"`
}

func webhookCells(c *webhooks, at time.Time) []any {
	return []any{c.Name, int64(len(c.Webhooks)), age(c.CreationTimestamp, at)}
}

func validatingPolicyCells(p *admissionv1.ValidatingAdmissionPolicy, at time.Time) []any {
	return []any{p.Name, int64(len(p.Spec.Validations)), paramKind(p.Spec.ParamKind), age(p.CreationTimestamp, at)}
}

func mutatingPolicyCells(p *admissionv1.MutatingAdmissionPolicy, at time.Time) []any {
	return []any{p.Name, int64(len(p.Spec.Mutations)), paramKind(p.Spec.ParamKind), age(p.CreationTimestamp, at)}
}

func paramKind(k *admissionv1.ParamKind) string {
	if k == nil {
		return unset
	}
	return k.APIVersion + "/" + k.Kind
}

func validatingBindingCells(b *admissionv1.ValidatingAdmissionPolicyBinding, at time.Time) []any {
	return []any{b.Name, b.Spec.PolicyName, paramRef(b.Spec.ParamRef), age(b.CreationTimestamp, at)}
}

func mutatingBindingCells(b *admissionv1.MutatingAdmissionPolicyBinding, at time.Time) []any {
	return []any{b.Name, b.Spec.PolicyName, paramRef(b.Spec.ParamRef), age(b.CreationTimestamp, at)}
}

func paramRef(r *admissionv1.ParamRef) string {
	switch {
	case r != nil && r.Name != "":
		return or(r.Namespace, "*") + "/" + r.Name
	case r != nil && r.Selector != nil:
		return r.Selector.String()
	}
	return unset
}

// roleBinding is a RoleBinding or ClusterRoleBinding: they have the same fields.
func roleBindingCells(b *rbacv1.RoleBinding, at time.Time) []any {
	var users, groups, accounts []string
	for _, s := range b.Subjects {
		switch s.Kind {
		case rbacv1.ServiceAccountKind:
			accounts = append(accounts, s.Namespace+"/"+s.Name)
		case rbacv1.UserKind:
			users = append(users, s.Name)
		case rbacv1.GroupKind:
			groups = append(groups, s.Name)
		}
	}
	return []any{
		b.Name, b.RoleRef.Kind + "/" + b.RoleRef.Name, age(b.CreationTimestamp, at),
		strings.Join(users, ", "), strings.Join(groups, ", "), strings.Join(accounts, ", "),
	}
}

// apiServiceCells reads an APIService of the aggregator, whose types are not
// among Kubernetes' published API types.
func apiServiceCells(object []byte, at time.Time) ([]any, error) {
	service, available := "Local", "Unknown"
	if name := rawjson.Text(object, "spec.service.name"); name != "" {
		service = rawjson.Text(object, "spec.service.namespace") + "/" + name
	}
	for c := range rawjson.Elements(rawjson.Member(rawjson.Member(object, "status"), "conditions")) {
		if rawjson.Text(c, "type") != "Available" {
			continue
		}
		available = rawjson.Text(c, "status")
		if reason := rawjson.Text(c, "reason"); available != "True" && reason != "" {
			available += " (" + reason + ")"
		}
	}
	return []any{rawjson.Text(object, "metadata.name"), service, available, age(createdAt(object), at)}, nil
}

func trustBundleCells(b *certificatesv1.ClusterTrustBundle, _ time.Time) []any {
	return []any{b.Name, or(b.Spec.SignerName, none)}
}

func podCertificateCells(r *certificatesv1.PodCertificateRequest, _ time.Time) []any {
	state := "Pending"
	for _, c := range r.Status.Conditions {
		switch c.Type {
		case certificatesv1.PodCertificateRequestConditionTypeIssued, certificatesv1.PodCertificateRequestConditionTypeDenied,
			certificatesv1.PodCertificateRequestConditionTypeFailed:
			state = c.Type
		}
	}
	return []any{
		r.Name, r.Spec.PodName, r.Spec.ServiceAccountName, string(r.Spec.NodeName), r.Spec.SignerName, state,
		labels.FormatLabels(r.Spec.UnverifiedUserAnnotations),
	}
}

func flowSchemaCells(f *flowcontrolv1.FlowSchema, at time.Time) []any {
	method, dangling := none, "?"
	if f.Spec.DistinguisherMethod != nil {
		method = string(f.Spec.DistinguisherMethod.Type)
	}
	for _, c := range f.Status.Conditions {
		if c.Type == flowcontrolv1.FlowSchemaConditionDangling {
			dangling = string(c.Status)
		}
	}
	return []any{
		f.Name, f.Spec.PriorityLevelConfiguration.Name, int64(f.Spec.MatchingPrecedence), method, age(f.CreationTimestamp, at), dangling,
	}
}

func priorityLevelCells(l *flowcontrolv1.PriorityLevelConfiguration, at time.Time) []any {
	var shares, queues, hand, limit any = none, none, none, none
	if l.Spec.Limited != nil {
		shares = value(l.Spec.Limited.NominalConcurrencyShares, 0)
		if q := l.Spec.Limited.LimitResponse.Queuing; q != nil {
			queues, hand, limit = q.Queues, q.HandSize, q.QueueLengthLimit
		}
	}
	return []any{l.Name, string(l.Spec.Type), shares, queues, hand, limit, age(l.CreationTimestamp, at)}
}
