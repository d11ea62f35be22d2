package postmortem

import (
	"context"
	"slices"
	"strings"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/lane"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// mostCulprits is how many lanes show what caused the outage.
const mostCulprits = 4

// culprits returns the objects that the outage came from, other than the subject
// and what has lanes of its own: those that were changed, then those that findings
// name.
func (s *documentBuilder) culprits() []store.Ref {
	if s.outage == nil {
		return nil
	}
	var refs []store.Ref
	add := func(ref store.Ref) {
		if ref.Name != "" && ref != s.subject && ref.Resource != pods && ref.Resource != nodes && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	for i := range s.outage.Worst.Changes {
		add(s.outage.Worst.Changes[i].Ref)
	}
	for i := range s.outage.Worst.Later.Because {
		add(s.refOf(&s.outage.Worst.Later.Because[i].Subject))
	}
	return refs[:min(len(refs), mostCulprits)]
}

// refOf returns the object that a finding is about, if it is of a kind that is
// drawn.
func (s *documentBuilder) refOf(a *analyzer.Subject) store.Ref {
	ref := store.Ref{Namespace: a.Namespace, Name: a.Name}
	switch resource, is := replay.Workloads[a.Kind]; {
	case is:
		ref.Resource = resource
	case a.Kind == "Service":
		ref.Resource = replay.Services
	default:
		return store.Ref{}
	}
	return ref
}

// culpritLanes draw what caused the outage.
func (s *documentBuilder) culpritLanes(ctx context.Context) ([]Lane, error) {
	var all []Lane
	for _, ref := range s.culprits() {
		if ref.Resource == replay.Services {
			segments, err := verdict.Of(ctx, s.timeline, ref, s.info.Start, s.info.End)
			if err != nil {
				return nil, err
			}
			if segments = verdict.Settle(segments); len(segments) > 0 {
				all = append(all, s.courseLane("service", named(segments[len(segments)-1].Report.Subject), segments))
			}
			continue
		}
		spans, _, err := lane.Of(s.timeline, ref, s.window.From, s.window.To)
		if err != nil {
			return nil, err
		}
		l := Lane{Kind: "cause", Object: report.Clean(kindOf(s, ref) + " " + strings.TrimPrefix(ref.Namespace+"/"+ref.Name, "/")), Spans: []Stay{}, Gaps: s.deaf(ref.Resource)}
		young := 0
		if len(spans) > 0 && spans[0].From.After(s.window.From) {
			young = lane.ComingUp(spans)
		}
		for i := range spans {
			x := &spans[i]
			stay := Stay{From: x.From, To: x.To, State: x.State, Seq: x.Seq, Note: report.Clean(x.Note), Ready: x.Ready, Desired: x.Desired}
			if i < young {
				stay.State, stay.Ready, stay.Desired = lane.Pending, 0, 0
			}
			l.add(s, stay)
		}
		if len(l.Spans) > 0 {
			all = append(all, l)
		}
	}
	return all, nil
}

// kindOf names the kind of an object as changes of it do.
func kindOf(s *documentBuilder, ref store.Ref) string {
	for i := range s.outage.Worst.Changes {
		if c := &s.outage.Worst.Changes[i]; c.Ref == ref {
			return c.Subject.Kind
		}
	}
	for kind, resource := range replay.Workloads {
		if resource == ref.Resource {
			return kind
		}
	}
	return ref.Resource.Resource
}

// toneOf is how bad a stretch of a lane is.
func toneOf(l *Lane, s *Stay) string {
	if l.Kind == "cause" {
		c := lane.Condition{State: s.State, Ready: s.Ready, Desired: s.Desired}
		if t := c.Tone(); t != lane.Plain {
			return t
		}
		return lane.Unknown
	}
	if s.State == string(analyzer.Absent) && s.From.Equal(l.Spans[0].From) {
		return lane.Unknown // it does not exist yet
	}
	return lane.Tone(s.State)
}

// deeds are the changes that began and ended the outage, for the axis.
func (s *documentBuilder) deeds() []Deed {
	all := []Deed{}
	if s.outage == nil {
		return all
	}
	add := func(when string, c *change.Change) {
		who := named(c.Subject) + " " + string(c.Verb)
		if name := report.Who(c); name != "" {
			who = name
		}
		all = append(all, Deed{Time: c.ObservedAt.UTC(), Seq: c.Seq, Text: report.ShortValue(when+" "+who, mostDeed)})
	}
	if c := s.outage.Trigger(); c != nil {
		add("trigger:", c)
	}
	if c := s.outage.End(); c != nil {
		add("recovery:", c)
	}
	return all
}

// mostDeed is how long the text of a change on the axis is.
const mostDeed = 34
