package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// scope is the part of a cluster that flags and words ask for.
type scope struct {
	profile    string
	all        bool
	selector   string
	namespaces []string   // -n; nil if it was not given
	subjects   [][]string // each as replay.ParseSubject takes it
}

// check reads what can be read without a cluster.
func (q *scope) check(namespace string, words []string) (labels.Selector, error) {
	switch q.profile {
	case recorder.Minimal, recorder.Standard, recorder.Full:
	default:
		return nil, cli.Usage(fmt.Errorf("--profile %q is not one of minimal, standard, full", q.profile), "")
	}
	if namespace != "" {
		q.namespaces = strings.Split(namespace, ",")
	}
	var err error
	if q.subjects, err = subjectWords(words); err != nil {
		return nil, err
	}
	switch {
	case q.all && q.namespaces != nil:
		return nil, cli.Usage(errors.New("-A and -n cannot be used together"), "")
	case q.subjects != nil && q.all:
		return nil, cli.Usage(errors.New("-A records everything, a subject what decides about it"), "leave one of them out")
	case q.subjects != nil && q.selector != "":
		return nil, cli.Usage(errors.New("-l and a subject cannot be used together"), "a subject's recording holds whatever decides about it")
	case q.subjects != nil && len(q.namespaces) > 1:
		return nil, cli.Usage(errors.New("a subject lies in one namespace"), "name it as TYPE/NAMESPACE/NAME")
	case q.selector == "":
		return nil, nil
	}
	selector, err := labels.Parse(q.selector)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-l %q is not a label selector: %w", q.selector, err), "write it as app=web,tier!=cache")
	}
	return selector, nil
}

// subjectWords takes words apart into subjects: TYPE/NAME, TYPE/NAMESPACE/NAME,
// or TYPE [NAMESPACE/]NAME in two words.
func subjectWords(words []string) ([][]string, error) {
	var subjects [][]string
	for i := 0; i < len(words); i++ {
		kind, name, ok := strings.Cut(words[i], "/")
		if !ok {
			if i++; i == len(words) {
				return nil, cli.Usage(fmt.Errorf("%q does not name a subject", kind), "name it as TYPE/NAME, for example svc/web")
			}
			name = words[i]
		}
		if kind == "" || name == "" || strings.Count(name, "/") > 1 || strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") {
			return nil, cli.Usage(fmt.Errorf("%q does not name a subject", words[i]), "name it as TYPE/NAME, for example svc/web")
		}
		subjects = append(subjects, []string{kind, name})
	}
	return subjects, nil
}

