// Package registry declares every diagnosis: id, severity, place in the path of
// traffic, steps of the checklist, kinds, meaning, trap, the changes that can
// explain it and the rule that decides it. [Catalogue] lists them, [Lookup] finds
// one by its id. The rules themselves are in package analyzer.
package registry

import (
	"cmp"
	"slices"
	"strings"
)

// Layer is where in the path of traffic a diagnosis lies. When two explain the
// same number of units, the lower one is the headline.
type Layer int

const (
	Definition Layer = iota
	Selection
	Workloads
	Nodes
	Scheduling
	Startup
	Readiness
	Endpoints
	External
	Policy
	Impact // follows from others; names what is lost, not why
)

// Severities, the worst first. A Diagnosis has the worst a diagnosis can be;
// a Finding has what it is, by impact.
const (
	Outage   = "outage"
	Degraded = "degraded"
	Risk     = "risk"
	Hint     = "hint"
	Info     = "info"
)

var severities = []string{Outage, Degraded, Risk, Hint, Info}

// Diagnosis declares one id: all that anybody needs to know of it stands here,
// and nowhere else. DIAGNOSES.md, the checklist, what a symptom may come from,
// completion, the plan of a recording and "what changed" are derived.
type Diagnosis struct {
	ID       string
	Severity string   // the worst it can be: outage, degraded, risk, hint, info
	Steps    string   // checklist codes it answers: "C1 C4"
	Kinds    []string // kinds it cannot be decided without, besides that of its subject
	Meaning  string   // one sentence
	Rule     string   // the method of package analyzer that decides it: service.typo
	Trap     string   // what looks like it and is not
	// Changes can explain it, besides those that can explain any: see
	// [Diagnosis.Explained].
	Changes []ChangeRule

	Layer  Layer
	Traits Trait
	Sees   map[string]int // rank among what a client's symptom may come from, 1 is the likeliest
}

// Trait is what a diagnosis has in common with some others.
type Trait uint

// Traits that packages above ask for.
const (
	OfSystem         Trait = 1 << iota // made from kube-system
	ShowsWorkingPods                   // the Pods in its evidence work
	RefusesPods                        // the API server does not let the Pods be made
	NotOfTemplate                      // whatever the Pods are made of
	LeadsNowhere                       // nothing follows from it
	EndsByItself                       // nothing had to change
	NotYetThere                        // before its creation a subject is not missed
	RewritesPods                       // admission changes the Pods when they are made
	RefusesWrites                      // the API server does not let a controller write
	ComesUp                            // a Service may be so before its workload is made

	StrandsPods   // Pods are ready, and the selection misses them
	SelectorFits  // about selection, and the labels are right
	BreaksListing // the EndpointSlices do not list the Pods
	BreaksAddress // the Service's IP does not lead to endpoints
	ReadsConfig   // what a container reads when it starts can explain it
)

// Is reports whether the diagnosis has a trait.
func (d *Diagnosis) Is(t Trait) bool { return d.Traits&t != 0 }

// Explained returns the rules for changes that can explain the diagnosis.
func (d *Diagnosis) Explained() []ChangeRule { return slices.Concat(alwaysChanges, d.Changes) }

// OfEviction returns the rules for changes by which the cluster takes Pods from Nodes,
// whatever keeps others from taking their place.
func OfEviction() []ChangeRule { return nodeChanges }

// OfEnd returns the rules for changes that can end what any diagnosis tells, as far as the
// model proves it: Pods that are not wanted any more are not missing.
func OfEnd() []ChangeRule {
	return []ChangeRule{{PodMakers, []string{"/spec/replicas"}, false, Soon}}
}

// catalogue is every diagnosis there is, in the order of the path of traffic.
// Ids are a contract: they stand in reports and scripts, and never change.
var catalogue = slices.Concat(serviceDiagnoses(), selectionDiagnoses(), workloadDiagnoses(), nodeDiagnoses(), schedulingDiagnoses(),
	startDiagnoses(), readinessDiagnoses(), endpointDiagnoses(), externalDiagnoses(), policyDiagnoses(), impactDiagnoses())

var byID = index()

func index() map[string]*Diagnosis {
	found := map[string]*Diagnosis{}
	for i := range catalogue {
		found[catalogue[i].ID] = &catalogue[i]
	}
	return found
}

func on(kinds ...string) []string { return kinds }

var podsAndMakers = on("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController")

// Catalogue returns all diagnoses, in the order of the path of traffic.
func Catalogue() []Diagnosis { return slices.Clone(catalogue) }

// Lookup returns the diagnosis with an id. An id from a newer svcspy gives one
// that any change can explain.
func Lookup(id string) *Diagnosis {
	if d := byID[id]; d != nil {
		return d
	}
	return &Diagnosis{ID: id, Changes: anyChange}
}

// Known returns the diagnosis with an id, nil if there is none.
func Known(id string) *Diagnosis { return byID[id] }

// SeverityRank orders severities: 0 is the worst, -1 is none.
func SeverityRank(severity string) int { return slices.Index(severities, severity) }

// HasStep reports whether the diagnosis answers a step of the checklist.
func (d *Diagnosis) HasStep(code string) bool { return strings.Contains(d.Steps, code) }

// Needing lists the diagnoses that cannot be decided without one of the kinds.
func Needing(kinds []string) []string {
	var ids []string
	for _, d := range catalogue {
		if slices.ContainsFunc(d.Kinds, func(k string) bool { return slices.Contains(kinds, k) }) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// SeenAs lists the diagnoses that can explain what a client sees although every
// API object says that traffic should flow, the likeliest first.
func SeenAs(symptom string) []string {
	var found []*Diagnosis
	for i := range catalogue {
		if catalogue[i].Sees[symptom] > 0 {
			found = append(found, &catalogue[i])
		}
	}
	slices.SortFunc(found, func(a, b *Diagnosis) int { return cmp.Compare(a.Sees[symptom], b.Sees[symptom]) })
	var ids []string
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return ids
}
