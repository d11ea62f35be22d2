package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/past"
)

// ListEnvelope is the reports of all Services at one instant, worst first.
type ListEnvelope struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"` // ReportList
	Recording  Recording `json:"recording"`
	At         At        `json:"at"`
	Coverage   Coverage  `json:"coverage"`
	// Reconstructed and Facts are as in a Report.
	Reconstructed bool        `json:"reconstructed,omitempty"`
	Facts         []past.Fact `json:"facts,omitempty"`
	// Unheard says that the recorder had received no list yet: the Services are not
	// known, rather than none.
	Unheard bool              `json:"unheard,omitempty"`
	Items   []analyzer.Report `json:"items"`
}

// NewList puts reports of one state into their envelope.
func NewList(s *replay.State, reports []analyzer.Report) (ListEnvelope, error) {
	e, err := New(s, analyzer.Report{})
	if err != nil {
		return ListEnvelope{}, err
	}
	if reports == nil {
		reports = []analyzer.Report{}
	}
	return ListEnvelope{APIVersion: APIVersion, Kind: "ReportList", Recording: e.Recording, At: e.At, Coverage: e.Coverage, Reconstructed: e.Reconstructed, Unheard: len(reports) == 0 && e.Coverage.Status == "none", Items: reports}, nil
}

// Why is the diagnosis that a list shows of a report: that of the headline, or where
// traffic flows but no name leads to it, that of cluster DNS; "" if there is none.
func Why(r *analyzer.Report) string {
	if r.Headline.ID != "" {
		return r.Headline.ID
	}
	for _, f := range r.Risks {
		if f.ID == dnsDown {
			return f.ID
		}
	}
	return ""
}

// dnsDown is the diagnosis that no name resolves.
const dnsDown = "cluster-dns-down"

// ListText prints one line for each Service, worst first.
func ListText(w io.Writer, e ListEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.At.Time}
	if e.Unheard {
		p.line("which Services there are is not known at %s: the recorder had not heard of any yet; --at +10s is 10 seconds later", e.At.Time.Format("2006-01-02T15:04:05.999Z07:00"))
		return p.w.Flush()
	}
	if len(e.Items) == 0 {
		p.line("no Services at %s", e.At.Time.Format("2006-01-02T15:04:05.999Z07:00"))
		return p.w.Flush()
	}
	if e.Reconstructed {
		p.line("RECONSTRUCTED: the recording starts only at %s", e.Recording.Start.Format("2006-01-02T15:04:05.999Z07:00"))
	}
	rows := [][]string{{"NAMESPACE", "SERVICE", "VERDICT", "ENDPOINTS", "WHY"}}
	for _, r := range e.Items {
		why := cmp.Or(Why(&r), "-")
		endpoints := fmt.Sprintf("%d/%d", r.Endpoints.Ready, r.Endpoints.Desired)
		if e.Reconstructed {
			endpoints = "-"
		}
		rows = append(rows, []string{Clean(r.Subject.Namespace), Clean(r.Subject.Name), string(r.Verdict.State), endpoints, Clean(why)})
	}
	if o.NoHeaders {
		rows = rows[1:]
	}
	p.table(rows)
	if e.Reconstructed {
		p.known(e.Facts)
	}
	return p.w.Flush()
}
