package postmortem

import (
	"fmt"
	"strings"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
)

// maxFactors is how many contributing factors are listed.
const maxFactors = 20

// chain tells how the outage came about, cause by cause down to what clients
// met, and what else contributed to it.
func (s *documentBuilder) chain() (chain, factors []Link) {
	chain, factors = []Link{}, []Link{}
	if s.outage == nil {
		return chain, factors
	}
	w := &s.outage.Worst
	before := s.forerunner()
	if s.prelude != nil {
		for i := range s.prelude.Facts {
			f := &s.prelude.Facts[i]
			if f.Link == "" {
				continue
			}
			l := Link{
				ID: "change", Certainty: Inferred, Text: report.Clean(f.String()) + ".", Subject: f.Subject, Time: f.Time.UTC(), Seq: f.Seq,
				Why: "reconstructed from what the object still carried when the recording began; " + string(f.Link) + ": " + report.Clean(f.Note),
			}
			if f == before {
				chain = append(chain, l)
			} else {
				factors = append(factors, l)
			}
		}
	}
	if len(w.Changes) == 0 && before == nil {
		l := Link{ID: "change", Certainty: NotObservable, Text: "What set it off was not recorded: no recorded change explains it. It may lie outside the cluster, in a load or in a dependency."}
		if c := w.LastChange; c != nil {
			l.Why = fmt.Sprintf("the last change before it to anything it depended on, at %s: %s", clock(c.ObservedAt), deed(c))
			l.Seq, l.Time, l.Subject = c.Seq, c.ObservedAt.UTC(), c.Subject
		}
		chain = append(chain, l)
	}
	for i := range w.Changes {
		if l := changeLink(&w.Changes[i]); i == 0 && before == nil {
			chain = append(chain, l)
		} else {
			factors = append(factors, l)
		}
	}
	said := map[string]bool{}
	for i := range w.Later.Because {
		f := &w.Later.Because[i]
		said[f.ID+f.Message] = true
		chain = append(chain, findingLink(f, w.Began))
	}
	chain = append(chain, s.experience(w)...)
	if m := w.Missing; m != nil && !mentions(w.Later.Because, m.ID) {
		factors = append(factors, Link{ID: m.ID, Certainty: Observed, Text: report.Clean(m.Message), Why: "why what was lost was not replaced", Subject: m.Subject})
	}
	for _, list := range [][]analyzer.Finding{w.Later.Also, w.Later.Symptoms, w.Later.Risks} {
		for i := range list {
			if f := &list[i]; !said[f.ID+f.Message] {
				said[f.ID+f.Message] = true
				factors = append(factors, findingLink(f, w.Began))
			}
		}
	}
	for _, u := range w.Later.Undecided {
		factors = append(factors, Link{ID: "undecided", Certainty: NotObservable, Text: report.Clean(u)})
	}
	return chain, factors[:min(len(factors), maxFactors)]
}

func mentions(list []analyzer.Finding, id string) bool {
	for i := range list {
		if list[i].ID == id {
			return true
		}
	}
	return false
}

func changeLink(c *change.Change) Link {
	l := Link{
		ID: "change", Certainty: certaintyOf(c), Subject: c.Subject, Time: c.ObservedAt.UTC(), Seq: c.Seq,
		Text: deed(c) + ".",
	}
	l.Why = string(c.Link)
	if c.Note != "" {
		l.Why += ": " + report.Clean(c.Note)
	}
	if !c.Earliest.IsZero() {
		l.Certainty = Inferred
	}
	return l
}

// findingLink is a finding, dated by the event with which it began if that is
// known, else by what shows it.
func findingLink(f *analyzer.Finding, began []story.Onset) Link {
	l := Link{ID: f.ID, Certainty: Observed, Text: sentence(report.Clean(f.Message)), Subject: f.Subject}
	if f.Certainty == analyzer.Likely || f.Certainty == analyzer.Possible {
		l.Certainty, l.Why = Inferred, string(f.Certainty)
	}
	if len(f.Evidence) > 0 {
		l.Seq, l.Time = f.Evidence[0].Seq, f.Evidence[0].ObservedAt.UTC()
	}
	for _, o := range began {
		if o.ID == f.ID && o.Subject == f.Subject && o.Seq > 0 {
			l.Seq, l.Time = o.Seq, o.At
			break
		}
	}
	if !strings.HasSuffix(l.Text, ".") {
		l.Text += "."
	}
	return l
}

// experience is what clients met: as far as the objects tell, and where they
// stop to tell.
func (s *documentBuilder) experience(w *story.Transition) []Link {
	var links []Link
	var met []string
	for _, c := range w.Later.Verdict.Classes {
		met = append(met, report.Clean(c.Class+" "+c.Result))
	}
	if len(met) > 0 {
		links = append(links, Link{
			ID: "traffic", Certainty: Inferred, Text: "Clients met, by class of traffic: " + strings.Join(met, ", ") + ".", Subject: s.about, Time: w.From.UTC(), Seq: w.Event,
			Why: "what kube-proxy and cluster DNS make of the recorded objects; packets were not recorded",
		})
	}
	return append(links, Link{ID: "requests", Certainty: NotObservable, Text: "How many requests failed, and for whom, no Kubernetes object tells."})
}
