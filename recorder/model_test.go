package recorder

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// model is an API server for Pods that can be wrong in every way in which a
// network and a server can be, but knows what really happened.
type model struct {
	bad    func() fault // what goes wrong next
	listed atomic.Bool  // the recorder is current

	mu     sync.Mutex
	wake   *sync.Cond
	log    []change // all that ever happened; the resourceVersion is the index plus 1
	names  map[string]bool
	forgot int           // up to here the server knows no history
	closed bool          // all requests end
	faults map[fault]int // how often something went wrong
}

// change is one write.
type change struct{ kind, name, object string }

// fault is something that goes wrong with an answer or with an event.
type fault int

const (
	fine        fault = iota
	tooMany           // instead of an answer: 429
	broken            // 500
	expired           // 410
	forbidden         // 403
	hanging           // nothing
	noWatchList       // 422 where it applies
	ended             // instead of an event: the connection ends
	truncated         // it ends in the middle of the event
	garbled           // the middle of the event is missing
	repeated          // the event comes twice
	swapped           // the event comes after the next one
	stalled           // nothing comes any more
	late              // the event comes late
	slow              // it comes in small pieces
	halfClosed        // our half of the connection ends in the middle of it, the other stays
	lastFault   = halfClosed
)

func (f fault) String() string {
	return [...]string{
		"fine", "429", "500", "410", "403", "no answer", "no watch-list", "ended", "truncated", "garbled",
		"repeated", "swapped", "stalled", "late", "slow", "half-closed",
	}[f]
}

func newModel(bad func() fault) *model {
	m := &model{bad: bad, names: map[string]bool{}, faults: map[fault]int{}}
	m.wake = sync.NewCond(&m.mu)
	return m
}

// write changes something.
func (m *model) write(r *rand.Rand) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := change{kind: "MODIFIED", name: fmt.Sprint("pod-", r.IntN(20))}
	switch {
	case !m.names[c.name]:
		c.kind = "ADDED"
	case r.IntN(3) == 0:
		c.kind = "DELETED"
	}
	m.names[c.name] = c.kind != "DELETED"
	c.object = pod(c.name, strconv.Itoa(len(m.log)+1))
	m.log = append(m.log, c)
	m.wake.Broadcast()
}

// compact forgets all history, so that who is behind must list again.
func (m *model) compact() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgot = len(m.log)
}

// close ends all requests.
func (m *model) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.wake.Broadcast()
}

// version returns the newest resourceVersion.
func (m *model) version() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.log)
}

// at returns the objects that existed at a resourceVersion, by name.
func (m *model) at(rv int) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	objects := map[string]string{}
	for _, c := range m.log[:rv] {
		if objects[c.name] = c.object; c.kind == "DELETED" {
			delete(objects, c.name)
		}
	}
	return objects
}

// after returns the next change after a resourceVersion, when there is one.
// ok is false when there is nothing to wait for.
func (m *model) after(rv int, gone func() bool) (c change, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.log) <= rv && !m.closed && !gone() {
		m.wake.Wait()
	}
	if m.closed || gone() {
		return change{}, false
	}
	return m.log[rv], true
}

// goesWrong returns the next fault if it is one of those that apply here.
func (m *model) goesWrong(applies ...fault) fault {
	f := m.bad()
	if !slices.Contains(applies, f) {
		return fine
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[f]++
	return f
}

func (m *model) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	m.mu.Lock()
	forgotten := from < m.forgot
	m.mu.Unlock()
	applies := []fault{tooMany, broken, expired, hanging}
	if m.listed.Load() {
		applies = append(applies, forbidden) // at first it would end the recording
	}
	switch m.goesWrong(applies...) {
	case tooMany:
		refuse(429, "slow down", "Retry-After", "0")(w, r)
	case broken:
		refuse(500, "etcdserver: request timed out")(w, r)
	case expired:
		refuse(410, "too old resource version")(w, r)
	case forbidden:
		refuse(403, "pods is forbidden")(w, r)
	case hanging:
		<-r.Context().Done()
	default:
		switch {
		case q.Get("watch") == "":
			m.list(w, q.Get("limit"), q.Get("continue"))
		case q.Get("sendInitialEvents") != "":
			if m.goesWrong(noWatchList) == noWatchList {
				refuse(422, "sendInitialEvents is forbidden")(w, r)
				return
			}
			now := m.version()
			lines := []string{}
			for _, object := range m.at(now) {
				lines = append(lines, event("ADDED", object))
			}
			m.watch(w, r, now, append(lines, endOfList(strconv.Itoa(now))))
		case forgotten:
			says(event("ERROR", string(statusObject(410, "too old resource version"))))(w, r)
		default:
			m.watch(w, r, from, nil)
		}
	}
}

