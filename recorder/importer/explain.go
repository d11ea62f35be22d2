package importer

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// Explanation says what evidence holds and what it proves.
type Explanation struct {
	From      time.Time      `json:"from"`
	To        time.Time      `json:"to"`
	Formats   []string       `json:"formats"`
	Log       *LogPart       `json:"auditLog,omitempty"`
	Revisions *RevisionsPart `json:"revisions,omitempty"`
	// Attribution is set if one of the sources is a recording.
	Attribution *AttributionCounts `json:"attribution,omitempty"`
	Resources   []Resource         `json:"resources"`
	Holes       []Hole             `json:"holes"`
}

// LogPart is what the audit logs cover.
type LogPart struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Refused int       `json:"refused"` // requests
}

// RevisionsPart is the history that an etcd snapshot has.
type RevisionsPart struct {
	From  time.Time `json:"from"` // its last compaction
	To    time.Time `json:"to"`
	Whole bool      `json:"whole"` // nothing of it is damaged
}

// Resource says what is known of one resource.
type Resource struct {
	Resource string       `json:"resource"`
	Written  int          `json:"written"` // with their content
	Unseen   int          `json:"unseen"`  // without
	Listed   int          `json:"listed"`
	Status   store.Status `json:"status"`            // the best coverage that it has anywhere
	Proven   []string     `json:"absenceProvenIn"`   // namespaces; "" is the cluster
	Omitted  string       `json:"omitted,omitempty"` // why the audit policy leaves out writes
}

// omitsEverywhere reports whether the log leaves out writes in all namespaces that
// it has some of.
func (rp *resourcePlan) omitsEverywhere(p *plan, gr schema.GroupResource) bool {
	for key := range rp.objects {
		if p.omission(gr, rp, key.namespace) == "" {
			return false
		}
	}
	return true
}

func (p *plan) explain(s *summary) Explanation {
	x := Explanation{From: p.all.from.UTC(), To: p.all.to.UTC(), Formats: s.formats, Resources: []Resource{}, Holes: s.list()}
	if !p.log.from.IsZero() {
		x.Log = &LogPart{p.log.from.UTC(), p.log.to.UTC(), p.refused}
	}
	if h := &p.history; !h.from.IsZero() {
		x.Revisions = &RevisionsPart{h.from.UTC(), h.to.UTC(), h.whole}
	}
	for _, silence := range p.silences {
		x.Holes = append(x.Holes, Hole{"the audit log", "it says nothing from " + silence.from.UTC().Format(time.RFC3339) + " to " + silence.to.UTC().Format(time.RFC3339), 1})
	}
	for _, gr := range p.sorted() {
		rp := p.resources[gr]
		r := Resource{Resource: gr.String(), Written: rp.written, Unseen: rp.unseen, Listed: rp.listed, Status: store.Unseen, Proven: []string{}}
		for _, ns := range sortedKeys(rp.scopes) {
			if rp.scopes[ns].proven {
				r.Proven = append(r.Proven, ns)
			}
		}
		switch {
		case x.Revisions != nil:
			if r.Status, _ = rp.ofHistory(&p.history); r.Status == store.Revisions {
				r.Proven = []string{""}
			}
		case len(r.Proven) > 0:
			r.Status = store.Current
		case rp.follows(gr):
			r.Status = store.Writes
		case len(rp.lists) > 0:
			r.Status = store.Instant
		case rp.written+rp.unseen == 0 && rp.listed == 0:
			r.Status = store.Derived
		}
		if r.Omitted = p.omission(gr, rp, ""); r.Omitted != "" && r.Status == store.Writes && rp.omitsEverywhere(p, gr) {
			r.Status = store.Unseen
		}
		x.Resources = append(x.Resources, r)
	}
	return x
}
