package printer

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// builtIn are those of Kubernetes' own resources, in the versions whose
// fields they read. The columns are those of
// pkg/printers/internalversion/printers.go, and the end-to-end tests hold every
// row to the real API server's.
var builtIn = map[schema.GroupVersionResource]Printer{
	core("pods"): pods(),
	core("configmaps"): rows(configMapCells,
		"Name", "Data", "Age"),
	core("endpoints"): rows(endpointsCells,
		"Name", "Endpoints", "Age"),
	core("events"): rows(eventCells,
		"Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen", "+Count", "+Name"),
	core("namespaces"): rows(namespaceCells,
		"Name", "Status", "Age"),
	core("nodes"): rows(nodeCells,
		"Name", "Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image", "+Kernel-Version", "+Container-Runtime"),
	core("persistentvolumeclaims"): rows(claimCells,
		"Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass", "Age", "+VolumeMode"),
	core("persistentvolumes"): rows(volumeCells,
		"Name", "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass", "VolumeAttributesClass", "Reason", "Age", "+VolumeMode"),
	core("podtemplates"): rows(podTemplateCells,
		"Name", "Containers", "Images", "Pod Labels"),
	core("replicationcontrollers"): rows(replicationControllerCells,
		"Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", "+Containers", "+Images", "+Selector"),
	core("resourcequotas"): rows(resourceQuotaCells,
		"Name", "Request", "Limit", "Age"),
	core("secrets"): rows(secretCells,
		"Name", "Type", "Data", "Age"),
	core("serviceaccounts"): rows(plainCells,
		"Name", "Age"),
	core("services"): rows(serviceCells,
		"Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"),

	v1("admissionregistration.k8s.io", "mutatingadmissionpolicies"): rows(mutatingPolicyCells,
		"Name", "Mutations:integer", "ParamKind", "Age"),
	v1("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"): rows(mutatingBindingCells,
		"Name", "PolicyName", "ParamRef", "Age"),
	v1("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): rows(webhookCells,
		"Name", "Webhooks:integer", "Age"),
	v1("admissionregistration.k8s.io", "validatingadmissionpolicies"): rows(validatingPolicyCells,
		"Name", "Validations:integer", "ParamKind", "Age"),
	v1("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): rows(validatingBindingCells,
		"Name", "PolicyName", "ParamRef", "Age"),
	v1("admissionregistration.k8s.io", "validatingwebhookconfigurations"): rows(webhookCells,
		"Name", "Webhooks:integer", "Age"),
	Definitions: {
		Cells:   definitionCells,
		Columns: columns("Name", "Scope", "Versions", "Created At:date", "+Group", "+Kind", "+ShortNames", "+Established:boolean"),
	},
	v1("apiregistration.k8s.io", "apiservices"): {
		Cells: apiServiceCells, Columns: columns("Name", "Service", "Available", "Age"),
	},
	v1("apps", "controllerrevisions"): rows(controllerRevisionCells,
		"Name", "Controller", "Revision", "Age"),
	v1("apps", "daemonsets"): rows(daemonSetCells,
		"Name", "Desired:integer", "Current:integer", "Ready:integer", "Up-to-date:integer", "Available:integer", "Node Selector", "Age",
		"+Containers", "+Images", "+Selector"),
	v1("apps", "deployments"): rows(deploymentCells,
		"Name", "Ready", "Up-to-date", "Available", "Age", "+Containers", "+Images", "+Selector"),
	v1("apps", "replicasets"): rows(replicaSetCells,
		"Name", "Desired:integer", "Current:integer", "Ready:integer", "Age", "+Containers", "+Images", "+Selector"),
	v1("apps", "statefulsets"): rows(statefulSetCells,
		"Name", "Ready", "Age", "+Containers", "+Images"),
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}: rows(autoscalerCells,
		"Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"),
	v1("batch", "cronjobs"): rows(cronJobCells,
		"Name", "Schedule", "Timezone", "Suspend:boolean", "Active:integer", "Last Schedule", "Age", "+Containers", "+Images", "+Selector"),
	v1("batch", "jobs"): rows(jobCells,
		"Name", "Status", "Completions", "Duration", "Age", "+Containers", "+Images", "+Selector"),
	v1("certificates.k8s.io", "clustertrustbundles"): rows(trustBundleCells,
		"Name", "SignerName"),
	v1("certificates.k8s.io", "podcertificaterequests"): rows(podCertificateCells,
		"Name", "PodName", "ServiceAccountName", "NodeName", "SignerName", "State", "UnverifiedUserAnnotations"),
	v1("coordination.k8s.io", "leases"): rows(leaseCells,
		"Name", "Holder", "Age"),
	v1("discovery.k8s.io", "endpointslices"): rows(endpointSliceCells,
		"Name", "AddressType", "Ports", "Endpoints", "Age"),
	v1("flowcontrol.apiserver.k8s.io", "flowschemas"): flowSchemas(),
	v1("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): rows(priorityLevelCells,
		"Name", "Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"),
	v1("networking.k8s.io", "ingressclasses"): rows(ingressClassCells,
		"Name", "Controller", "Parameters", "Age"),
	v1("networking.k8s.io", "ingresses"): rows(ingressCells,
		"Name", "Class", "Hosts", "Address", "Ports", "Age"),
	v1("networking.k8s.io", "ipaddresses"): rows(ipAddressCells,
		"Name", "ParentRef"),
	v1("networking.k8s.io", "networkpolicies"): rows(networkPolicyCells,
		"Name", "Pod-Selector", "Age"),
	v1("networking.k8s.io", "servicecidrs"): rows(serviceCIDRCells,
		"Name", "CIDRs", "Age"),
	v1("node.k8s.io", "runtimeclasses"): rows(runtimeClassCells,
		"Name", "Handler", "Age"),
	v1("policy", "poddisruptionbudgets"): rows(disruptionBudgetCells,
		"Name", "Min Available", "Max Unavailable", "Allowed Disruptions:integer", "Age"),
	v1("rbac.authorization.k8s.io", "clusterrolebindings"): rows(roleBindingCells,
		"Name", "Role", "Age", "+Users", "+Groups", "+ServiceAccounts"),
	v1("rbac.authorization.k8s.io", "rolebindings"): rows(roleBindingCells,
		"Name", "Role", "Age", "+Users", "+Groups", "+ServiceAccounts"),
	v1("resource.k8s.io", "deviceclasses"): rows(plainCells,
		"Name", "Age"),
	v1("resource.k8s.io", "devicetaintrules"): rows(deviceTaintCells,
		"Name", "Key", "Value", "Effect", "TimeAdded", "Age"),
	v1("resource.k8s.io", "resourceclaims"): rows(resourceClaimCells,
		"Name", "State", "Age"),
	v1("resource.k8s.io", "resourceslices"): rows(resourceSliceCells,
		"Name", "Node", "Driver", "Pool", "Age"),
	v1("resource.k8s.io", "resourceclaimtemplates"): rows(plainCells,
		"Name", "Age"),
	v1("scheduling.k8s.io", "priorityclasses"): rows(priorityClassCells,
		"Name", "Value:integer", "Global-Default:boolean", "Age", "PreemptionPolicy"),
	v1("storage.k8s.io", "csidrivers"): rows(csiDriverCells,
		"Name", "AttachRequired:boolean", "PodInfoOnMount:boolean", "StorageCapacity:boolean", "TokenRequests", "RequiresRepublish:boolean", "Modes", "Age"),
	v1("storage.k8s.io", "csinodes"): rows(csiNodeCells,
		"Name", "Drivers:integer", "Age"),
	v1("storage.k8s.io", "storageclasses"): storageClasses(),
	v1("storage.k8s.io", "volumeattachments"): rows(attachmentCells,
		"Name", "Attacher:string:name", "PV", "Node", "Attached:boolean", "Age"),
	v1("storage.k8s.io", "volumeattributesclasses"): rows(attributesClassCells,
		"Name", "DriverName", "Age"),
	v1("storagemigration.k8s.io", "storageversionmigrations"): rows(migrationCells,
		"Name:string", "Resource", "Status"),
}

