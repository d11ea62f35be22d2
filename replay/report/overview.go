package report

import (
	"bufio"
	"fmt"
	"io"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
)

// ListEnvelope is the reports of all Services at one instant, worst first.
type ListEnvelope struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"` // ReportList
	Recording  Recording         `json:"recording"`
	At         At                `json:"at"`
	Coverage   Coverage          `json:"coverage"`
	Items      []analyzer.Report `json:"items"`
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
	return ListEnvelope{APIVersion: APIVersion, Kind: "ReportList", Recording: e.Recording, At: e.At, Coverage: e.Coverage, Items: reports}, nil
}

// ListText prints one line for each Service, worst first.
func ListText(w io.Writer, e ListEnvelope, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.At.Time}
	if len(e.Items) == 0 {
		p.line("no Services at %s", e.At.Time.Format("2006-01-02T15:04:05.999Z07:00"))
		return p.w.Flush()
	}
	rows := [][]string{{"NAMESPACE", "SERVICE", "VERDICT", "ENDPOINTS", "WHY"}}
	for _, r := range e.Items {
		why := r.Headline.ID
		if why == "" {
			why = "-"
		}
		rows = append(rows, []string{
			Clean(r.Subject.Namespace), Clean(r.Subject.Name), string(r.Verdict.State),
			fmt.Sprintf("%d/%d", r.Endpoints.Ready, r.Endpoints.Desired), Clean(why),
		})
	}
	if o.NoHeaders {
		rows = rows[1:]
	}
	p.table(rows)
	return p.w.Flush()
}
