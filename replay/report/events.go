package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/store"
)

// EventList is what was heard, in order.
type EventList struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"` // EventList
	Recording  Recording `json:"recording"`
	Items      []Event   `json:"items"`
}

// Event is one thing that was heard, or one change in what was listened to.
type Event struct {
	Seq             store.Seq       `json:"seq"`
	Time            time.Time       `json:"time"`
	Type            string          `json:"type"` // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, RELIST, COVERAGE, or MARK
	Resource        string          `json:"resource"`
	Namespace       string          `json:"namespace,omitempty"`
	Name            string          `json:"name,omitempty"`
	UID             string          `json:"uid,omitempty"`
	ResourceVersion string          `json:"resourceVersion,omitempty"`
	Status          store.Status    `json:"status,omitempty"`  // of COVERAGE
	Reason          string          `json:"reason,omitempty"`  // of COVERAGE
	Resumed         bool            `json:"resumed,omitempty"` // of COVERAGE: nothing was lost in the gap before
	Object          json.RawMessage `json:"object,omitempty"`
	Text            string          `json:"text,omitempty"`   // of MARK
	Author          string          `json:"author,omitempty"` // of MARK
}

// EventLine is an event as a document of its own, one of a stream of lines.
type EventLine struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // Event
	Event
}

// EventOf shows an event, with its object if asked for.
func EventOf(e *store.Event, object bool) Event {
	out := Event{
		Seq: e.Seq, Time: e.Time.UTC(), Type: string(e.Type), Resource: e.Resource.GroupResource().String(),
		Namespace: e.Namespace, Name: e.Name, UID: string(e.UID), ResourceVersion: e.ResourceVersion,
	}
	if object && json.Valid(e.Object) {
		out.Object = e.Object
	}
	return out
}

// EventOfCoverage shows a change in what was listened to.
func EventOfCoverage(c *store.Coverage) Event {
	return Event{
		Seq: c.Seq, Time: c.Time.UTC(), Type: "COVERAGE", Resource: c.Resource.GroupResource().String(),
		Namespace: c.Namespace, ResourceVersion: c.ResourceVersion, Status: c.Status, Reason: c.Reason, Resumed: c.Resumed,
	}
}

// EventText prints an event on one line.
func EventText(w io.Writer, e Event, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: e.Time}
	if e.Type == "MARK" {
		return MarkText(w, store.Mark{Time: e.Time, Text: e.Text, Author: e.Author}, o)
	}
	what := Clean(slash(e.Namespace, e.Name))
	if e.Type == "COVERAGE" {
		what = Clean(e.Namespace) + " " + string(e.Status)
		if e.Reason != "" {
			what += ": " + Clean(e.Reason)
		}
	}
	p.line("%s %s %-8s %s %s", p.paint(faint, fmt.Sprintf("#%-6d", e.Seq)), e.Time.In(p.zone()).Format("2006-01-02T15:04:05.000000Z07:00"), e.Type, Clean(e.Resource), what)
	return p.w.Flush()
}

// ChangeList is every change to one object.
type ChangeList struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"` // ChangeList
	Recording  Recording       `json:"recording"`
	Items      []change.Change `json:"items"`
}

// ChangeLine is a change as a document of its own, one of a stream of lines.
type ChangeLine struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // Change
	change.Change
}
