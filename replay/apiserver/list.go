package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	internalvalidation "k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// get answers with one object.
func (s *Server) get(w http.ResponseWriter, r *http.Request, st *stage, res *resource, q query) error {
	f, err := negotiate(r)
	if err != nil {
		return err
	}
	if err := checkVersion(r.URL.Query().Get("resourceVersion")); err != nil {
		return err
	}
	at := st.moment()
	warnings, err := s.covered(res, q.namespace, at)
	if err != nil {
		return err
	}
	e, err := s.object(res, q, at.seq)
	if err != nil {
		return err
	}
	warn(w, warnings)
	if e == nil {
		return apierrors.NewNotFound(res.gvr.GroupResource(), q.name)
	}
	writer, err := s.writer(r, res, at, f)
	if err != nil {
		return err
	}
	body, err := writer.single(e)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, body)
	return nil
}

// object returns the version of an object that exists at a position, nil if
// there is none.
func (s *Server) object(res *resource, q query, seq store.Seq) (*store.Event, error) {
	if seq == 0 {
		return nil, nil
	}
	seqs, err := s.timeline.Find(store.Query{Resource: res.gvr, Namespace: q.namespace, Name: q.name}, seq)
	if err != nil || len(seqs) == 0 {
		return nil, err
	}
	e, err := s.timeline.Event(seqs[0])
	return &e, err
}

// list answers with all objects that are asked for, or watches them.
func (s *Server) list(w http.ResponseWriter, r *http.Request, st *stage, res *resource, q query) error {
	f, err := negotiate(r)
	if err != nil {
		return err
	}
	opts, err := listOptions(r)
	if err != nil {
		return err
	}
	at := st.moment()
	chosen, err := newSelected(res, q, opts, s.selectableFields(res, at.seq))
	if err != nil {
		return err
	}
	warnings, err := s.covered(res, q.namespace, at)
	if err != nil {
		return err
	}
	if opts.Watch {
		return s.watch(w, r, st, chosen, opts, f, warnings)
	}
	found, err := s.page(st, chosen, opts, at)
	if err != nil {
		return err
	}
	if found.unread > 0 {
		warnings = append(warnings, fmt.Sprintf("%d %s are unreadable in this recording", found.unread, res))
	}
	writer, err := s.writer(r, res, at, f)
	if err != nil {
		return err
	}
	body, err := writer.list(found)
	if err != nil {
		return err
	}
	warn(w, warnings)
	writeBody(w, http.StatusOK, body)
	return nil
}

// listOptions reads the parameters as an API server does.
func listOptions(r *http.Request) (*internalversion.ListOptions, error) {
	opts := &internalversion.ListOptions{}
	if err := internalscheme.ParameterCodec.DecodeParameters(r.URL.Query(), metav1.SchemeGroupVersion, opts); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := checkVersion(opts.ResourceVersion); err != nil {
		return nil, err
	}
	if opts.Continue != "" && opts.ResourceVersion != "" && opts.ResourceVersion != "0" && !opts.Watch {
		return nil, apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
	}
	internalversion.SetListOptionsDefaults(opts, true)
	if errs := internalvalidation.ValidateListOptions(opts, true); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "ListOptions"}, "", errs)
	}
	return opts, nil
}

// checkVersion refuses a resourceVersion that is no number, as an API server does.
func checkVersion(version string) error {
	if version == "" {
		return nil
	}
	if _, err := strconv.ParseUint(version, 10, 64); err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("resourceVersion: Invalid value: %q: must be a whole number", version))
	}
	return nil
}

// page is a part of a list, in order, and its metadata.
type page struct {
	items  []store.Event
	unread int // objects that the recording has and cannot be read
	metav1.ListMeta
}

// page reads the objects that are asked for, no more than the limit.
func (s *Server) page(st *stage, chosen *selected, opts *internalversion.ListOptions, at moment) (*page, error) {
	from := token{Seq: at.seq}
	switch {
	case opts.Continue != "":
		var err error
		if from, err = parseToken(opts.Continue, chosen.String(), s.timeline.Info().Last); err != nil {
			return nil, err
		}
	case opts.ResourceVersionMatch == metav1.ResourceVersionMatchExact:
		from.Seq = st.seek(chosen.resource.gvr, opts.ResourceVersion)
	}
	var seqs []store.Seq
	if from.Seq > 0 {
		var err error
		if seqs, err = s.timeline.Find(chosen.query(), from.Seq); err != nil {
			return nil, err
		}
	}
	seqs = s.keyOrder(seqs)
	p := &page{}
	next := min(from.Start, len(seqs))
	for full := false; next < len(seqs) && !full; {
		part := seqs[next:min(len(seqs), next+batch)]
		if opts.Limit > 0 && chosen.everything() {
			part = part[:min(int64(len(part)), opts.Limit-int64(len(p.items)))]
		}
		for _, e := range s.events(part) {
			next++
			if e == nil {
				p.unread++
			} else if chosen.everything() || chosen.matches(e) {
				p.items = append(p.items, *e)
			}
			if full = opts.Limit > 0 && int64(len(p.items)) >= opts.Limit; full {
				break
			}
		}
	}
	p.ResourceVersion = from.RV
	if p.ResourceVersion == "" {
		p.ResourceVersion = st.version(chosen.resource.gvr, from.Seq)
	}
	if next < len(seqs) {
		p.Continue = token{List: chosen.String(), RV: p.ResourceVersion, Seq: from.Seq, Start: next}.String()
		if chosen.everything() {
			left := int64(len(seqs) - next)
			p.RemainingItemCount = &left
		}
	}
	return p, nil
}

