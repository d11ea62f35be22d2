package analyzer

import (
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer/phrase"
	"github.com/svcspy/svcspy/store"
)

// Report is the answer for one subject at one instant. Text, JSON, screen and
// documents all print this one value. Its JSON form is part of the envelope
// svcspy.dev/v1: fields are only ever added. Lists are never nil.
type Report struct {
	Subject    Subject   `json:"subject"`
	Verdict    Verdict   `json:"verdict"`
	Headline   Headline  `json:"headline"`
	Because    []Finding `json:"because"`
	Also       []Finding `json:"also"`
	Symptoms   []Finding `json:"symptoms"`
	Risks      []Finding `json:"risks"`
	Hints      []Finding `json:"hints"`
	Checklist  []Step    `json:"checklist"`
	Undecided  []string  `json:"undecided"`
	Endpoints  Endpoints `json:"endpoints"`
	Unknowable []string  `json:"unknowable,omitempty"` // what no object can tell, where some traffic should flow
	Next       []string  `json:"next,omitempty"`       // commands that lead further, most useful first
}

// Subject is what the report is about, or what a finding is about.
type Subject struct {
	Group     string `json:"group"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// State is the verdict on a subject at an instant.
type State string

// The states, worst first; the last two are outside that order.
const (
	Absent           State = "Absent"           // the subject does not exist
	NotServing       State = "NotServing"       // no traffic gets through
	PartiallyServing State = "PartiallyServing" // some nodes, ports, families or classes broken
	Degraded         State = "Degraded"         // serving, with less than wanted
	Converging       State = "Converging"       // inside the grace of a recent change
	Serving          State = "Serving"
	Unknown          State = "Unknown"     // what was recorded does not decide it
	NotSelected      State = "NotSelected" // healthy workload that no Service selects
)

// Certainty says what the answer rests on.
type Certainty string

const (
	Certain  Certainty = "certain"  // object state only, coverage complete
	Likely   Certainty = "likely"   // needs a Kubernetes Event or a heuristic
	Possible Certainty = "possible" // plausible, not provable from API objects
)

// Verdict is the state with the traffic classes it covers.
type Verdict struct {
	State     State         `json:"state"`
	Since     time.Time     `json:"since,omitzero"`      // start of the stretch in which this verdict and headline held
	SinceNote string        `json:"sinceNote,omitempty"` // "per status", "or earlier: the recording starts here"
	Intent    string        `json:"intent,omitempty"`    // "Idle": not serving on purpose
	Certainty Certainty     `json:"certainty"`
	Classes   []ClassResult `json:"classes"`
}

// ClassResult is what a client of one traffic class experiences.
type ClassResult struct {
	Class  string `json:"class"`  // dns, cluster, headless, nodeport, lb, externalname, ingress, gateway
	Result string `json:"result"` // OK, REJECT, DROP, BLACKHOLE, NXDOMAIN, PENDING, CNAME, ..., UNKNOWN
	Detail string `json:"detail,omitempty"`
}

// Headline is the one root cause, in one sentence.
type Headline struct {
	ID      string  `json:"id,omitempty"` // diagnosis id; empty when nothing is wrong
	Subject Subject `json:"subject"`
	Units   int     `json:"units,omitempty"` // missing units of service it explains
	Message string  `json:"message"`
}

// Finding is one diagnosis with its evidence; one without evidence is never
// reported.
type Finding struct {
	ID        string     `json:"id"`
	Variant   string     `json:"variant,omitempty"`
	Severity  string     `json:"severity"` // outage, degraded, risk, hint, info: effective, by impact
	Subject   Subject    `json:"subject"`
	Units     int        `json:"units,omitempty"`
	Message   string     `json:"message"`
	EffectOf  string     `json:"effectOf,omitempty"` // id of the finding that causes this one
	Certainty Certainty  `json:"certainty,omitempty"`
	Since     time.Time  `json:"since,omitzero"`
	Evidence  []Evidence `json:"evidence"`
	Next      []string   `json:"next,omitempty"`
}

// Evidence is one recorded fact.
type Evidence struct {
	Seq             store.Seq `json:"seq"`
	Kind            string    `json:"kind"`
	Namespace       string    `json:"namespace,omitempty"`
	Name            string    `json:"name"`
	UID             string    `json:"uid,omitempty"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	Path            string    `json:"path,omitempty"`
	Old             string    `json:"old,omitempty"`
	Value           string    `json:"value,omitempty"`
	Note            string    `json:"note,omitempty"`
}

// Step is one line of the checklist: kubespy's six questions and two more.
type Step struct {
	Step     string `json:"step"` // C1 ... C8
	Text     string `json:"text"`
	Result   string `json:"result"` // yes, no, unknown, n/a
	Evidence string `json:"evidence,omitempty"`
}

// Endpoints counts what a Service has against what it should have.
type Endpoints struct {
	Ready       int        `json:"ready"`
	Desired     int        `json:"desired"`
	Terminating int        `json:"terminating"` // serving while terminating
	Items       []Endpoint `json:"items,omitempty"`
}

// Endpoint is one address of the subject and the Pod behind it.
type Endpoint struct {
	Address string   `json:"address,omitempty"`
	Ports   []string `json:"ports,omitempty"` // name:number/protocol as listed
	State   string   `json:"state"`           // ready, notready, terminating, dead, unlisted
	Pod     string   `json:"pod,omitempty"`
	Node    string   `json:"node,omitempty"`
	Reason  string   `json:"reason,omitempty"` // deepest cause in a few words
}

// Date says since when the verdict of a report holds, where the history of the
// subject tells that better than the objects of one instant: each of them may be
// older than the fault, or was written again since. The headline's sentence
// follows; its finding keeps its own date, as a cause may be older than its
// effect. now is the instant of the report.
func (r *Report) Date(since time.Time, note string, now time.Time) {
	message := strings.TrimSuffix(r.Headline.Message, ".")
	if old := r.Verdict.Since; !old.IsZero() && !old.After(now) {
		message = strings.TrimSuffix(message, ", since "+phrase.Clock(old, now))
	}
	r.Verdict.Since, r.Verdict.SinceNote = since.UTC(), note
	r.Headline.Message = sentenceSince(message, r.Verdict.Since, now)
}

// sentenceSince is a sentence with the instant since when it is true, if that is
// known.
func sentenceSince(message string, t, now time.Time) string {
	message = strings.TrimRight(message, ".")
	if !t.IsZero() && !t.After(now) {
		message = strings.TrimSuffix(message, ", since "+phrase.Clock(t, now)) + ", since " + phrase.Clock(t, now)
	}
	return message + "."
}
