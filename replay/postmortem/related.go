package postmortem

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/cause"
	"github.com/svcspy/svcspy/store"
)

// relate finds what mattered to the subject: at the end of the window, and when
// it was at its worst, as that may not matter any more. Of the Nodes it keeps
// those that the Pods were on: a large cluster has many others, and they write
// all the time.
func (s *documentBuilder) relate() error {
	cursor := replay.NewCursor(s.timeline)
	instants := []time.Time{s.window.To}
	if s.outage != nil {
		instants = append(instants, s.outage.Worst.From)
	}
	hosts := map[string]bool{}
	seen := map[store.Ref]bool{}
	var all []store.Ref
	for _, at := range instants {
		state, err := cursor.SeekTime(at)
		if err != nil {
			return err
		}
		refs, err := cause.Related(state, s.subject)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if seen[ref] {
				continue
			}
			seen[ref] = true
			all = append(all, ref)
			if ref.Resource != pods {
				continue
			}
			for o := range state.Past(ref) {
				hosts[analyzer.As[corev1.Pod](o).Spec.NodeName] = true
				break
			}
		}
	}
	for _, ref := range all {
		if ref.Resource != nodes || hosts[ref.Name] || ref == s.subject {
			s.related = append(s.related, ref)
		}
	}
	return nil
}
