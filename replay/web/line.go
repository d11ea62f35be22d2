package web

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// line is one event as the log shows it.
type line struct {
	Seq   store.Seq `json:"seq"`
	At    int64     `json:"at"`
	Class string    `json:"class"`
	Key   string    `json:"o,omitempty"`
	About string    `json:"about,omitempty"`
	Kind  string    `json:"kind,omitempty"`
	Who   string    `json:"who,omitempty"`
	Text  string    `json:"text"`
}

// mostText is how many bytes of one event a line shows.
const mostText = 200

// lines says entries in words.
func (s *Server) lines(cache *replay.Cache, entries []entry) []line {
	all := make([]line, 0, len(entries))
	for i := range entries {
		all = append(all, s.line(cache, &entries[i]))
	}
	return all
}

func (s *Server) line(cache *replay.Cache, e *entry) line {
	x := s.index
	x.mu.RLock()
	l := line{Seq: e.seq, At: e.at, Class: classNames[e.class], Who: report.Clean(x.names[e.who]), Text: report.Clean(x.names[e.text])}
	var ref store.Ref
	if e.ref >= 0 {
		ref, l.Key = x.refs[e.ref], x.keys[e.ref]
		l.Kind = ref.Resource.Resource
	}
	if e.about >= 0 {
		l.About = x.keys[e.about]
	}
	x.mu.RUnlock()
	switch e.class {
	case heartbeat:
		l.Text = "renewed"
		if ref.Resource.Resource == "events" {
			l.Text = "expired"
		}
	case listed:
		l.Text = "listed"
	case write, created, deleted, derived, status:
		changes, err := change.ListWith(s.timeline, cache, ref, e.seq-1, e.seq)
		if err != nil {
			l.Text = report.Clean(err.Error())
			break
		}
		l.Text = "only time stamps and versions"
		if len(changes) > 0 {
			c := &changes[len(changes)-1]
			l.Text = changeText(c)
			l.Who = cmp.Or(report.Who(c), l.Who)
		}
	}
	return l
}

// changeText says what a change did, without naming its object.
func changeText(c *change.Change) string {
	switch c.Verb {
	case change.Created, change.Deleted:
		return string(c.Verb)
	case change.Deleting:
		return "its deletion was asked for"
	}
	text := fieldText(c.Path, c.Old, c.New)
	if n := len(c.AllFields); n > 1 {
		text += fmt.Sprintf(" and %d more", n-1)
	}
	return text
}

func fieldText(path string, old, now any) string {
	path = report.Clean(path)
	value := func(v any) string { return report.ShortValue(v, mostText/4) }
	switch {
	case old == nil:
		return path + " added: " + value(now)
	case now == nil:
		return path + " removed: " + value(old)
	}
	return path + " " + value(old) + " → " + value(now)
}

// deed says what a change did to which object.
func deed(c *change.Change) string {
	name := c.Subject.Kind + " " + strings.TrimPrefix(c.Subject.Namespace+"/"+c.Subject.Name, "/")
	return report.Clean(name) + " " + changeText(c)
}

// field is one field that a change changed.
type field struct {
	Path string `json:"path"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new,omitempty"`
}

// changeDetail is one change in full.
type changeDetail struct {
	Seq     store.Seq `json:"seq"`
	At      int64     `json:"at"`
	Key     string    `json:"o"`
	Verb    string    `json:"verb"`
	Text    string    `json:"text"`
	Who     string    `json:"who,omitempty"`
	How     string    `json:"how,omitempty"`   // of the writer: Update or Apply, and the subresource
	Since   int64     `json:"since,omitempty"` // it happened between this and At: nobody was listening
	Origin  string    `json:"origin"`
	Fields  []field   `json:"fields"`
	More    int       `json:"more,omitempty"`
	Message string    `json:"message,omitempty"` // of a Kubernetes Event
}

// mostFields is how many fields of a change are shown; mostValue how long a value.
const mostFields, mostValue = 100, 4000

func detailOf(c *change.Change) changeDetail {
	d := changeDetail{
		Seq: c.Seq, At: c.ObservedAt.UnixMicro(), Key: keyOf(c.Ref), Verb: string(c.Verb), Text: changeText(c),
		Origin: string(c.Origin), Fields: []field{},
	}
	d.Who = report.Who(c)
	if c.Writer != nil {
		d.How = c.Writer.Operation
		if c.Writer.Subresource != "" {
			d.How += " of " + c.Writer.Subresource
		}
		d.How = report.Clean(d.How)
	}
	if !c.Earliest.IsZero() {
		d.Since = c.Earliest.UnixMicro()
	}
	d.Fields, d.More = fieldsOf(c.AllFields)
	return d
}

func fieldsOf(all []change.Field) (fields []field, more int) {
	fields = []field{}
	for i := range all[:min(len(all), mostFields)] {
		f := &all[i]
		fields = append(fields, field{report.Clean(f.Path), bounded(f.Old), bounded(f.New)})
	}
	return fields, max(0, len(all)-mostFields)
}

// bounded is a value as the page shows it: text that is not too long.
func bounded(v any) any {
	if v == nil {
		return nil
	}
	return report.ShortValue(v, mostValue)
}

// manifest returns a version of an object as YAML, without managedFields.
func manifest(object []byte) (string, error) {
	text, err := report.YAML(object)
	if err != nil {
		return "", err
	}
	if len(text) > mostManifest {
		return "", errTooLarge
	}
	return withoutManagedFields(string(text)), nil
}

// mostManifest is how large a manifest is shown.
const mostManifest = 1 << 20

var errTooLarge = errors.New("the object is larger than 1 MiB: `svcspy get FILE TYPE NAME -o yaml` prints it")

// withoutManagedFields cuts metadata.managedFields out of YAML with sorted keys.
func withoutManagedFields(text string) string {
	var kept []string
	inMetadata, cutting := false, false
	for l := range strings.SplitSeq(text, "\n") {
		indent := len(l) - len(strings.TrimLeft(l, " "))
		if indent == 0 && l != "" {
			inMetadata, cutting = l == "metadata:", false
		}
		if cutting && (indent > 2 || indent == 2 && strings.HasPrefix(l[2:], "- ")) {
			continue
		}
		cutting = inMetadata && l == "  managedFields:"
		if !cutting {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "\n")
}
