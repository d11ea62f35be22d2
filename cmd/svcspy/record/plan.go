package record

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// Plan says what would be recorded, and what could not be told from it.
type Plan struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"` // RecordPlan
	Cluster    store.Cluster   `json:"cluster"`
	Scope      store.Scope     `json:"scope"`
	Redaction  store.Redaction `json:"redaction"`
	// Redacted is absent if nothing is redacted.
	Redacted  *redactionSample `json:"redacted,omitempty"`
	Resources []planned        `json:"resources"`
	// Logs are the logs of Pods that --logs-of-failed reads.
	Logs []planned `json:"logs,omitempty"`
	// Undecidable are the diagnoses that could not be made, in the order of the
	// catalogue, which has Diagnoses.
	Undecidable []undecidable `json:"undecidable"`
	Diagnoses   int           `json:"diagnoses"`
}

// planned is one stream of the recording.
type planned struct {
	Resource  string `json:"resource"`
	Namespace string `json:"namespace,omitempty"` // "" is the whole cluster
	Selector  string `json:"selector,omitempty"`
	Allowed   string `json:"allowed"` // yes, no, unknown
	Reason    string `json:"reason,omitempty"`

	target recorder.Target
}

// undecidable is a diagnosis that needs what is not recorded.
type undecidable struct {
	ID       string   `json:"id"`
	Severity string   `json:"severity"`
	Meaning  string   `json:"meaning"`
	Because  []string `json:"because"`
}

// askers is how many questions about rights are asked at the same time.
const askers = 8

// plan prints what would be recorded with the user's rights.
func (o *options) plan(ctx context.Context, options *recorder.Options, h store.Header) error {
	targets, err := options.Targets(h.Resources)
	if err != nil {
		return err
	}
	client, err := cli.NewAccess(options.Config)
	if err != nil {
		return err
	}
	p := Plan{
		APIVersion: report.APIVersion, Kind: "RecordPlan", Cluster: h.Cluster, Scope: h.Scope, Redaction: h.Redaction,
		Resources: make([]planned, len(targets)), Undecidable: []undecidable{}, Diagnoses: len(registry.Catalogue()),
	}
	slots := make(chan struct{}, askers)
	var questions sync.WaitGroup
	for i, target := range targets {
		slots <- struct{}{}
		questions.Go(func() {
			defer func() { <-slots }()
			p.Resources[i] = plan(target, target.Resource.GroupResource().String(), func() (string, error) { return client.Refusal(ctx, target) })
		})
	}
	questions.Wait()
	for _, target := range targets {
		if options.LogLines > 0 && target.Resource.GroupResource() == (schema.GroupResource{Resource: "pods"}) {
			p.Logs = append(p.Logs, plan(target, "pods/log", func() (string, error) { return client.LogRefusal(ctx, target) }))
		}
	}
	p.decide(h.Resources)
	if options.Redactor != nil {
		p.Redacted = sample(ctx, client, options.Redactor, p.Resources)
	}
	if o.Output != "text" {
		return report.Document(o.Out, o.Output, p)
	}
	return o.printPlan(&p)
}

// plan asks whether a target may be recorded.
func plan(target recorder.Target, name string, refusal func() (string, error)) planned {
	one := planned{Resource: name, Namespace: target.Namespace, Selector: target.Selector, Allowed: "yes", target: target}
	switch why, err := refusal(); {
	case err != nil:
		one.Allowed, one.Reason = "unknown", err.Error()
	case why != "":
		one.Allowed, one.Reason = "no", why
	}
	return one
}

// decide fills in what could not be told. What a cluster does not have needs
// not be known.
func (p *Plan) decide(discovery []metav1.APIResource) {
	for _, d := range registry.Catalogue() {
		var because []string
		for _, kind := range d.Kinds {
			gvr, ok := analyzer.ResourceOf(kind)
			served := slices.ContainsFunc(discovery, func(r metav1.APIResource) bool { return r.Group == gvr.Group && r.Name == gvr.Resource })
			if !ok || !served {
				continue
			}
			for _, why := range p.missing(gvr.GroupResource(), d.Is(registry.OfSystem)) {
				if !slices.Contains(because, why) {
					because = append(because, why)
				}
			}
		}
		if len(because) > 0 {
			p.Undecidable = append(p.Undecidable, undecidable{d.ID, d.Severity, d.Meaning, because})
		}
	}
}

// missing says why a resource is not known as a whole where it matters: in
// kube-system, or where the subjects are.
func (p *Plan) missing(resource schema.GroupResource, system bool) []string {
	var why []string
	found := false
	for _, r := range p.Resources {
		if r.target.Resource.GroupResource() != resource {
			continue
		}
		namespace := r.Namespace
		wanted := namespace == "" || namespace == "kube-system" || !system
		if !system && namespace == "kube-system" && !slices.Contains(p.Scope.Namespaces, namespace) && len(p.Scope.Namespaces) > 0 && resource.Resource != "leases" {
			wanted = false
		}
		if !wanted {
			continue
		}
		found = true
		switch {
		case r.Allowed != "yes":
			why = append(why, r.target.String()+" "+r.Reason)
		case r.Selector != "":
			why = append(why, r.target.String()+" are recorded only where "+r.Selector)
		}
	}
	if !found {
		where := ""
		if system {
			where = " of kube-system"
		}
		return []string{resource.String() + where + " are not recorded"}
	}
	return why
}

// printPlan prints the plan as text.
func (o *options) printPlan(p *Plan) error {
	fmt.Fprintf(o.Out, "would record %s, redaction %s\n\n", report.Clean(report.ScopeWords(p.Scope)), p.Redaction.Policy)
	w := tabwriter.NewWriter(o.Out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "RESOURCE\tNAMESPACE\tSELECTOR\tALLOWED")
	for _, r := range slices.Concat(p.Resources, p.Logs) {
		allowed := r.Allowed
		if r.Reason != "" {
			allowed += ": " + r.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", report.Clean(r.Resource), dash(r.Namespace), dash(r.Selector), report.Clean(allowed))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if p.Redacted != nil {
		if err := p.Redacted.print(o.Out, p.Redaction.Policy); err != nil {
			return err
		}
	}
	if len(p.Undecidable) == 0 {
		_, err := fmt.Fprintf(o.Out, "\nall %d diagnoses could be decided\n", p.Diagnoses)
		return err
	}
	fmt.Fprintf(o.Out, "\n%d of %d diagnoses could not be decided:\n", len(p.Undecidable), p.Diagnoses)
	w = tabwriter.NewWriter(o.Out, 0, 8, 3, ' ', 0)
	for _, u := range p.Undecidable {
		fmt.Fprintf(w, "  %s\t%s\n", u.ID, report.Clean(strings.Join(u.Because, "; ")))
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return report.Clean(s)
}
