package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Options say how a recording is shown.
type Options struct {
	// Token is the first element of every path: who does not know it sees nothing.
	Token string
	// File is the recording's path, for the commands that the page offers.
	File string
	// Survey finds the outages of the recording and the courses of its Services.
	Survey func(ctx context.Context, progress func(done, total int)) (*Survey, error)
	// AddMark writes a mark into the recording; nil if that cannot be done.
	AddMark func(ctx context.Context, m store.Mark) error
	// Now is the clock of marks.
	Now func() time.Time
	// Zone is the name of the zone in which the page shows times at first.
	Zone string
}

// Survey is what is known of all Services of a recording.
type Survey struct {
	Outages report.OutageList
	Courses []verdict.Course
	Last    store.Seq // up to which it was made
}

// Server answers the page and its data API. It is safe for concurrent use.
type Server struct {
	timeline replay.Timeline
	options  Options
	index    *eventIndex
	cache    *replay.Cache

	mu       sync.Mutex
	courses  map[store.Ref]*course
	survey   *Survey
	failed   error // why there is no survey
	surveyed progress
	indexed  progress
	changed  chan struct{} // closed when a survey is there or has grown

	stop context.CancelFunc
	runs sync.WaitGroup
}

type progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// New returns a server, which begins at once to read the recording. Close ends
// that.
func New(t replay.Timeline, o Options) *Server {
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		timeline: t, options: o, index: newIndex(t), cache: &replay.Cache{},
		courses: map[store.Ref]*course{}, changed: make(chan struct{}), stop: stop,
		indexed: progress{Total: int(t.Info().Last)},
	}
	s.runs.Go(func() { s.read(ctx) })
	s.runs.Go(func() { s.look(ctx) })
	return s
}

// Close ends what reads the recording, and returns when nothing does.
func (s *Server) Close() {
	s.stop()
	s.runs.Wait()
}

// read keeps the index up to date.
func (s *Server) read(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.index.grow(ctx, func(done, total store.Seq) {
			s.mu.Lock()
			s.indexed = progress{int(done), int(total)}
			s.mu.Unlock()
		})
		if err != nil || s.timeline.Wait(ctx, s.index.upto) != nil {
			return
		}
		if !pause(ctx, indexEvery) {
			return
		}
	}
}

// How often what is new in a growing recording is read, and its Services are
// looked at again; that takes at most about a tenth of the time.
const (
	indexEvery  = 500 * time.Millisecond
	surveyEvery = 3 * time.Second
)

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look keeps the survey up to date.
func (s *Server) look(ctx context.Context) {
	for ctx.Err() == nil {
		last := s.timeline.Info().Last
		survey, err := s.options.Survey(ctx, func(done, total int) {
			s.mu.Lock()
			s.surveyed = progress{done, total}
			s.mu.Unlock()
		})
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		if err == nil {
			survey.Last = last
			s.survey = survey
		}
		s.failed = err
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if s.timeline.Wait(ctx, last) != nil || !pause(ctx, surveyEvery) {
			return
		}
	}
}

// Policy forbids the page everything but its own files and API.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	token, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !loopback(r.Host) || subtle.ConstantTimeCompare([]byte(token), []byte(s.options.Token)) != 1 {
		http.Error(w, "not found: the address that svcspy view printed has a token", http.StatusNotFound)
		return
	}
	name, api := strings.CutPrefix(path, "api/")
	switch {
	case api && name == "marks":
		s.mark(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "a recording can only be read", http.StatusMethodNotAllowed)
	case api:
		s.api(w, r, name)
	case path == "" && !strings.HasSuffix(r.URL.Path, "/"):
		http.Redirect(w, r, "/"+s.options.Token+"/", http.StatusMovedPermanently)
	case path == "":
		h.Set("Content-Type", "text/html; charset=utf-8")
		_ = page().Execute(w, pageData{Script: "app.js", Style: "app.css"}) // it fails only if nobody reads
	case path == "app.js":
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		_, _ = w.Write([]byte(appJS()))
	case path == "app.css":
		h.Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write([]byte(appCSS()))
	default:
		http.NotFound(w, r)
	}
}

// loopback reports whether a request was sent to this machine by a name that only
// means this machine: another name may have been made to resolve to it.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

//go:embed assets
var assets embed.FS

// modules are the parts of the script in their order: each may use those before.
var modules = []string{"base", "source", "state", "axis", "minimap", "lanes", "log", "drawer", "why", "manifest", "overview", "play", "main"}

// They are made when they are first asked for: most commands show no page.
var (
	appJS  = sync.OnceValue(script)
	appCSS = sync.OnceValue(func() string { return asset("app.css") })
	page   = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(asset("page.html"))) })
)

// pageData is what the page is made with. An exported page has everything inside.
type pageData struct {
	Script, Style string // addresses
	JS            template.JS
	CSS           template.CSS
	Policy, Title string
	Data          template.HTML // base64
}

func asset(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// script joins the modules. They share one scope of their own, and nothing else
// sees it.
func script() string {
	var b strings.Builder
	b.WriteString("(function () {\n\"use strict\";\n")
	for _, m := range modules {
		b.WriteString("// " + m + ".js\n" + asset(m+".js"))
	}
	b.WriteString("})();\n")
	return b.String()
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// apiError is a request that cannot be answered as it stands.
type apiError struct {
	code int
	text string
}

func (e *apiError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &apiError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func answer(w http.ResponseWriter, value any, err error) {
	code := http.StatusOK
	if err != nil {
		code = http.StatusInternalServerError
		var known *apiError
		var subject *replay.SubjectError
		switch {
		case errors.As(err, &known):
			code = known.code
		case errors.As(err, &subject):
			code = http.StatusNotFound
		}
		value = map[string]string{"error": report.Clean(err.Error())}
	}
	text, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "encode the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(text)
}

// mark adds a mark to the recording.
func (s *Server) mark(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		answer(w, nil, &apiError{http.StatusMethodNotAllowed, "marks are added with POST and application/json"})
		return
	}
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" {
		answer(w, nil, &apiError{http.StatusForbidden, "marks are added from the page itself"})
		return
	}
	if s.options.AddMark == nil {
		answer(w, nil, &apiError{http.StatusForbidden, "this recording takes no marks"})
		return
	}
	var asked struct {
		At   int64
		Text string
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<10)).Decode(&asked); err != nil {
		answer(w, nil, badRequest("read the mark: %v", err))
		return
	}
	m := store.Mark{Time: time.UnixMicro(asked.At).UTC(), Written: s.options.Now().UTC(), Text: strings.TrimSpace(asked.Text)}
	info := s.timeline.Info()
	if m.Text == "" || m.Time.Before(info.Start) || m.Time.After(info.End.Add(time.Second)) {
		answer(w, nil, badRequest("a mark has a text, and a time in the recording"))
		return
	}
	err := s.options.AddMark(r.Context(), m)
	answer(w, m, err)
}
