package record

import (
	"fmt"
	"slices"
	"strings"
)

// auditPolicy prints a policy for kube-apiserver whose audit log tells, without a
// recorder, what svcspy import needs: each write with its result. Secrets and
// tokens are logged without their contents, as a log is no place for them.
func (o *options) auditPolicy() error {
	namespaces := ""
	if names := o.policyNamespaces(); len(names) > 0 {
		// "" is what has no namespace: Nodes, Namespaces.
		namespaces = fmt.Sprintf("  namespaces: [\"\", %s]\n", strings.Join(names, ", "))
	}
	_, err := fmt.Fprintf(o.Out, `# for kube-apiserver --audit-policy-file; what it logs is read by svcspy import
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  nonResourceURLs: ["*"]
- level: None
  verbs: [get, list, watch]
- level: Metadata
  resources:
  - group: ""
    resources: [secrets, serviceaccounts/token]
  - group: authentication.k8s.io
  - group: authorization.k8s.io
  - group: certificates.k8s.io
- level: RequestResponse
  verbs: [create, update, patch, delete, deletecollection]
%s`, namespaces)
	return err
}

// policyNamespaces are those that were asked for, with those that decide about
// every Service.
func (o *options) policyNamespaces() []string {
	names := slices.Clone(o.scope.namespaces)
	if len(names) == 0 {
		return nil
	}
	for _, name := range []string{"kube-system", "kube-node-lease"} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
