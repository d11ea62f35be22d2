// Package report shows a report to people and programs: as text and as the
// versioned JSON envelope. It prints the value the analyzer made and decides
// nothing itself.
package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/store"
)

// APIVersion is the version of every JSON document svcspy prints. Within it
// fields are only ever added.
const APIVersion = "svcspy.dev/v1"

// Envelope is a Report with where and when it was taken.
type Envelope struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"` // Report
	Recording  Recording `json:"recording"`
	At         At        `json:"at"`
	Coverage   Coverage  `json:"coverage"`
	// Reconstructed says that the instant lies before the recording: the answer
	// rests on Facts alone.
	Reconstructed bool `json:"reconstructed,omitempty"`
	// Facts are from before the recording: what had happened by then, or what
	// explains a verdict that the recording begins with.
	Facts []past.Fact `json:"facts,omitempty"`
	analyzer.Report
	// LastWords are what the containers of the Pods above said before they failed,
	// where their logs were recorded.
	LastWords []LastWords `json:"lastWords,omitempty"`
}

// Recording says from which recording the answer comes.
type Recording struct {
	ID        string          `json:"id"`
	SHA256    string          `json:"sha256,omitempty"`
	Cluster   store.Cluster   `json:"cluster"`
	Start     time.Time       `json:"start"`
	End       time.Time       `json:"end,omitzero"`
	Closed    bool            `json:"closed"`
	Live      bool            `json:"live,omitempty"` // not a file: the cluster itself
	Redaction store.Redaction `json:"redaction"`
	Source    *store.Source   `json:"source,omitempty"` // what it was cut from
}

// At is the instant of the answer.
type At struct {
	Time time.Time `json:"time"`
	Seq  store.Seq `json:"seq"`
	// EvidenceAgeMS is how long before Time the newest recorded thing was heard.
	EvidenceAgeMS int64 `json:"evidenceAgeMs"`
}

// Coverage says whether the recorder was listening at the instant.
type Coverage struct {
	Status string `json:"status"` // complete, partial, none
	Gaps   []Gap  `json:"gaps"`
}

// Gap is one resource that was not being listened to at the instant.
type Gap struct {
	Resource  string       `json:"resource"`
	Namespace string       `json:"namespace,omitempty"`
	Status    store.Status `json:"status"`
	From      time.Time    `json:"from"`
	Reason    string       `json:"reason,omitempty"`
}

// New puts the report of a state into its envelope.
func New(s *replay.State, r analyzer.Report) (Envelope, error) {
	info := s.Timeline().Info()
	coverage, err := CoverageOf(s)
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{
		APIVersion: APIVersion,
		Kind:       "Report",
		Recording:  RecordingOf(info),
		At:         At{Time: s.Instant(), Seq: s.Seq()},
		Coverage:   coverage,
		Report:     r,
		LastWords:  LastWordsOf(s, &r),
	}
	e.Reconstructed = s.Instant().Before(info.Start)
	if s.Seq() > 0 {
		heard, err := s.Timeline().TimeOf(s.Seq())
		if err != nil {
			return Envelope{}, err
		}
		e.At.EvidenceAgeMS = s.Instant().Sub(heard).Milliseconds()
	}
	return e, nil
}

// RecordingOf is the recording's part of every envelope.
func RecordingOf(info store.Info) Recording {
	return Recording{
		ID: info.ID, SHA256: info.SHA256, Cluster: info.Cluster,
		Start: info.Start.UTC(), End: info.End.UTC(), Closed: info.Closed, Redaction: info.Redaction, Source: info.Source,
	}
}

// CoverageOf lists what was not being listened to at the state's instant, by
// resource and namespace.
func CoverageOf(s *replay.State) (Coverage, error) {
	ledger, err := s.Timeline().Ledger(0, s.Seq())
	if err != nil {
		return Coverage{}, err
	}
	type stream struct{ resource, namespace string }
	latest := map[stream]store.Coverage{}
	for _, c := range ledger {
		latest[stream{c.Resource.GroupResource().String(), c.Namespace}] = c
	}
	out := Coverage{Status: "none", Gaps: []Gap{}}
	current := 0
	for k, c := range latest {
		c = s.InForce(c)
		if replay.Supplementary(c.Resource, c.Namespace) {
			continue
		}
		if c.Status.AbsenceProven() {
			current++
			continue
		}
		out.Gaps = append(out.Gaps, Gap{Resource: k.resource, Namespace: k.namespace, Status: c.Status, From: c.Time.UTC(), Reason: c.Reason})
	}
	slices.SortFunc(out.Gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace))
	})
	switch {
	case current > 0 && len(out.Gaps) == 0:
		out.Status = "complete"
	case current > 0:
		out.Status = "partial"
	}
	return out, nil
}
