package store

import (
	"slices"
	"sort"
	"time"

	"github.com/svcspy/svcspy/store/index"
)

// KeepWindow makes the Memory a ring, as Window does with a Writer: a Commit
// folds what is older than d into what the cluster was when the window begins,
// some time later. It must be called before anything is appended.
func (m *Memory) KeepWindow(d time.Duration) { m.window = d }

// fold drops what lies before the window, if that has grown by a quarter. m.mu
// must be held.
func (m *Memory) fold() error {
	if m.window == 0 || len(m.log) == 0 || m.info.End.Sub(m.log[0].time) < m.window+m.window/4 {
		return nil
	}
	// Something stays: at the beginning of a window there is a position.
	old := sort.Search(len(m.log)-1, func(i int) bool { return m.info.End.Sub(m.log[i].time) <= m.window })
	if old == 0 {
		return nil
	}
	first := m.log[old]
	current, err := index.Find([]index.Part{m.index}, &Query{}, first.seq-1)
	if err != nil {
		return err
	}
	ledger := m.ledger.InForce(first.seq)
	keep := map[Seq]bool{}
	for _, seq := range current {
		keep[seq] = true
	}
	for i := range ledger {
		keep[ledger[i].Seq] = true
	}
	for _, p := range m.log[:old] {
		if p.event != nil {
			m.info.Events--
			m.kinds = uncount(m.kinds, Kind{p.event.Resource, 1, uint64(len(p.event.Object))})
		}
	}
	m.carried = slices.DeleteFunc(slices.Concat(m.carried, m.log[:old]), func(p position) bool { return !keep[p.seq] })
	m.log, m.dropped = slices.Clone(m.log[old:]), first.seq-1
	m.info.First, m.info.Start = first.seq, first.time
	m.index = m.index.From(first.seq)
	m.ledger = index.NewLedger(append(ledger, m.ledger.Between(first.seq, m.info.Last)...))
	clocks := sort.Search(len(m.clocks), func(i int) bool { return !m.clocks[i].Time.Before(first.time) })
	m.clocks = slices.Clone(m.clocks[max(clocks-1, 0):]) // the last before the window stays
	return nil
}
