package tui

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/store"
)

// object is a row of the objects pane. Its texts are clean.
type object struct {
	ref    store.Ref // no name: an address that belongs to no object
	title  string
	state  string // of an endpoint: ready, notready, terminating, dead, unlisted
	detail string
}

func (o *object) text() string { return o.state + " " + o.title + " " + o.detail }

// objectsOf lists the subject's endpoints, and after them what else the report
// rests on: what it names as evidence, then what was asked for by name.
func objectsOf(s *replay.State, subject store.Ref, r *analyzer.Report, w *moment.View) []object {
	var rows []object
	seen := map[store.Ref]bool{subject: true}
	for _, e := range r.Endpoints.Items {
		ref := store.Ref{Resource: replay.Pods, Namespace: r.Subject.Namespace, Name: e.Pod}
		title := e.Pod
		if e.Pod == "" {
			title, ref = e.Address, store.Ref{}
		}
		if ref.Name != "" && seen[ref] {
			continue // listed once for each port or family
		}
		seen[ref] = true
		detail := []string{}
		for _, d := range []string{e.Reason, e.Node} {
			if d != "" && d != title {
				detail = append(detail, d)
			}
		}
		rows = append(rows, object{ref, report.Clean(title), e.State, report.Clean(strings.Join(detail, "  "))})
	}
	add := func(ref store.Ref, detail string) {
		if ref.Name == "" || seen[ref] || ref.Resource.Resource == "events" {
			return
		}
		seen[ref] = true
		if o := s.Get(ref); o != nil {
			rows = append(rows, object{ref: ref, title: titleOf(s, ref), detail: report.Clean(detail)})
		}
	}
	resources := s.Timeline().Info().Resources
	for _, list := range [][]analyzer.Finding{r.Because, r.Also, r.Symptoms, r.Risks} {
		for _, f := range list {
			for _, e := range f.Evidence {
				found, err := replay.FindResource(e.Kind, resources)
				if err != nil {
					continue // a kind that the recording does not know has no objects in it
				}
				ref := store.Ref{Resource: schema.GroupVersionResource{Group: found.Group, Version: found.Version, Resource: found.Name}, Namespace: e.Namespace, Name: e.Name}
				add(ref, f.ID)
			}
		}
	}
	for _, ref := range w.Named {
		add(ref, "")
	}
	for _, q := range w.Queries {
		if q.Resource == replay.EndpointSlices && len(q.Labels) > 0 {
			for _, o := range s.List(q) {
				add(o.Ref(), "")
			}
		}
	}
	return rows
}

// titleOf names an object for a person, with its kind as the recorded discovery
// knows it.
func titleOf(s *replay.State, ref store.Ref) string {
	kind := ref.Resource.Resource
	for _, r := range s.Timeline().Info().Resources {
		if r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group {
			kind = r.Kind
		}
	}
	return report.Clean(kind + "/" + ref.Name)
}

// shownObjects are the rows that pass the filter.
func (m *Model) shownObjects() []object {
	return slices.DeleteFunc(slices.Clone(m.objects), func(o object) bool { return !mentions(o.text(), m.filter) })
}

// chosenRef is the object that d and y are about: the chosen one while the
// objects have the arrows, else the subject itself.
func (m *Model) chosenRef() store.Ref {
	if m.subject.Name == "" {
		if r := m.list.chosen(m.filter, m.chosen); r != nil {
			return refOf(r)
		}
		return store.Ref{}
	}
	if rows := m.shownObjects(); m.pane == paneObjects && m.chosen < len(rows) && rows[m.chosen].ref.Name != "" {
		return rows[m.chosen].ref
	}
	if o := m.chosenMoment(); m.pane == paneEvents && o != nil && o.Ref.Name != "" {
		return o.Ref
	}
	return m.subject
}

// diagnosed are the resources that can be a subject.
var diagnosed = []string{"services", "pods", "deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps", "replicationcontrollers", "nodes", "ingresses.networking.k8s.io"}

// enterSubject makes an object the subject, or describes it if it cannot be
// one.
func (m *Model) enterSubject(ref store.Ref) {
	if !slices.Contains(diagnosed, ref.Resource.GroupResource().String()) {
		m.page = describeOf(ref)
		return
	}
	if ref == m.subject {
		m.say("this is the subject")
		return
	}
	m.trail = append(m.trail, m.subject)
	m.turnTo(ref)
}

// turnTo shows another subject at the same instant.
func (m *Model) turnTo(ref store.Ref) {
	m.subject, m.filter, m.page = ref, "", nil
	m.chosen, m.scroll, m.event, m.ago = 0, 0, 0, 0
	m.pane = paneReport
	if ref.Name == "" {
		m.pane = paneObjects
	}
	m.examine()
}

// parseSubject reads TYPE/NAME as the command line does.
func (m *Model) parseSubject(text string) (store.Ref, error) {
	info := m.timeline.Info()
	ref, err := replay.ParseSubject(strings.Fields(text), "", info.Resources)
	if err != nil {
		return ref, err
	}
	namespaced := ref.Resource.Resource != "nodes"
	for _, r := range info.Resources {
		if r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group {
			namespaced = r.Namespaced
		}
	}
	if namespaced && ref.Namespace == "" && m.subject.Namespace != "" {
		here := ref
		here.Namespace = m.subject.Namespace
		if seqs, err := m.timeline.History(here, info.Last); err == nil && len(seqs) > 0 {
			return here, nil
		}
	}
	ref, known, err := replay.Locate(m.timeline, ref, namespaced, m.state.Seq())
	if err == nil && !known {
		err = fmt.Errorf("the recording never saw %s/%s", ref.Resource.Resource, ref.Name)
	}
	return ref, err
}
