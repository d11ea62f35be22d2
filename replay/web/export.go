package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// ExportOptions say what an exported page holds.
type ExportOptions struct {
	Subject     store.Ref // the zero value: the Services with outages
	From, To    time.Time // zero: the whole recording
	MostBytes   int       // of the page; 0 is 2 MB
	Title, File string
}

// exported is the data inside a page.
type exported struct {
	Overview *overview                 `json:"overview"`
	Lines    []line                    `json:"lines"`
	Lanes    map[string]*laneList      `json:"lanes"`
	Why      map[string][]exportedWhy  `json:"why"`
	Objects  map[string]exportedObject `json:"objects"`
	Changes  map[string]*changeDetail  `json:"changes"`
	Related  map[string][]string       `json:"related"`
}

type exportedWhy struct {
	From   int64            `json:"from"`
	Report *report.Envelope `json:"report"`
}

// exportedObject is the versions of an object, each as what differs from the one
// before.
type exportedObject struct {
	Owners   []string          `json:"owners"`
	Versions []exportedVersion `json:"versions"`
}

type exportedVersion struct {
	Seq  store.Seq `json:"seq"`
	At   int64     `json:"at"`
	Gone bool      `json:"gone,omitempty"`
	Ops  []any     `json:"ops"` // numbers of lines to copy, or if negative to skip, and new lines
}

// Bounds of an exported page.
const (
	mostExported  = 2_000_000 // bytes
	mostSubjects  = 6
	mostReports   = 60 // of a subject
	exportedLines = 10_000
	mostExportedV = 200 // versions of an object
)

// Export writes the page with the data of a window inside: one file that stands
// alone and loads nothing. What does not fit is left out, manifests first, and the
// page says so.
func Export(ctx context.Context, w io.Writer, t replay.Timeline, o Options, x ExportOptions) error {
	s := &Server{timeline: t, options: o, index: newIndex(t), cache: &replay.Cache{}, courses: map[store.Ref]*course{}}
	if err := s.index.grow(ctx, nil); err != nil {
		return err
	}
	survey, err := o.Survey(ctx, func(int, int) {})
	if err != nil {
		return err
	}
	s.survey = survey
	info := t.Info()
	if x.From.IsZero() {
		x.From = info.Start
	}
	if x.To.IsZero() {
		x.To = info.End
	}
	data, err := s.exported(ctx, x)
	if err != nil {
		return err
	}
	most := x.MostBytes
	if most == 0 {
		most = mostExported
	}
	packed, err := data.fit(most - len(appJS()) - len(appCSS()) - len(asset("page.html")))
	if err != nil {
		return err
	}
	policy := fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'", digest(appCSS()), digest(appJS()))
	return page().Execute(w, pageData{JS: template.JS(appJS()), CSS: template.CSS(appCSS()), Policy: policy, Data: template.HTML(packed), Title: x.Title})
}

func (s *Server) exported(ctx context.Context, x ExportOptions) (*exported, error) {
	d := &exported{Lanes: map[string]*laneList{}, Why: map[string][]exportedWhy{}, Objects: map[string]exportedObject{}, Changes: map[string]*changeDetail{}, Related: map[string][]string{}}
	var err error
	if d.Overview, err = s.overview(s.timeline.Info()); err != nil {
		return nil, err
	}
	v := d.Overview
	v.File, v.Exported, v.CanMark = x.File, true, false
	v.From, v.To = x.From.UnixMicro(), x.To.UnixMicro()
	v.Outages = slices.DeleteFunc(v.Outages, func(o drawnOutage) bool { return o.To < v.From || o.From > v.To })
	if x.Subject.Name != "" {
		v.Outages = slices.DeleteFunc(v.Outages, func(o drawnOutage) bool { return o.Key != keyOf(x.Subject) })
	}
	for i := range v.Services {
		v.Services[i].Spans = clip(v.Services[i].Spans, v.From, v.To)
	}
	v.Marks = slices.DeleteFunc(v.Marks, func(m drawnMark) bool { return m.At < v.From || m.At > v.To })
	var left string
	d.Lines, left = s.exportedLines(v.From, v.To)
	v.Left = left
	for _, ref := range s.exportedSubjects(v, x.Subject) {
		if err := s.exportSubject(ctx, d, ref, x); err != nil {
			return nil, err
		}
	}
	// A page about a few Services offers no others.
	v.Services = slices.DeleteFunc(v.Services, func(c drawnService) bool { return d.Lanes[c.Key] == nil })
	for i := range d.Lines {
		switch l := &d.Lines[i]; l.Class {
		case classNames[write], classNames[created], classNames[deleted]:
			if d.Changes[strconv.FormatUint(uint64(l.Seq), 10)], err = s.change(l.Seq); err != nil {
				return nil, err
			}
		}
	}
	return d, ctx.Err()
}

