package record

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"text/template"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/store/bucket"
)

//go:embed manifests.yaml
var manifests string

// metricsPort is where the agent in a cluster serves metrics and health unless
// --listen says another.
const metricsPort = "9090"

// ringBytes is room for the ring of a large cluster beside the spool, which is there
// twice while a segment is cut.
const ringBytes = 6 << 30

// printManifests prints the objects that run this agent in a cluster: what the flags
// say is in its arguments. Everything is for namespace svcspy, which admits only Pods
// of the restricted Pod security standard.
func (o *agentOptions) printManifests() error {
	if o.image == "" {
		return cli.Usage(errors.New("--print-manifests needs the image to run"), "make image makes one; name it with --image REGISTRY/svcspy:TAG")
	}
	if !bucket.IsS3(o.to) {
		return cli.Usage(fmt.Errorf("an agent in a cluster needs a bucket that outlives it, not %q", o.to), "--to s3://NAME/PREFIX")
	}
	if o.config != "" || o.secrets != "" || o.scope.namespaces != nil {
		return cli.Usage(errors.New("--print-manifests takes neither --config nor --secrets nor -n"), "give the flags of the agent themselves; it records the whole cluster, and its secrets are those of Secret svcspy-agent")
	}
	port := metricsPort
	if o.listen != "" {
		var err error
		if _, port, err = net.SplitHostPort(o.listen); err != nil {
			return cli.Usage(fmt.Errorf("--listen: %w", err), "write it as :9090")
		}
	}
	args := []string{"agent", "--to", o.to, "--dir", "/var/lib/svcspy", "--listen", ":" + port, "--secrets", "/etc/svcspy/secrets", "--every", shortDuration(o.every), "--spool", o.spool, "--profile", o.profile, "--redact", o.redaction, "--services", fmt.Sprint(o.services), "--all-namespaces"}
	if o.name != "" {
		args = append(args, "--cluster-name", o.name)
	}
	if o.configMapValues {
		args = append(args, "--configmap-values")
	}
	if o.logLines > 0 {
		args = append(args, "--logs-of-failed", fmt.Sprint(o.logLines))
	}
	if o.grafana != "" {
		args = append(args, "--grafana", o.grafana)
	}
	spool, err := o.spoolSize()
	if err != nil {
		return err
	}
	disk := resource.NewQuantity(2*spool+ringBytes, resource.BinarySI)
	rules, err := agentRules(recorder.Options{Profile: o.profile, LogLines: o.logLines})
	if err != nil {
		return err
	}
	text, err := template.New("manifests").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		b, err := json.Marshal(v) // every JSON value is one of YAML
		return string(b), err
	}}).Parse(manifests)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := text.Execute(&b, map[string]any{"Image": o.image, "Args": args, "Port": port, "Rules": rules, "Disk": disk.String()}); err != nil {
		return err
	}
	_, err = o.Out.Write(b.Bytes())
	return err
}

// shortDuration writes 15m as that.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// agentRules returns the rules of the agent's ClusterRole as YAML: list and watch, get
// of the Namespace whose UID is the cluster's, and, if they are asked for, logs.
func agentRules(o recorder.Options) (string, error) {
	objects, err := recorder.Rules(o)
	if err != nil {
		return "", err
	}
	// Of profile full what is granted covers pods/log, too, but not its verb.
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}}}
	if o.LogLines > 0 {
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}})
	}
	for _, object := range objects {
		var granted []rbacv1.PolicyRule
		switch object := object.(type) {
		case *rbacv1.ClusterRole:
			granted = object.Rules
		case *rbacv1.Role: // of Leases: the agent reads them everywhere or not at all
			granted = object.Rules
		}
		for _, rule := range granted {
			if !slices.Contains(rule.Resources, "pods/log") {
				rule.Verbs = []string{"list", "watch"}
			}
			if !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return r.String() == rule.String() }) {
				rules = append(rules, rule)
			}
		}
	}
	text, err := yaml.Marshal(rules)
	return strings.TrimRight(string(text), "\n"), err
}