func core(resource string) schema.GroupVersionResource { return v1("", resource) }

func v1(group, resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
}

// Plain is what an API server shows of its own resources that have no columns.
var Plain = Printer{
	Columns: columns("Name", "Created At:date"),
	Cells: func(object []byte, _ time.Time) ([]any, error) {
		return []any{rawjson.Text(object, "metadata.name"), createdAt(object).UTC().Format(time.RFC3339)}, nil
	},
}

// plainCells shows what has nothing but a name and an age.
func plainCells(o *metav1.PartialObjectMetadata, at time.Time) []any {
	return []any{o.Name, age(o.CreationTimestamp, at)}
}

func createdAt(object []byte) metav1.Time {
	return asTime(rawjson.Member(rawjson.Member(object, "metadata"), "creationTimestamp"))
}

func asTime(scalar []byte) metav1.Time {
	t, _ := time.Parse(time.RFC3339, rawjson.Scalar(scalar)) // absent: zero
	return metav1.Time{Time: t}
}

func columns(notations ...string) []metav1.TableColumnDefinition {
	var all []metav1.TableColumnDefinition
	for _, n := range notations {
		all = append(all, parseColumn(n))
	}
	return all
}

// flowSchemas lists FlowSchemas as they are tried: by precedence, then name.
func flowSchemas() Printer {
	p := rows(flowSchemaCells, "Name", "PriorityLevel", "MatchingPrecedence", "DistinguisherMethod", "Age", "MissingPL")
	p.Arrange = func(items []store.Event) {
		slices.SortStableFunc(items, func(a, b store.Event) int {
			x, y := rawjson.Text(a.Object, "spec.matchingPrecedence"), rawjson.Text(b.Object, "spec.matchingPrecedence")
			if len(x) != len(y) {
				return len(x) - len(y) // of positive numbers
			}
			if x != y {
				return strings.Compare(x, y)
			}
			return strings.Compare(a.Name, b.Name)
		})
	}
	return p
}