// exportedSubjects are the Services that a page holds lanes of.
func (s *Server) exportedSubjects(v *overview, asked store.Ref) []store.Ref {
	var keys []string
	if asked.Name != "" {
		return []store.Ref{asked}
	}
	for _, o := range v.Outages {
		for _, key := range append([]string{o.Key}, alsoKeys(o.Also)...) {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	for _, c := range v.Services {
		if len(keys) == 0 {
			keys = append(keys, c.Key)
		}
	}
	var refs []store.Ref
	for _, key := range keys[:min(len(keys), mostSubjects)] {
		if ref, known := s.index.ref(key); known {
			refs = append(refs, ref)
		}
	}
	return refs
}

func alsoKeys(also []drawnOutage) (keys []string) {
	for _, o := range also {
		keys = append(keys, o.Key)
	}
	return keys
}

// exportedLines are the events of a window. If they are too many, those that tell
// least are left out.
func (s *Server) exportedLines(from, to int64) ([]line, string) {
	sel := &selection{from: from, to: to, anyClasses: true}
	for i := range sel.classes {
		sel.classes[i] = true
	}
	var left []string
	for _, c := range []class{heartbeat, stream, listed, status, derived, notice} {
		found, more := s.index.page(sel, 0, 0, exportedLines)
		if !more {
			return s.lines(s.cache, found), leftOut(left)
		}
		sel.classes[c] = false
		left = append(left, classNames[c])
	}
	found, _ := s.index.page(sel, 0, 0, exportedLines)
	return s.lines(s.cache, found), leftOut(left)
}

func leftOut(left []string) string {
	if len(left) == 0 {
		return ""
	}
	return "without events of the kinds " + strings.Join(left, ", ")
}

// exportSubject adds what the page shows of a subject.
func (s *Server) exportSubject(ctx context.Context, d *exported, ref store.Ref, x ExportOptions) error {
	key := keyOf(ref)
	at := x.To
	for _, o := range d.Overview.Outages {
		if o.Key == key {
			at = time.UnixMicro(o.WorstAt)
			break
		}
	}
	list, err := s.lanes(ctx, ref, at, x.From, x.To)
	if err != nil {
		return err
	}
	list.Exact = true // a closer look shows nothing more in this page
	d.Lanes[key] = list
	c, err := s.courseOf(ctx, ref)
	if err != nil {
		return err
	}
	for _, g := range exportedSegments(c.segments, x) {
		from := g.From
		if from.Before(x.From) {
			from = x.From
		}
		e, err := s.why(ctx, ref, from)
		if err != nil {
			return err
		}
		e.Recording = report.Recording{ID: e.Recording.ID, Redaction: e.Recording.Redaction}
		d.Why[key] = append(d.Why[key], exportedWhy{from.UnixMicro(), e})
	}
	for i := range list.Lanes {
		l := &list.Lanes[i]
		d.Related[key] = append(d.Related[key], l.Key)
		object, known := s.index.ref(l.Key)
		if _, has := d.Objects[l.Key]; has || !known {
			continue
		}
		if d.Objects[l.Key], err = s.exportObject(object, x); err != nil {
			return err
		}
	}
	return nil
}

// exportedSegments are those in a window, the longest if there are too many.
func exportedSegments(all []verdict.Segment, x ExportOptions) []verdict.Segment {
	kept := slices.DeleteFunc(slices.Clone(all), func(g verdict.Segment) bool { return g.From.After(x.To) || g.To.Before(x.From) })
	if len(kept) > mostReports {
		slices.SortStableFunc(kept, func(a, b verdict.Segment) int { return int(b.To.Sub(b.From) - a.To.Sub(a.From)) })
		kept = kept[:mostReports]
		slices.SortStableFunc(kept, func(a, b verdict.Segment) int { return a.From.Compare(b.From) })
	}
	return kept
}

func (s *Server) exportObject(ref store.Ref, x ExportOptions) (exportedObject, error) {
	out := exportedObject{Owners: []string{}, Versions: []exportedVersion{}}
	last, err := s.timeline.SeqAt(x.To)
	if err != nil {
		return out, err
	}
	first, err := s.timeline.SeqAt(x.From)
	if err != nil {
		return out, err
	}
	seqs, err := s.timeline.History(ref, last)
	if err != nil {
		return out, err
	}
	begin := 0
	for begin+1 < len(seqs) && seqs[begin+1] <= first {
		begin++
	}
	seqs = seqs[begin:]
	if len(seqs) > mostExportedV { // the first ones and the last
		seqs = slices.Concat(seqs[:mostExportedV/2], seqs[len(seqs)-mostExportedV/2:])
	}
	var before []string
	for _, seq := range seqs {
		e, err := s.timeline.Event(seq)
		if err != nil {
			continue // damage: the page shows the version before
		}
		v := exportedVersion{Seq: seq, At: max(e.Time.UnixMicro(), x.From.UnixMicro()), Gone: e.Type == watch.Deleted}
		text, err := manifest(e.Object)
		if err != nil {
			continue
		}
		lines := strings.Split(text, "\n")
		v.Ops = delta(before, lines)
		before = lines
		out.Versions = append(out.Versions, v)
	}
	return out, nil
}

// delta says how to make lines of others: numbers copy so many, or skip if they
// are negative, and texts are new lines.
func delta(before, after []string) []any {
	head, tail := 0, 0
	for head < len(before) && head < len(after) && before[head] == after[head] {
		head++
	}
	for tail < len(before)-head && tail < len(after)-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	ops := []any{}
	copied := func(n int) {
		if n > 0 {
			ops = append(ops, n)
		}
	}
	copied(head)
	a, b := before[head:len(before)-tail], after[head:len(after)-tail]
	// What is new is looked for further on in what was: good enough for manifests,
	// of which few lines change.
	i := 0
	for _, l := range b {
		ahead := slices.Index(a[i:min(len(a), i+lookAhead)], l)
		switch {
		case ahead < 0:
			ops = append(ops, l)
		default:
			if ahead > 0 {
				ops = append(ops, -ahead)
			}
			i += ahead + 1
			if n := len(ops); n > 0 {
				if last, is := ops[n-1].(int); is && last > 0 {
					ops[n-1] = last + 1
					continue
				}
			}
			ops = append(ops, 1)
		}
	}
	if left := len(a) - i; left > 0 {
		ops = append(ops, -left)
	}
	copied(tail)
	return ops
}

// lookAhead is how many lines further on delta looks for a line.
const lookAhead = 20

// fit packs the data into so many bytes; what tells least is left out first.
func (d *exported) fit(most int) (string, error) {
	for level := 0; ; level++ {
		packed, err := d.pack()
		if err != nil || len(packed) <= most || level == len(cuts) {
			if err == nil && len(packed) > most {
				err = fmt.Errorf("the window does not fit into one page of %d kB: export a shorter one with --since and --until, or name a subject", most/1000)
			}
			return packed, err
		}
		cuts[level](d)
	}
}

var cuts = []func(*exported){
	func(d *exported) { // manifests of objects that had no part in it
		for _, list := range d.Lanes {
			for _, l := range list.Lanes {
				if l.Group == "other" || l.Group == "nodes" || l.Group == "network" {
					delete(d.Objects, l.Key)
				}
			}
		}
		d.leave("manifests of Nodes and neighbours")
	},
	func(d *exported) {
		d.Lines = slices.DeleteFunc(d.Lines, func(l line) bool {
			return l.Class == classNames[heartbeat] || l.Class == classNames[stream] || l.Class == classNames[listed]
		})
		d.leave("heartbeats")
	},
	func(d *exported) {
		for key := range d.Objects {
			part := false
			for _, list := range d.Lanes {
				part = part || slices.ContainsFunc(list.Lanes, func(l drawnLane) bool { return l.Key == key && (l.Role != "" || key == list.Subject) })
			}
			if !part {
				delete(d.Objects, key)
			}
		}
		d.leave("manifests of all but what caused the outage")
	},
	func(d *exported) {
		d.Lines = slices.DeleteFunc(d.Lines, func(l line) bool { return l.Class == classNames[status] })
		d.leave("changes of status")
	},
	func(d *exported) {
		clear(d.Objects)
		d.Lines = slices.DeleteFunc(d.Lines, func(l line) bool { return l.Class == classNames[derived] })
		d.leave("manifests and what controllers did")
	},
}

func (d *exported) leave(what string) {
	d.Overview.Left = strings.TrimPrefix(d.Overview.Left+", without "+what, ", ")
}

func (d *exported) pack() (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(text); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