// refs resolves the subjects.
func (q *scope) refs(namespace string, resources []metav1.APIResource) ([]store.Ref, error) {
	var refs []store.Ref
	for _, words := range q.subjects {
		ref, err := flight.ParseSubject(words, namespace, resources)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// narrow sets which part of the cluster is recorded, now that it is known what
// it has: that of the subjects, the namespaces asked for, or as much as is
// allowed.
func (o *options) narrow(ctx context.Context, options *recorder.Options, resources []metav1.APIResource) error {
	if o.all || o.subjects == nil && o.scope.namespaces != nil {
		options.Namespaces = o.scope.namespaces
		return nil
	}
	namespace, err := o.Cluster.Namespace()
	if err != nil {
		return err
	}
	client, err := cli.NewAccess(options.Config)
	if err != nil {
		return err
	}
	if o.subjects == nil {
		if client.Forbidden(ctx, "pods") {
			options.Namespaces = []string{namespace}
		}
		return nil
	}
	options.Confined = client.Forbidden(ctx, "services")
	options.Subjects, err = o.refs(namespace, resources)
	return err
}

// subjectKinds are the kinds that can be asked about, for what is answered
// without a cluster.
var subjectKinds = []metav1.APIResource{
	{Version: "v1", Name: "services", SingularName: "service", ShortNames: []string{"svc"}, Kind: "Service", Namespaced: true},
	{Version: "v1", Name: "pods", SingularName: "pod", ShortNames: []string{"po"}, Kind: "Pod", Namespaced: true},
	{Version: "v1", Name: "nodes", SingularName: "node", ShortNames: []string{"no"}, Kind: "Node"},
	{Version: "v1", Name: "replicationcontrollers", SingularName: "replicationcontroller", ShortNames: []string{"rc"}, Kind: "ReplicationController", Namespaced: true},
	{Group: "apps", Version: "v1", Name: "deployments", SingularName: "deployment", ShortNames: []string{"deploy"}, Kind: "Deployment", Namespaced: true},
	{Group: "apps", Version: "v1", Name: "replicasets", SingularName: "replicaset", ShortNames: []string{"rs"}, Kind: "ReplicaSet", Namespaced: true},
	{Group: "apps", Version: "v1", Name: "statefulsets", SingularName: "statefulset", ShortNames: []string{"sts"}, Kind: "StatefulSet", Namespaced: true},
	{Group: "apps", Version: "v1", Name: "daemonsets", SingularName: "daemonset", ShortNames: []string{"ds"}, Kind: "DaemonSet", Namespaced: true},
	{Group: "networking.k8s.io", Version: "v1", Name: "ingresses", SingularName: "ingress", ShortNames: []string{"ing"}, Kind: "Ingress", Namespaced: true},
	{Group: "gateway.networking.k8s.io", Version: "v1", Name: "httproutes", SingularName: "httproute", Kind: "HTTPRoute", Namespaced: true},
	{Group: "gateway.networking.k8s.io", Version: "v1", Name: "grpcroutes", SingularName: "grpcroute", Kind: "GRPCRoute", Namespaced: true},
}

// rbac prints the rights that recording needs.
func (o *options) rbac() error {
	options := recorder.Options{Profile: o.profile, Namespaces: o.scope.namespaces, LogLines: o.logLines}
	if o.subjects != nil {
		namespace, err := o.rbacNamespace()
		if err != nil {
			return err
		}
		options.Namespaces = nil
		if options.Subjects, err = o.refs(namespace, subjectKinds); err != nil {
			return err
		}
	}
	objects, err := recorder.Rules(options)
	if err != nil {
		return err
	}
	for i, object := range objects {
		y, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(o.Out, "---")
		}
		if _, err := o.Out.Write(y); err != nil {
			return err
		}
	}
	return nil
}

// rbacNamespace is where subjects lie that do not say it; the kubeconfig is
// only asked if nothing else tells.
func (o *options) rbacNamespace() (string, error) {
	said := func(words []string) bool { return strings.Contains(words[1], "/") }
	switch {
	case o.scope.namespaces != nil:
		return o.scope.namespaces[0], nil
	case !slices.ContainsFunc(o.subjects, func(words []string) bool { return !said(words) }):
		return "", nil
	}
	return o.Cluster.Namespace()
}

// verdictWatch returns what follows the verdicts of whatever was named, nil if
// nothing was.
func (o *options) verdictWatch(options *recorder.Options, resources []metav1.APIResource) (*flight.VerdictWatch, error) {
	namespace, err := o.Cluster.Namespace()
	if err != nil {
		return nil, err
	}
	targets, err := options.Targets(resources)
	if err != nil {
		return nil, err
	}
	for _, list := range [][]flight.Condition{o.untilConditions, o.keepConditions} {
		for i := range list {
			if err := list[i].Resolve(namespace, resources); err != nil {
				return nil, err
			}
			ref := list[i].Ref()
			if !slices.ContainsFunc(targets, func(t recorder.Target) bool {
				return t.Resource == ref.Resource && (t.Namespace == "" || t.Namespace == ref.Namespace)
			}) {
				return nil, cli.Usage(
					fmt.Errorf("condition %q: %s would not be recorded, so it could never be known", list[i].String(), report.Clean(flight.SubjectName(ref))),
					"record it too: name it, or its namespace with -n, or take a larger --profile",
				)
			}
		}
	}
	if len(options.Subjects) == 0 && o.untilConditions == nil && o.keepConditions == nil {
		return nil, nil
	}
	return flight.NewVerdictWatch(options.Subjects, o.untilConditions, o.keepConditions, len(options.Subjects) > 0), nil
}
