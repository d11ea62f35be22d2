package moment

import (
	"fmt"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// Begin is how long after its start a recorder begins with its streams.
const Begin = 5 * time.Second

// together is how soon the streams of a recorder follow each other when all of
// them lose or find their server: they are told of as one.
const together = time.Second

// listening returns the changes of what the recorder listened to in a stretch,
// as far as it matters. Changes of many streams that come together are one, at
// the position of the last.
func (h *Finder) listening(from, to store.Seq, i *Interest) (map[store.Seq][]store.Coverage, error) {
	// What belongs together may lie across the ends of the stretch.
	ledger, err := h.Timeline.Ledger(max(from, stretch)-stretch, to+stretch)
	if err != nil {
		return nil, err
	}
	start := h.Timeline.Info().Start
	found := map[store.Seq][]store.Coverage{}
	latest := map[string]store.Seq{} // of a kind of change, the last position
	for _, c := range ledger {
		if c.Reason == store.Stopped || c.Status != store.Gap && c.Time.Sub(start) < Begin {
			continue // that the recorder begins and ends says nothing about the cluster
		}
		if !i.listen(&c) {
			continue
		}
		kind := string(c.Status) + c.Reason
		group := []store.Coverage{c}
		if before, is := latest[kind]; is && c.Time.Sub(found[before][0].Time) <= together {
			group = append(found[before], c)
			delete(found, before)
		}
		found[c.Seq], latest[kind] = group, c.Seq
	}
	for seq := range found {
		if seq < from || seq > to {
			delete(found, seq)
		}
	}
	return found, nil
}

// mostNamed is how many streams are named; of more there is the number.
const mostNamed = 3

// coverageMoment says that the recorder began or ceased to listen.
func coverageMoment(all *[]store.Coverage) *Moment {
	group := *all
	last := group[len(group)-1]
	var names []string
	for _, c := range group[:min(len(group), mostNamed)] {
		name := c.Resource.Resource
		if c.Namespace != "" {
			name += " in " + c.Namespace
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	if n := len(group) - mostNamed; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	text += " " + coverageWords(last.Status)
	if last.Reason != "" {
		text += " (" + last.Reason + ")"
	}
	return &Moment{Seq: last.Seq, At: last.Time.UTC(), Kind: "recorder:", Text: report.Clean(text), Meant: true}
}

func coverageWords(s store.Status) string {
	switch s {
	case store.Revisions, store.Writes, store.Unseen, store.Instant, store.Derived:
		return "known by " + report.CoverageWords(s)
	}
	words := map[store.Status]string{
		store.Current: "heard from now on", store.Partial: "heard in part from now on", store.Gap: "no longer heard", store.Listing: "being listed",
		store.Forbidden: "refused by the server", store.NotRecorded: "not recorded",
	}
	return words[s]
}
