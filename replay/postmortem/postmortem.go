// Package postmortem turns a recording into the document that is kept after an
// outage. One value, Postmortem, is built from the timeline, and HTML, Markdown
// and JSON print that one.
//
// In flow: the recording's header, digest and end; its coverage ledger and
// clocks; its marks; the settled verdicts on the subject with what explains each
// change of them; the story of the worst outage; every intended change to
// anything the subject depended on; the versions of its Pods and Nodes. Out flows
// what is known of the outage, in the order a postmortem tells it, each statement
// with the event that shows it, and with a word for how firmly it is known.
// What people have to write is left to them: a Template has the headings.
//
// Texts say what systems did, in the past tense, and name tools, never people.
package postmortem

import (
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// Postmortem is what a recording tells of an outage. Its JSON form is a document
// of svcspy.dev/v1: fields are only ever added. Lists are never nil, times are
// in UTC; what is cut off for length is counted beside the list.
type Postmortem struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"` // Postmortem
	Recording  report.Recording `json:"recording"`
	File       string           `json:"file"`     // name of the recording's file, without its folder
	Recorder   string           `json:"recorder"` // version of svcspy that recorded
	Template   string           `json:"template"`
	Zone       string           `json:"zone"` // in which local times are shown
	Window     Window           `json:"window"`
	Title      string           `json:"title"`
	Subject    analyzer.Subject `json:"subject"` // without one asked for, the Service that was hurt most
	Summary    []string         `json:"summary"`
	Hero       []Fact           `json:"hero"` // what must be known first; none without an outage

	Completeness Completeness `json:"completeness"`
	KeyTimes     []KeyTime    `json:"keyTimes"`
	Durations    []Span       `json:"durations"`
	Rows         []Row        `json:"rows"`
	MoreRows     int          `json:"moreRows,omitempty"`
	Chain        []Link       `json:"chain"`
	Factors      []Link       `json:"factors"` // contributing ones
	// LastWords are what containers said before they failed in the worst outage, where
	// their logs were recorded.
	LastWords    []report.LastWords `json:"lastWords,omitempty"`
	Picture      Picture            `json:"picture"`
	Instants     []Instant          `json:"instants"` // the reports of the verdict segments
	MoreInstants int                `json:"moreInstants,omitempty"`
	Hurt         []Hurt             `json:"hurt"` // without a subject: every Service that was hurt, worst first
	MoreHurt     int                `json:"moreHurt,omitempty"`
	Services     int                `json:"services,omitempty"` // without a subject: how many there were
	Commands     []Command          `json:"commands"`           // that reproduce the claims
	Redacted     Redacted           `json:"redacted"`
}

// Window is the stretch of time the document is about.
type Window struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Certainty says how firmly something is known.
type Certainty string

// The confidence words.
const (
	Observed      Certainty = "observed"       // recorded, or follows from recorded objects alone
	Inferred      Certainty = "inferred"       // the most plausible reading of what was recorded
	NotObservable Certainty = "not observable" // Kubernetes objects cannot tell
)

// Unobservable is what stands where a time cannot be known.
const Unobservable = "unknown (not observable from Kubernetes)"

// KeyTime is one of the moments that every postmortem has.
type KeyTime struct {
	ID        string    `json:"id"` // trigger, impactStart, detected, mitigated, impactEnd
	Name      string    `json:"name"`
	Time      time.Time `json:"time,omitzero"`   // zero: not known
	Local     string    `json:"local,omitempty"` // the same moment in the zone of the document
	Seq       store.Seq `json:"seq,omitempty"`
	Certainty Certainty `json:"certainty"`
	Note      string    `json:"note"`
}

// Span is how long something lasted.
type Span struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"` // negative: not known
	Text    string  `json:"text"`
}

// Row is one line of the timeline.
type Row struct {
	Time     time.Time        `json:"time"`
	Earliest time.Time        `json:"earliest,omitzero"` // set where nobody was listening: it happened between this and Time
	Seq      store.Seq        `json:"seq,omitempty"`     // 0 for marks, and for what began as time passed
	Kind     string           `json:"kind"`              // past (before the recording: reconstructed), recording, verdict, change, loss, gap or mark
	State    analyzer.State   `json:"state,omitempty"`   // of verdicts
	What     string           `json:"what"`
	Object   analyzer.Subject `json:"object,omitzero"`
	Manager  string           `json:"manager,omitempty"` // the field manager: a tool
	Link     string           `json:"link,omitempty"`    // how a change is tied to the verdict it explains
}

// Link is one step of the causal chain, or one contributing factor.
type Link struct {
	ID        string           `json:"id"` // of a diagnosis, or "change"
	Certainty Certainty        `json:"certainty"`
	Text      string           `json:"text"`
	Why       string           `json:"why,omitempty"` // what the certainty rests on
	Subject   analyzer.Subject `json:"subject,omitzero"`
	Time      time.Time        `json:"time,omitzero"`
	Seq       store.Seq        `json:"seq,omitempty"`
}

// Instant is the report in force during one stretch of time. Its lists of
// endpoints and evidence are cut to what a page shows.
type Instant struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Shown is the first instant at which a replay shows the report, where that is
	// later than From.
	Shown  time.Time       `json:"shown,omitzero"`
	Seq    store.Seq       `json:"seq"`             // position at From
	Event  store.Seq       `json:"event,omitempty"` // with which it began; none if it began as time passed
	Gap    string          `json:"gap,omitempty"`   // what was not being listened to
	Report analyzer.Report `json:"report"`
}

// Hurt is a Service to which something happened.
type Hurt struct {
	Subject  analyzer.Subject  `json:"subject"`
	Worst    analyzer.State    `json:"worst"`
	From     time.Time         `json:"from"` // first time it was not well
	To       time.Time         `json:"to"`   // last time
	Dark     float64           `json:"darkSeconds"`
	Impaired float64           `json:"impairedSeconds"` // with the dark ones
	Headline analyzer.Headline `json:"headline"`
	Seq      store.Seq         `json:"seq,omitempty"` // of the event with which the worst began; none if it began as time passed
}

// Command reproduces a claim.
type Command struct {
	Claim string `json:"claim"`
	Run   string `json:"run"`
}

// Redacted says what was taken out before it reached the file.
type Redacted struct {
	Policy  string   `json:"policy"`
	Version int      `json:"version"`
	None    bool     `json:"none,omitempty"` // nothing was: the recording may hold secrets
	Notes   []string `json:"notes"`
	Tokens  int      `json:"tokens"` // values in this document that stand for something taken out
	// Counts is how many values were replaced in the recording, by the classes of
	// the policy; none if the recording does not say.
	Counts map[string]uint64 `json:"counts,omitempty"`
}
