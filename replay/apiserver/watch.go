package apiserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/rawjson"
)

// bookmarkEvery is how often a quiet watch is told where it stands, if it wants
// to know.
const bookmarkEvery = time.Minute

// watching is one watch: a client, what it wants, and how far it is.
type watching struct {
	*selected
	server *Server
	stage  *stage
	client http.ResponseWriter
	writer *writer
	told   string // the last resourceVersion sent
}

// watch sends what happens to the objects that are asked for, until the client
// goes, its time is over, or the server stops.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, st *stage, chosen *selected, opts *internalversion.ListOptions, f form, warnings []string) error {
	at := st.moment()
	if f.as == asPartialList {
		f.as = asPartial
	}
	writer, err := s.writer(r, chosen.resource, at, f)
	if err != nil {
		return err
	}
	to := &watching{selected: chosen, server: s, stage: st, client: w, writer: writer}
	initial := opts.SendInitialEvents != nil && *opts.SendInitialEvents
	var existing *page
	if initial {
		if existing, err = s.page(st, chosen, &internalversion.ListOptions{}, at); err != nil {
			return err
		}
	} else if opts.ResourceVersion != "" {
		at.seq = st.seek(chosen.resource.gvr, opts.ResourceVersion)
		to.told = opts.ResourceVersion
	}
	warn(w, warnings)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)

	var timeout <-chan time.Time
	if opts.TimeoutSeconds != nil && *opts.TimeoutSeconds > 0 {
		timer := time.NewTimer(time.Duration(min(*opts.TimeoutSeconds, 1<<31)) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	if initial {
		if err := to.initial(existing, opts.AllowWatchBookmarks); err != nil {
			return nil // headers are out: a client that has gone is not told
		}
	}
	ticker := time.NewTicker(bookmarkEvery)
	defer ticker.Stop()
	for seq := at.seq; ; {
		changes, reached, moved := st.since(seq, chosen.resource.gvr)
		for _, c := range changes {
			if err := to.send(c, opts.AllowWatchBookmarks); err != nil {
				return nil
			}
		}
		seq = reached
		if err := http.NewResponseController(w).Flush(); err != nil {
			return nil
		}
		select {
		case <-moved:
		case <-ticker.C:
			if opts.AllowWatchBookmarks && to.told != "" && to.bookmark(to.told, false) != nil {
				return nil
			}
		case <-timeout:
			return nil
		case <-r.Context().Done():
			return nil
		case <-st.ended:
			return nil
		}
	}
}

// initial sends what exists as ADDED, and that this is all.
func (to *watching) initial(existing *page, bookmarks bool) error {
	for i := range existing.items {
		if err := to.write(watch.Added, &existing.items[i]); err != nil {
			return err
		}
	}
	to.told = existing.ResourceVersion
	if !bookmarks {
		return nil
	}
	return to.bookmark(existing.ResourceVersion, true)
}

// send tells the client of a change, if it is about something it asked for. An
// object that no longer matches is DELETED to it, one that begins to is ADDED.
func (to *watching) send(c *change, bookmarks bool) error {
	if c.Type == watch.Bookmark {
		if !bookmarks || c.Namespace != "" && c.Namespace != to.namespace {
			return nil
		}
		return to.bookmark(c.ResourceVersion, false)
	}
	if to.namespace != "" && c.Namespace != to.namespace || to.name != "" && c.Name != to.name {
		return nil
	}
	if to.everything() {
		return to.write(c.Type, &c.Event)
	}
	before := c.before()
	was, is := to.matches(before), c.Type != watch.Deleted && to.matches(&c.Event)
	switch {
	case was && is:
		return to.write(watch.Modified, &c.Event)
	case is:
		return to.write(watch.Added, &c.Event)
	case was && c.Type == watch.Deleted:
		return to.write(watch.Deleted, &c.Event)
	case was:
		// As the API server does: what the client knew, at the version at which
		// it no longer matched.
		left := *before
		left.ResourceVersion, left.Seq = c.ResourceVersion, c.Seq
		left.Object = withVersion(before.Object, c.ResourceVersion)
		return to.write(watch.Deleted, &left)
	}
	return nil
}

// bookmark tells the client how far it has seen everything.
func (to *watching) bookmark(version string, end bool) error {
	metadata := metav1.ObjectMeta{ResourceVersion: version}
	if end {
		metadata.Annotations = map[string]string{store.InitialEventsEnd: "true"}
	}
	object, err := json.Marshal(metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{Kind: to.resource.Kind, APIVersion: to.resource.gvr.GroupVersion().String()},
		ObjectMeta: metadata,
	})
	if err != nil {
		return err
	}
	return to.write(watch.Bookmark, &store.Event{Type: watch.Bookmark, ResourceVersion: version, Object: object})
}

// write sends one watch event.
func (to *watching) write(kind watch.EventType, e *store.Event) error {
	to.writer.at.time = to.stage.time()
	t := to.writer.table
	if t != nil {
		t.at = to.writer.at.time
	}
	object, err := to.writer.single(e)
	if t != nil {
		t.headers = false // only the first event has them
	}
	if err != nil {
		kind = watch.Error
		if object, err = json.Marshal(statusOf(err)); err != nil {
			return err
		}
	}
	to.told = e.ResourceVersion
	if _, err := fmt.Fprintf(to.client, `{"type":%q,"object":`, kind); err != nil {
		return err
	}
	if _, err := to.client.Write(object); err != nil {
		return err
	}
	_, err = to.client.Write([]byte("}\n"))
	return err
}

// withVersion returns a copy of an object with another resourceVersion; the
// object itself if that cannot be found.
func withVersion(object []byte, resourceVersion string) []byte {
	old := rawjson.Member(rawjson.Member(object, "metadata"), "resourceVersion")
	if old == nil {
		return object
	}
	start := cap(object) - cap(old) // old is a part of object
	b := make([]byte, 0, len(object)+len(resourceVersion))
	b = append(b, object[:start]...)
	b = fmt.Appendf(b, "%q", resourceVersion)
	return append(b, object[start+len(old):]...)
}
