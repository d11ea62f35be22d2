package analyzer

import (
	"cmp"
	"slices"
	"strings"
)

// layer is where in the path of traffic a diagnosis lies. When two explain the
// same number of units, the lower one is the headline.
type layer int

const (
	definition layer = iota
	selection
	workloads
	nodes
	scheduling
	startup
	readiness
	endpoints
	external
	policy
	impact // follows from others; names what is lost, not why
)

// Severities, the worst first. A Diagnosis has the worst a diagnosis can be;
// a Finding has what it is, by impact.
const (
	outage   = "outage"
	degraded = "degraded"
	risk     = "risk"
	hint     = "hint"
	info     = "info"
)

var severities = []string{outage, degraded, risk, hint, info}

// Diagnosis declares one id: all that anybody needs to know of it stands here,
// and nowhere else. DIAGNOSES.md, the checklist, what a symptom may come from,
// completion, the plan of a recording and "what changed" are derived.
type Diagnosis struct {
	ID       string
	Severity string   // the worst it can be: outage, degraded, risk, hint, info
	Steps    string   // checklist codes it answers: "C1 C4"
	Kinds    []string // kinds it cannot be decided without, besides that of its subject
	Meaning  string   // one sentence
	Trap     string   // what looks like it and is not
	// Changes can explain it, besides those that can explain any: see
	// [Diagnosis.Explained].
	Changes []ChangeRule

	layer   layer
	decides any // the function that decides it
	traits  Trait
	sees    map[string]int // rank among what a client's symptom may come from, 1 is the likeliest
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

	strandsPods   // Pods are ready, and the selection misses them
	selectorFits  // about selection, and the labels are right
	breaksListing // the EndpointSlices do not list the Pods
	breaksAddress // the Service's IP does not lead to endpoints
	readsConfig   // what a container reads when it starts can explain it
)

// Is reports whether the diagnosis has a trait.
func (d *Diagnosis) Is(t Trait) bool { return d.traits&t != 0 }

// Explained returns the rules for changes that can explain the diagnosis.
func (d *Diagnosis) Explained() []ChangeRule { return slices.Concat(alwaysChanges, d.Changes) }

// catalogue is every diagnosis there is, in the order of the path of traffic.
// Ids are a contract: they stand in reports and scripts, and never change.
var (
	catalogue []Diagnosis
	byID      = map[string]*Diagnosis{}
)

// The functions that decide read the catalogue: only init may name both.
func init() {
	catalogue = slices.Concat(serviceDiagnoses(), selectionDiagnoses(), workloadDiagnoses(), nodeDiagnoses(), schedulingDiagnoses(),
		startDiagnoses(), readinessDiagnoses(), endpointDiagnoses(), externalDiagnoses(), policyDiagnoses(), impactDiagnoses())
	for i := range catalogue {
		byID[catalogue[i].ID] = &catalogue[i]
	}
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

// hasStep reports whether the diagnosis answers a step of the checklist.
func (d *Diagnosis) hasStep(code string) bool { return strings.Contains(d.Steps, code) }

// needing lists the diagnoses that cannot be decided without one of the kinds.
func needing(kinds []string) []string {
	var ids []string
	for _, d := range catalogue {
		if slices.ContainsFunc(d.Kinds, func(k string) bool { return slices.Contains(kinds, k) }) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// seenAs lists the diagnoses that can explain what a client sees although every
// API object says that traffic should flow, the likeliest first.
func seenAs(symptom string) []string {
	var found []*Diagnosis
	for i := range catalogue {
		if catalogue[i].sees[symptom] > 0 {
			found = append(found, &catalogue[i])
		}
	}
	slices.SortFunc(found, func(a, b *Diagnosis) int { return cmp.Compare(a.sees[symptom], b.sees[symptom]) })
	var ids []string
	for _, d := range found {
		ids = append(ids, d.ID)
	}
	return ids
}
