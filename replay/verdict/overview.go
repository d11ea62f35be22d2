package verdict

import (
	"cmp"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Overview diagnoses every Service there is at the state's instant, worst
// first, then by namespace and name.
func Overview(s *replay.State) []analyzer.Report {
	var reports []analyzer.Report
	for _, o := range s.List(store.Query{Resource: replay.Services}) {
		reports = append(reports, analyzer.Diagnose(s, o.Ref(), analyzer.Options{}))
	}
	slices.SortStableFunc(reports, func(a, b analyzer.Report) int {
		return cmp.Or(
			cmp.Compare(Rank(a.Verdict.State), Rank(b.Verdict.State)),
			cmp.Compare(a.Subject.Namespace, b.Subject.Namespace),
			cmp.Compare(a.Subject.Name, b.Subject.Name),
		)
	})
	return reports
}

// Rank orders states worst first. Unknown stands before what is known to be
// well: somebody has to look.
func Rank(s analyzer.State) int {
	order := []analyzer.State{
		analyzer.Absent, analyzer.NotServing, analyzer.PartiallyServing, analyzer.Degraded,
		analyzer.Unknown, analyzer.Converging, analyzer.NotSelected, analyzer.Serving,
	}
	return slices.Index(order, s)
}