// batch is how many objects are read together.
const batch = 1024

// events reads the events at some positions, nil where one cannot be read. What
// lies close together is read in one go: a recording keeps most versions as
// differences, so that reading on is much cheaper than reading one.
func (s *Server) events(seqs []store.Seq) []*store.Event {
	const near = 8 // positions
	place := make(map[store.Seq]int, len(seqs))
	for i, seq := range seqs {
		place[seq] = i
	}
	events := make([]*store.Event, len(seqs))
	for rest := slices.Sorted(slices.Values(seqs)); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n]-rest[n-1] <= near {
			n++
		}
		for e, err := range s.timeline.Events(rest[0], rest[n-1]) {
			if i, wanted := place[e.Seq]; wanted && err == nil {
				events[i] = &e
			}
		}
		rest = rest[n:]
	}
	return events
}

// writer turns objects into the form a client asked for.
type writer struct {
	form
	resource *resource
	at       moment
	table    *table // for Tables
}

func (s *Server) writer(r *http.Request, res *resource, at moment, f form) (*writer, error) {
	w := &writer{form: f, resource: res, at: at}
	if f.as != asTable {
		return w, nil
	}
	columns, err := s.printer(res, at.seq)
	if err != nil {
		return nil, err
	}
	w.table, err = newTable(r, f, columns, at.time)
	return w, err
}

// single writes one object.
func (w *writer) single(e *store.Event) ([]byte, error) {
	switch w.as {
	case asTable:
		return w.table.of([]store.Event{*e}, metav1.ListMeta{ResourceVersion: e.ResourceVersion})
	case asPartial:
		return w.partial(e), nil
	case asPartialList:
		return nil, failure(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable,
			fmt.Sprintf("%s %q is not a list", w.resource, e.Name))
	}
	return e.Object, nil
}

// list writes a page.
func (w *writer) list(p *page) ([]byte, error) {
	switch w.as {
	case asTable:
		return w.table.of(p.items, p.ListMeta)
	case asPartial:
		return nil, failure(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable,
			fmt.Sprintf("you requested PartialObjectMetadata, but %s is a list", w.resource.listKind()))
	}
	kind, apiVersion := w.resource.listKind(), w.resource.gvr.GroupVersion().String()
	size := 256
	for i := range p.items {
		size += len(p.items[i].Object) + 1
	}
	var b bytes.Buffer
	if w.as == asPartialList {
		kind, apiVersion, size = asPartialList, "meta.k8s.io/"+w.version, size/4
	}
	b.Grow(size)
	metadata, err := json.Marshal(p.ListMeta)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, `{"kind":%q,"apiVersion":%q,"metadata":%s,"items":[`, kind, apiVersion, metadata)
	kindless := w.kindless()
	for i := range p.items {
		if i > 0 {
			b.WriteByte(',')
		}
		if w.as == asPartialList {
			b.Write(w.partial(&p.items[i]))
			continue
		}
		object := p.items[i].Object
		if rest, ok := bytes.CutPrefix(object, kindless); ok && len(kindless) > 0 {
			b.WriteByte('{')
			object = rest
		}
		b.Write(object)
	}
	b.WriteString("]}")
	return b.Bytes(), nil
}

// kindless is how the JSON of an object begins that says its kind first. In a
// list an API server leaves out the kind of its own types, and so do we.
func (w *writer) kindless() []byte {
	if !builtIn(w.resource.gvr.Group) {
		return nil
	}
	return fmt.Appendf(nil, `{"kind":%q,"apiVersion":%q,`, w.resource.Kind, w.resource.gvr.GroupVersion())
}

// partial is the metadata of an object, as an object.
func (w *writer) partial(e *store.Event) []byte { return partialObject(e.Object, w.version) }

func partialObject(object []byte, version string) []byte {
	metadata := rawjson.Member(object, "metadata")
	if metadata == nil {
		metadata = []byte("{}")
	}
	b := make([]byte, 0, len(metadata)+80)
	b = append(b, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/`...)
	b = append(b, version...)
	b = append(b, `","metadata":`...)
	b = append(b, metadata...)
	return append(b, '}')
}
