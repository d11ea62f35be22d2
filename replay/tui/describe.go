package tui

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// describePage tells about the chosen object in the manner of kubectl describe.
func describePage(m *Model) *page {
	ref := m.chosenRef()
	if ref.Name == "" {
		return nil
	}
	return describeOf(ref)
}

func describeOf(ref store.Ref) *page {
	return &page{
		name: "describe " + ref.Resource.Resource + "/" + ref.Name,
		head: func(m *Model) string { return "DESCRIBE  " + titleOf(m.state, ref) },
		rows: func(m *Model) []row { return m.describe(ref) },
	}
}

// yamlPage shows the chosen object as it was recorded.
func yamlPage(m *Model) *page {
	ref := m.chosenRef()
	if ref.Name == "" {
		return nil
	}
	return &page{
		name: "yaml " + ref.Resource.Resource + "/" + ref.Name,
		head: func(m *Model) string { return "YAML  " + titleOf(m.state, ref) },
		rows: func(m *Model) []row {
			o := m.state.Get(ref)
			if o == nil {
				return plain([]string{m.missing(ref)})
			}
			return plain(yamlLines(o.Object))
		},
	}
}

func (m *Model) missing(ref store.Ref) string {
	return titleOf(m.state, ref) + " is not known at " + m.clock(m.at())
}

// yamlLines prints an object without the bookkeeping of field managers, as
// kubectl does.
func yamlLines(object []byte) []string {
	var o map[string]any
	err := json.Unmarshal(object, &o)
	if err == nil {
		if meta, ok := o["metadata"].(map[string]any); ok {
			delete(meta, "managedFields")
		}
		var text []byte
		if text, err = yaml.Marshal(o); err == nil {
			lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
			for i := range lines {
				lines[i] = report.Clean(lines[i])
			}
			return lines
		}
	}
	return []string{report.Clean(err.Error())}
}

// described is what many kinds have and describe shows as tables.
type described struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     map[string]any    `json:"spec"`
	Status   struct {
		Phase      string `json:"phase"`
		Conditions []struct {
			Type               string      `json:"type"`
			Status             string      `json:"status"`
			Reason             string      `json:"reason"`
			Message            string      `json:"message"`
			LastTransitionTime metav1.Time `json:"lastTransitionTime"`
		} `json:"conditions"`
		Containers []struct {
			Name         string                    `json:"name"`
			Ready        bool                      `json:"ready"`
			RestartCount int                       `json:"restartCount"`
			State        map[string]map[string]any `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

func (m *Model) describe(ref store.Ref) []row {
	o := m.state.Get(ref)
	if o == nil {
		return append(plain([]string{m.missing(ref)}), m.changeRows(ref)...)
	}
	var d described
	if err := json.Unmarshal(o.Object, &d); err != nil {
		return plain([]string{report.Clean(err.Error())})
	}
	var out []row
	say := func(format string, args ...any) {
		out = append(out, row{text: report.Clean(fmt.Sprintf(format, args...))})
	}
	say("Name:       %s", d.Metadata.Name)
	if d.Metadata.Namespace != "" {
		say("Namespace:  %s", d.Metadata.Namespace)
	}
	say("Created:    %s (%s before)", when.Format(d.Metadata.CreationTimestamp.Time), report.Duration(m.at().Sub(d.Metadata.CreationTimestamp.Time)))
	say("UID:        %s   resourceVersion %s", d.Metadata.UID, d.Metadata.ResourceVersion)
	if t := d.Metadata.DeletionTimestamp; t != nil {
		say("Deleting:   to be gone by %s", when.Format(t.Time))
	}
	for i, k := range slices.Sorted(maps.Keys(d.Metadata.Labels)) {
		say("%-11s %s=%s", first(i, "Labels:"), k, d.Metadata.Labels[k])
	}
	for i, owner := range d.Metadata.OwnerReferences {
		say("%-11s %s/%s", first(i, "Owned by:"), owner.Kind, owner.Name)
	}
	if d.Status.Phase != "" {
		say("Phase:      %s", d.Status.Phase)
	}
	for i, c := range d.Status.Containers {
		state := ""
		for name, detail := range d.Status.Containers[i].State {
			state = name
			if reason, ok := detail["reason"].(string); ok {
				state += " (" + reason + ")"
			}
		}
		say("%-11s %s  ready %t  %s  restarts %d", first(i, "Containers:"), c.Name, c.Ready, state, c.RestartCount)
	}
	for i, c := range d.Status.Conditions {
		say("%-11s %s %s  %s %s  since %s", first(i, "Conditions:"), c.Type, c.Status, c.Reason, c.Message, m.clock(c.LastTransitionTime.Time))
	}
	if len(d.Spec) > 0 {
		out = append(out, row{}, row{text: faint("SPEC")})
		if spec, err := json.Marshal(d.Spec); err == nil {
			for _, l := range yamlLines(spec) {
				out = append(out, row{text: "  " + l})
			}
		}
	}
	return append(append(out, m.eventRows(o)...), m.changeRows(ref)...)
}

func first(i int, word string) string {
	if i == 0 {
		return word
	}
	return ""
}

// eventRows are the Kubernetes Events about an object, oldest first.
func (m *Model) eventRows(o *analyzer.Object) []row {
	var rows []row
	events := m.state.List(store.Query{Resource: schema.GroupVersionResource{Version: "v1", Resource: "events"}, Namespace: o.Namespace, Involved: o.UID})
	slices.SortFunc(events, func(a, b *analyzer.Object) int { return int(a.Seq) - int(b.Seq) })
	for _, e := range events {
		d := moment.MetadataOf(e.Object)
		rows = append(rows, row{text: report.Clean(fmt.Sprintf("  %s #%d %s %s: %s", m.clock(e.Time), e.Seq, d.Type, d.Reason, d.Message)), seq: e.Seq})
	}
	if len(rows) > 0 {
		rows = append([]row{{}, {text: faint("KUBERNETES EVENTS")}}, rows...)
	}
	return rows
}

// maxChanges is how many changes of an object describe shows.
const maxChanges = 20

// changeRows are the last changes of an object up to the cursor, latest first.
func (m *Model) changeRows(ref store.Ref) []row {
	changes, err := change.List(m.timeline, ref, 0, m.state.Seq())
	if err != nil {
		return plain([]string{report.Clean(err.Error())})
	}
	if len(changes) == 0 {
		return nil
	}
	rows := []row{{}, {text: faint("WHAT CHANGED IT")}}
	slices.Reverse(changes)
	for i := range changes[:min(len(changes), maxChanges)] {
		c := changes[i : i+1]
		lines := m.print(func(w io.Writer, o report.Options) error { return report.ChangesText(w, c, m.at(), o) })
		for j, l := range lines {
			r := row{text: "  " + l}
			if j == 0 {
				r.seq = c[0].Seq
			}
			rows = append(rows, r)
		}
	}
	if n := len(changes) - maxChanges; n > 0 {
		rows = append(rows, row{text: fmt.Sprintf("  ... and %d before", n)})
	}
	return rows
}
