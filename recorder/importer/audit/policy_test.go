package audit_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/importer/audit"
)

// TestPolicy: a policy leaves out writes if the first rule that matches some of
// them has level None, or none matches them.
func TestPolicy(t *testing.T) {
	const everything = "- {level: RequestResponse}\n"
	for _, test := range []struct {
		name, rules, resource, namespace string
		want                             string // "" if every write is logged
	}{
		{"everything", everything, "pods", "", ""},
		{"nothing", "- {level: None}\n", "pods", "", "rule 1"},
		{"without bodies", "- {level: Metadata}\n", "pods", "", ""},
		{"no rule", "- {level: Metadata, resources: [{group: apps}]}\n", "pods", "", "no rule"},
		{"reads only", "- {level: None, verbs: [get, list, watch]}\n" + everything, "pods", "", ""},
		{"some users", "- {level: None, users: ['system:kube-controller-manager']}\n" + everything, "pods", "", "rule 1"},
		{"a group", "- {level: None, userGroups: ['system:nodes']}\n" + everything, "pods", "", "rule 1"},
		{"another resource", "- {level: None, resources: [{group: '', resources: [events]}]}\n" + everything, "pods", "", ""},
		{"that resource", "- {level: None, resources: [{group: '', resources: [events]}]}\n" + everything, "events", "", "rule 1"},
		{"its status", "- {level: None, resources: [{group: '', resources: ['pods/status']}]}\n" + everything, "pods", "", "rule 1"},
		{"any status", "- {level: None, resources: [{group: '', resources: ['*/status']}]}\n" + everything, "pods", "", "rule 1"},
		{"a log of it", "- {level: None, resources: [{group: '', resources: ['pods/log']}]}\n" + everything, "pods", "", ""},
		{"another namespace", "- {level: None, namespaces: [kube-system]}\n" + everything, "pods", "shop", ""},
		{"that namespace", "- {level: None, namespaces: [kube-system]}\n" + everything, "pods", "kube-system", "rule 1"},
		{"some namespace", "- {level: None, namespaces: [kube-system]}\n" + everything, "pods", "", "rule 1"},
		{"logged before", "- {level: RequestResponse, resources: [{group: '', resources: ['*']}]}\n- {level: None}\n", "pods", "", ""},
		{"logged before by name", "- {level: RequestResponse, resources: [{group: '', resources: ['*'], resourceNames: [web]}]}\n- {level: None}\n", "pods", "", "rule 2"},
		{"paths", "- {level: None, nonResourceURLs: ['/healthz*']}\n" + everything, "pods", "", ""},
	} {
		p, err := audit.ParsePolicy([]byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n" + test.rules))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := p.Omits(schema.GroupResource{Resource: test.resource}, test.namespace); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: it leaves out %q, want %q", test.name, got, test.want)
		}
	}
	for _, text := range []string{"", "kind: Policy", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]", "rules: {"} {
		if _, err := audit.ParsePolicy([]byte(text)); err == nil {
			t.Errorf("%q is taken for a policy", text)
		}
	}
}
