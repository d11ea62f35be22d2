package replay

import (
	"cmp"
	"slices"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// Overview diagnoses every Service there is at the state's instant, worst
// first, then by namespace and name.
func Overview(s *State) []analyzer.Report {
	var reports []analyzer.Report
	for _, o := range s.List(store.Query{Resource: Services}) {
		reports = append(reports, analyzer.Diagnose(s, o.Ref(), analyzer.Options{}))
	}
	slices.SortStableFunc(reports, func(a, b analyzer.Report) int {
		return cmp.Or(
			cmp.Compare(rank(a.Verdict.State), rank(b.Verdict.State)),
			cmp.Compare(a.Subject.Namespace, b.Subject.Namespace),
			cmp.Compare(a.Subject.Name, b.Subject.Name),
		)
	})
	return reports
}

// rank orders states worst first. Unknown stands before what is known to be
// well: somebody has to look.
func rank(s analyzer.State) int {
	order := []analyzer.State{
		analyzer.Absent, analyzer.NotServing, analyzer.PartiallyServing, analyzer.Degraded,
		analyzer.Unknown, analyzer.Converging, analyzer.NotSelected, analyzer.Serving,
	}
	return slices.Index(order, s)
}