// list answers with pages of a few objects; the token is "resourceVersion/first".
func (m *model) list(w http.ResponseWriter, limit, token string) {
	rv, first := m.version(), 0
	if token != "" {
		fmt.Sscanf(token, "%d/%d", &rv, &first)
		m.mu.Lock()
		forgotten := rv < m.forgot
		m.mu.Unlock()
		if forgotten {
			refuse(410, "the continue parameter is too old")(w, nil)
			return
		}
	}
	objects := m.at(rv)
	names := slices.Sorted(maps.Keys(objects))[first:]
	token = ""
	if limit != "" && len(names) > 7 {
		names = names[:7]
		token = fmt.Sprintf("%d/%d", rv, first+7)
	}
	var items []string
	for _, name := range names {
		items = append(items, objects[name])
	}
	text := page(strconv.Itoa(rv), token, items...)
	if m.goesWrong(truncated) == truncated {
		cuts(text[:len(text)/2])(w, nil)
	}
	io.WriteString(w, text)
}

// watch sends lines, and then everything after rv.
func (m *model) watch(w http.ResponseWriter, r *http.Request, rv int, lines []string) {
	send := func(text string) {
		io.WriteString(w, text)
		w.(http.Flusher).Flush()
	}
	send("")
	// Who waits for a change must learn that the client has gone.
	gone := func() bool { return r.Context().Err() != nil }
	defer onDone(r, m.wake.Broadcast)()
	held := ""
	for {
		var line string
		if len(lines) > 0 {
			line, lines = lines[0], lines[1:]
		} else {
			c, ok := m.after(rv, gone)
			if !ok {
				return
			}
			rv++
			line = event(c.kind, c.object)
		}
		line += "\n"
		switch m.goesWrong(ended, truncated, garbled, repeated, swapped, stalled, late, slow, halfClosed) {
		case ended:
			return
		case truncated:
			cuts(line[:len(line)/2])(w, r)
		case garbled:
			line = line[:len(line)/3] + line[len(line)/2:]
		case repeated:
			line += line
		case swapped:
			if held == "" && !strings.Contains(line, "BOOKMARK") {
				held = line
				continue
			}
		case stalled:
			<-r.Context().Done()
			return
		case late:
			time.Sleep(10 * time.Millisecond)
		case slow:
			for ; len(line) > 40; line = line[40:] {
				send(line[:40])
				time.Sleep(time.Millisecond)
			}
		case halfClosed:
			send(line[:len(line)/2])
			halfClose(w)
		}
		send(line + held)
		held = ""
		if rv%10 == 0 && len(lines) == 0 {
			send(bookmark(strconv.Itoa(rv)) + "\n")
		}
	}
}

// halfClose ends our half of a connection and leaves the other open for a while.
func halfClose(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).CloseWrite() // so that it looks like the end
		time.AfterFunc(50*time.Millisecond, func() { conn.Close() })
	}
	panic(http.ErrAbortHandler)
}

// onDone calls f when the client goes; the function returned ends that.
func onDone(r *http.Request, f func()) func() {
	over := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		select {
		case <-r.Context().Done():
			f()
		case <-over:
		}
	})
	return func() { close(over); wait.Wait() }
}

// verify compares a recording with what really happened. lines are a transcript
// with objects. It returns an error for anything invented, anything lost outside
// a gap, and an end that is not the truth.
func (m *model) verify(heard []told) error {
	position := -1  // -1: listing, or nothing is known
	passed := false // over something, as far as is known
	state := map[string]string{}
	var listed map[string]string
	for i, h := range heard {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("at %d, %s: %s", i, h, fmt.Sprintf(format, args...))
		}
		switch {
		case h.kind == "RELIST":
			position, passed, listed = -1, false, map[string]string{}
		case h.kind == "Gap" && h.name == "":
			return fail("no cause")
		case h.kind == "Gap":
			if passed && !strings.Contains(h.name, "out of order") {
				return fail("lost what happened before %d", position)
			}
			passed = false
		case h.kind == "BOOKMARK" && h.end && listed != nil:
			passed = !maps.Equal(m.at(h.rv), listed)
			position, state, listed = h.rv, listed, nil
		case h.kind == "BOOKMARK":
			// An object swapped with the bookmark behind it comes next.
			passed = passed || h.rv > position && position >= 0
		case h.kind == "ERROR":
		case listed != nil:
			listed[h.name] = h.object
		case position < 0:
			return fail("outside a list and a watch")
		case h.rv < position:
			return fail("back from %d", position)
		default:
			// Two events that were swapped on their way, or an object and the
			// end of its list: nobody can tell before the second one comes,
			// but then there is a gap.
			passed = passed || h.rv > position+1
			if c := m.log[h.rv-1]; c.object != h.object || c.name != h.name {
				return fail("invented: %s really was %s %s", c.object, c.kind, c.name)
			}
			late := h.rv == position // the last of a list, swapped with its end
			position = h.rv
			if state[h.name] = h.object; h.kind == "DELETED" {
				delete(state, h.name)
			}
			if late {
				passed = !maps.Equal(m.at(position), state)
			}
		}
	}
	switch want := m.at(m.version()); {
	case passed:
		return fmt.Errorf("lost what happened before %d", position)
	case position != m.version():
		return fmt.Errorf("heard until %d of %d", position, m.version())
	case !maps.Equal(want, state):
		return errors.New("what is left is not what there is")
	}
	return nil
}

// told is one event of a recording, or a gap with its reason as the name.
type told struct {
	kind, name string
	rv         int
	object     string
	end        bool // of a list
}

func (t told) String() string { return fmt.Sprintf("%s %s %d", t.kind, t.name, t.rv) }
