package apiserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Options say how a timeline is served.
type Options struct {
	// Instants are the moments served, at least one. The first is also served
	// at the root.
	Instants []Instant
	// Speed is how many recorded seconds pass in a second; 0 lets time stand
	// still. Every Instant moves on from its own moment, up to the end of the
	// recording.
	Speed float64
	// Now is the clock that moves them. It is not asked when Speed is 0.
	Now func() time.Time
	// Token is the bearer token that every request must carry.
	Token string
}

// Instant is a moment of the recording with a name.
type Instant struct {
	Name string // in URLs and contexts: letters, digits, "-", "." and "_"
	Time time.Time
	// Seq is the position looked at, if it is not the last one at Time.
	Seq store.Seq
}

var instantName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`) })

// Server serves a timeline. It is safe for concurrent use.
type Server struct {
	timeline replay.Timeline
	token    string
	root     *stage
	stages   map[string]*stage

	stop context.CancelFunc
	runs sync.WaitGroup
}

// New returns a server. With a Speed its instants begin to move at once; Close
// stops them.
func New(t replay.Timeline, o Options) (*Server, error) {
	if o.Token == "" || len(o.Instants) == 0 || o.Speed < 0 || o.Speed > 0 && o.Now == nil {
		return nil, errors.New("serve recording: a token, an instant, and a clock to move it are needed")
	}
	s := &Server{timeline: t, token: o.Token, stages: map[string]*stage{}}
	for _, i := range o.Instants {
		if !instantName().MatchString(i.Name) || s.stages[i.Name] != nil {
			return nil, fmt.Errorf("serve recording: %q does not name one instant", i.Name)
		}
		st, err := newStage(t, i, o)
		if err != nil {
			return nil, fmt.Errorf("serve recording at %s: %w", i.Name, err)
		}
		s.stages[i.Name] = st
		if s.root == nil {
			s.root = st
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	for _, st := range s.stages {
		st.ended = ctx.Done()
		if o.Speed > 0 {
			s.runs.Go(func() { st.play(ctx) })
		}
	}
	return s, nil
}

// Close stops time and ends all watches. It returns when nothing moves any
// more; the timeline may then be closed once the HTTP server has stopped.
func (s *Server) Close() {
	s.stop()
	s.runs.Wait()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache, private")
	if err := s.serve(w, r); err != nil {
		writeError(w, err)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	if !s.allowed(r) {
		w.Header().Set("Connection", "close") // also ends a connection of HTTP/2
		return apierrors.NewUnauthorized("Unauthorized")
	}
	at, path, err := s.at(r.URL.Path)
	if err != nil {
		return err
	}
	if kind := reviewKind(path); kind != "" && r.Method == http.MethodPost {
		return s.review(w, r, kind)
	}
	if r.Header.Get("Upgrade") != "" {
		return refused("opening a connection into the cluster", path)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refused(r.Method, path)
	}
	q, ok := parsePath(path)
	if !ok {
		return s.document(w, r, at, path)
	}
	return s.read(w, r, at, q)
}

// allowed reports whether the request carries the token.
func (s *Server) allowed(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(s.token)) == 1
}

// at returns the stage a path is about, and the rest of the path.
func (s *Server) at(path string) (*stage, string, error) {
	rest, ok := strings.CutPrefix(path, "/at/")
	if !ok {
		return s.root, path, nil
	}
	name, rest, _ := strings.Cut(rest, "/")
	if st := s.stages[name]; st != nil {
		return st, "/" + rest, nil
	}
	return nil, "", failure(http.StatusNotFound, "NotFound", fmt.Sprintf("no instant %q is served", name))
}

// writers are the commands of kubectl that look at what they are about to change
// and get lost there: in annotations that were redacted, or after somebody has
// edited an object for a while. They are told at once. kubectl sends its command
// in a header (KEP-859).
var writers = map[string]bool{"kubectl apply": true, "kubectl diff": true, "kubectl edit": true}

// read answers a get, list or watch.
func (s *Server) read(w http.ResponseWriter, r *http.Request, at *stage, q query) error {
	if command := r.Header.Get("Kubectl-Command"); writers[command] {
		return refused(command, r.URL.Path)
	}
	c, err := at.catalogue()
	if err != nil {
		return err
	}
	res := c.find(q.gvr)
	if res == nil || q.namespace != "" && !res.Namespaced {
		return c.unknown(q)
	}
	if res.Namespaced && q.name != "" && q.namespace == "" {
		return c.unknown(q)
	}
	switch q.subresource {
	case "":
	case "status":
		q.subresource = "" // as the cluster does: the whole object
	case "exec", "attach", "portforward", "proxy", "binding", "eviction", "token", "ephemeralcontainers", "resize":
		return refused(q.subresource, r.URL.Path)
	case "log":
		if q.gvr.Group == "" && q.gvr.Resource == "pods" {
			return s.log(w, r, at, res, q)
		}
		return c.unknown(q)
	default:
		return notRecorded(res, fmt.Sprintf("%s of %s %q was not recorded: a recording has objects, no %[1]s",
			q.subresource, res.Name, q.name))
	}
	watch := r.URL.Query().Get("watch")
	if q.name != "" && (watch == "" || watch == "0" || watch == "false") {
		return s.get(w, r, at, res, q)
	}
	return s.list(w, r, at, res, q)
}
