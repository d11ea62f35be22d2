package recorder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(serveWhat); what != "" {
		if err := serveForever(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// hang is when a test gives up on what does not come.
const hang = 2 * time.Minute

// quick are limits for tests.
var quick = limits{
	answer: time.Second, list: time.Second, silence: time.Second, watch: 10 * time.Second,
	pulse: time.Hour, beat: time.Hour, hush: 30 * time.Millisecond, probe: time.Second, settle: 500 * time.Millisecond, rediscover: time.Hour, look: time.Hour,
	retry:  backoff{shortest: 2 * time.Millisecond, longest: 10 * time.Millisecond},
	refuse: backoff{shortest: 2 * time.Millisecond, longest: 10 * time.Millisecond},
}

// transcript is a Sink that writes down what it is given, a line each.
type transcript struct {
	*store.Memory
	until string             // the line that ends the recording
	done  context.CancelFunc // called when it has come

	mu    sync.Mutex
	lines []string
}

func (s *transcript) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	if line == s.until {
		s.done()
	}
}

func (s *transcript) Append(e store.Event) (store.Seq, error) {
	line := strings.Join(strings.Fields(fmt.Sprint(e.Type, " ", e.Name, " ", e.ResourceVersion)), " ")
	if e.Type == "BOOKMARK" && strings.Contains(string(e.Object), store.InitialEventsEnd) {
		line += " end"
	}
	s.add(line)
	return s.Memory.Append(e)
}

func (s *transcript) Cover(c store.Coverage) (store.Seq, error) {
	line := strings.TrimSpace(fmt.Sprintf("%s %s", c.Status, c.ResourceVersion))
	if c.Resumed {
		line += " resumed"
	}
	if c.Reason != "" {
		line += ": " + c.Reason
	}
	s.add(line)
	return s.Memory.Cover(c)
}

// record runs the recorder against the server until the transcript has the
// line until, and returns it up to there.
func record(t *testing.T, o Options, until string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	s := &transcript{Memory: store.NewMemory(store.Header{}), until: until, done: cancel}
	o.Sink, o.Profile, o.limits = s, Minimal, &quick
	if o.Redactor == nil {
		o.Redactor = redact.Standard(false)
	}
	if err := Run(ctx, o); err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("never heard %q", until)
	}
	if last := s.lines[len(s.lines)-1]; !strings.HasPrefix(last, "Gap") {
		t.Errorf("after it was stopped the recorder is still %s", last)
	}
	return s.lines[:slices.Index(s.lines, until)+1]
}

// underLoad is how long a server takes that is under load: much longer than quick.hush.
const underLoad = 200 * time.Millisecond

const podsPath = "/api/v1/pods"

// noWatchLists is how Kubernetes 1.30, 1.31 and 1.33 refuse a watch-list.
var noWatchLists = refuse(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")

// streams are what a stream makes of what the server does. Each script ends
// with a watch that stays open; the recorder is stopped at the last line.
var streams = []struct {
	name    string
	script  []step
	newest  string // what the server says it is at, while a watch is behind
	probe   step   // see server.probe
	want    []string
	queries []string // unless nil
}{
	{
		name: "watch-list",
		script: []step{holds(event("ADDED", pod("a", "3")), event("ADDED", pod("b", "2")), endOfList("7"),
			event("MODIFIED", pod("a", "8")), bookmark("11"), event("DELETED", pod("b", "12")))},
		want: []string{
			"Listing", "RELIST", "ADDED a 3", "ADDED b 2", "BOOKMARK 7 end", "Current 7",
			"MODIFIED a 8", "BOOKMARK 11", "DELETED b 12",
		},
		queries: []string{"resourceVersionMatch=NotOlderThan&sendInitialEvents=true&watch=1"},
	},
	{
		name: "a closed watch goes on from the last bookmark",
		script: []step{
			says(endOfList("7"), event("ADDED", pod("a", "8")), bookmark("11")),
			holds(event("MODIFIED", pod("a", "12"))),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "ADDED a 8", "BOOKMARK 11",
			"Gap 11: watch closed", "Current 11 resumed", "MODIFIED a 12",
		},
		queries: []string{"resourceVersionMatch=NotOlderThan&sendInitialEvents=true&watch=1", "resourceVersion=11&watch=1"},
	},
	{
		name: "a resumed watch is behind until it has told what happened meanwhile",
		script: []step{
			says(endOfList("7")),
			holds(event("ADDED", pod("a", "8")), event("MODIFIED", pod("a", "9")), event("MODIFIED", pod("a", "10")), event("MODIFIED", pod("a", "11"))),
		},
		newest: "10",
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed",
			"ADDED a 8", "MODIFIED a 9", "MODIFIED a 10", "Current 10 resumed", "MODIFIED a 11",
		},
	},
	{
		name: "a bookmark proves it too",
		script: []step{
			says(endOfList("7")),
			holds(event("ADDED", pod("a", "8")), bookmark("9"), event("MODIFIED", pod("a", "10"))),
		},
		newest: "100",
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed",
			"ADDED a 8", "Current 8 resumed", "BOOKMARK 9", "MODIFIED a 10",
		},
	},
	{
		name: "and so does quiet",
		script: []step{
			says(endOfList("7")),
			holds(event("ADDED", pod("a", "8"))),
		},
		newest: "100",
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "ADDED a 8", "Current 8 resumed",
		},
	},
	{
		name: "a watch that breaks while it is behind, and whose history is gone then, lost what it had not told",
		script: []step{
			says(endOfList("7")),
			says(event("ADDED", pod("a", "8")), event("MODIFIED", pod("a", "9"))),
			refuse(410, "too old resource version"),
			holds(event("ADDED", pod("a", "12")), endOfList("12")),
		},
		newest: "12",
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "ADDED a 8", "MODIFIED a 9",
			"Gap: 410 Gone: too old resource version", "Listing", "RELIST", "ADDED a 12", "BOOKMARK 12 end", "Current 12",
		},
	},
	{
		name: "a resumed watch that says nothing is believed after a while",
		script: []step{
			says(endOfList("7")),
			holds(),
		},
		want: []string{"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "Current 7 resumed"},
	},
	{
		name: "410 when resuming is a gap and a relist, never current",
		script: []step{
			says(endOfList("7")),
			says(event("ERROR", string(statusObject(410, "too old resource version: 7 (90)")))),
			holds(event("ADDED", pod("b", "91")), endOfList("95")),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed",
			"ERROR", "Gap: 410 Gone: too old resource version: 7 (90)",
			"Listing", "RELIST", "ADDED b 91", "BOOKMARK 95 end", "Current 95",
		},
	},
	{
		name: "410 as the answer",
		script: []step{
			says(endOfList("7")),
			refuse(410, "too old"),
			holds(endOfList("9")),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "Gap: 410 Gone: too old",
			"Listing", "RELIST", "BOOKMARK 9 end", "Current 9",
		},
	},
	{
		name: "a server without watch-lists is listed page by page",
		script: []step{
			refuse(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"),
			says(page("20", "next", pod("a", "3"), pod("b", "2"))),
			says(page("20", "", pod("c", "19"))),
			holds(event("DELETED", pod("c", "21"))),
		},
		want: []string{
			"Listing", "RELIST", "ADDED a 3", "ADDED b 2", "ADDED c 19", "BOOKMARK 20 end", "Current 20", "DELETED c 21",
		},
		queries: []string{
			"resourceVersionMatch=NotOlderThan&sendInitialEvents=true&watch=1",
			"limit=500", "continue=next&limit=500", "resourceVersion=20&watch=1",
		},
	},
	{
		name: "a server that ignores watch-lists is listed page by page",
		script: []step{
			holds(event("ADDED", pod("a", "3"))),
			says(page("20", "", pod("a", "3"))),
			holds(event("DELETED", pod("a", "21"))),
		},
		want: []string{
			"Listing", "RELIST", "ADDED a 3", "Gap: no answer from the API server for 1s",
			"Listing", "RELIST", "ADDED a 3", "BOOKMARK 20 end", "Current 20", "DELETED a 21",
		},
	},
	{
		// What happened between the two lists is lost, however the watch after
		// the second went on.
		name: "a watch that fails after a list does not make up for what the list passed over",
		script: []step{
			refuse(422, "sendInitialEvents is forbidden"),
			says(page("20", "", pod("a", "3"))),
			says(event("ERROR", string(statusObject(410, "too old")))),
			says(page("30", "", pod("a", "29"))),
			refuse(500, "etcdserver: request timed out"),
			says(event("DELETED", pod("a", "31"))),
			holds(event("ADDED", pod("a", "32"))),
		},
		want: []string{
			"Listing", "RELIST", "ADDED a 3", "BOOKMARK 20 end", "ERROR", "Gap: 410 Gone: too old",
			"Listing", "RELIST", "ADDED a 29", "BOOKMARK 30 end", "Gap 30: etcdserver: request timed out",
			"Current 30", "DELETED a 31", "Gap 31: watch closed", "Current 31 resumed", "ADDED a 32",
		},
	},
	{
		name: "410 on continue begins the list again, the third time in one piece",
		script: []step{
			refuse(400, "unknown option sendInitialEvents"),
			says(page("20", "next", pod("a", "3"))), refuse(410, "the provided continue parameter is too old"),
			says(page("30", "next", pod("a", "3"))), refuse(410, "the provided continue parameter is too old"),
			says(page("40", "", pod("a", "33"))),
			holds(event("DELETED", pod("a", "41"))),
		},
		want: []string{
			"Listing", "RELIST", "ADDED a 3", "Listing", "RELIST", "ADDED a 3", "Listing", "RELIST", "ADDED a 33", "BOOKMARK 40 end",
			"Current 40", "DELETED a 41",
		},
		queries: []string{
			"resourceVersionMatch=NotOlderThan&sendInitialEvents=true&watch=1",
			"limit=500", "continue=next&limit=500", "limit=500", "continue=next&limit=500", "", "resourceVersion=40&watch=1",
		},
	},
	{
		name: "too many requests and server errors pass",
		script: []step{
			refuse(429, "too many requests", "Retry-After", "0"), refuse(500, "etcdserver: leader changed"), refuse(503, "apiserver not ready"),
			holds(endOfList("7"), bookmark("8")),
		},
		want: []string{
			"Gap: too many requests", "Gap: etcdserver: leader changed", "Gap: apiserver not ready",
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "BOOKMARK 8",
		},
	},
	{
		name: "an answer that is no Status",
		script: []step{
			func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
			},
			holds(endOfList("7")),
		},
		want: []string{"Gap: 502 Bad Gateway", "Listing", "RELIST", "BOOKMARK 7 end", "Current 7"},
	},
	{
		name: "a refused resource is asked for again",
		script: []step{
			says(endOfList("7")),
			refuse(403, `pods is forbidden: User "reader" cannot watch resource "pods"`),
			refuse(403, `pods is forbidden: User "reader" cannot watch resource "pods"`),
			holds(bookmark("9")),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed",
			`Forbidden: pods is forbidden: User "reader" cannot watch resource "pods"`,
			"Current 7 resumed", "BOOKMARK 9",
		},
	},
	{
		name: "a truncated event is heard again, whole",
		script: []step{
			cuts(endOfList("7") + "\n" + event("ADDED", pod("a", "8")) + "\n" + event("MODIFIED", pod("a", "9"))[:60]),
			holds(event("MODIFIED", pod("a", "9"))),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "ADDED a 8", "Gap 8: unexpected EOF",
			"Current 8 resumed", "MODIFIED a 9",
		},
	},
	{
		name: "a malformed object is not kept",
		script: []step{
			says(endOfList("7"), `{"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","namespace":"shop","uid":"u","resourceVersion":"8"},"spec":{]}}`),
			holds(event("ADDED", pod("a", "8"))),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7",
			"Gap 7: redact pods: malformed JSON at byte 97: expected a string",
			"Current 7 resumed", "ADDED a 8",
		},
	},
	{
		name: "a stream of something else",
		script: []step{
			says(`<html>hello</html>`),
			holds(endOfList("7")),
		},
		want: []string{
			"Listing", "RELIST", `Gap: malformed stream: unexpected '<' between events`,
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7",
		},
	},
	{
		name: "a watch that sends bookmarks may not fall silent",
		script: []step{
			holds(endOfList("7"), bookmark("8")),
			holds(event("ADDED", pod("a", "9"))),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "BOOKMARK 8", "Gap 8: no answer from the API server for 1s",
			"Current 8 resumed", "ADDED a 9",
		},
	},
	{
		name: "a server that hangs",
		script: []step{
			says(endOfList("7")), hangs,
			holds(event("ADDED", pod("a", "9"))),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "Gap 7: no answer from the API server for 1s",
			"Current 7 resumed", "ADDED a 9",
		},
	},
	{
		name: "bookmarks out of order do not lead back",
		script: []step{
			says(endOfList("7"), event("ADDED", pod("a", "9")), bookmark("8")),
			holds(event("MODIFIED", pod("a", "10"))),
		},
		newest: "9",
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "ADDED a 9", "BOOKMARK 8", "Gap 9: watch closed",
			"Current 9 resumed", "MODIFIED a 10",
		},
	},
	{
		name: "events out of order are a gap and a relist",
		script: []step{
			holds(endOfList("7"), event("ADDED", pod("a", "9")), event("MODIFIED", pod("a", "11")), event("MODIFIED", pod("a", "10"))),
			holds(event("ADDED", pod("a", "11")), endOfList("11")),
		},
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "ADDED a 9", "MODIFIED a 11",
			"Gap 10: watch out of order: resourceVersion 10 after 11",
			"Listing", "RELIST", "ADDED a 11", "BOOKMARK 11 end", "Current 11",
		},
	},
	{
		name: "resourceVersions that cannot be compared prove nothing, a second watch does",
		script: []step{
			says(endOfList("a1")),
			holds(event("ADDED", pod("a", "b2"))),
		},
		newest: "c3",
		probe:  says(event("ADDED", pod("a", "b2")), bookmark("c3")),
		want: []string{
			"Listing", "RELIST", "BOOKMARK a1 end", "Current a1", "Gap a1: watch closed",
			"ADDED a b2", "Current b2 resumed",
		},
	},
	{
		name: "one that cannot be compared is reached when it is there",
		script: []step{
			says(endOfList("a1")),
			holds(event("ADDED", pod("a", "b2")), event("MODIFIED", pod("a", "c3")), event("MODIFIED", pod("a", "d4"))),
		},
		newest: "c3",
		want: []string{
			"Listing", "RELIST", "BOOKMARK a1 end", "Current a1", "Gap a1: watch closed",
			"ADDED a b2", "MODIFIED a c3", "Current c3 resumed", "MODIFIED a d4",
		},
	},
	// Before Kubernetes 1.31 a watch tells nothing where nothing is written, no bookmark
	// either. What there is says whether it has told everything.
	{
		name:   "no bookmarks: nothing happened since the list",
		script: []step{noWatchLists, says(page("40", "", pod("a", "33"))), holds(), says(page("52", "", pod("a", "33")))},
		newest: "52", // something of another kind was written
		probe:  says(),
		want:   []string{"Listing", "RELIST", "ADDED a 33", "BOOKMARK 40 end", "Current 40"},
	},
	{
		name:   "no bookmarks: an empty list",
		script: []step{noWatchLists, says(page("40", "")), holds(), says(page("52", ""))},
		newest: "52",
		probe:  says(),
		want:   []string{"Listing", "RELIST", "BOOKMARK 40 end", "Current 40"},
	},
	{
		name: "no bookmarks: what is newer has to come first",
		script: []step{
			noWatchLists, says(page("40", "", pod("a", "33"))),
			later(underLoad, both(says(event("ADDED", pod("b", "45")), event("ADDED", pod("c", "46"))), later(10*underLoad, holds(event("ADDED", pod("d", "60")))))),
			paged(page("52", "next", pod("a", "33")), page("52", "", pod("c", "46"), pod("b", "45"))),
		},
		newest: "52",
		probe:  says(),
		want:   []string{"Listing", "RELIST", "ADDED a 33", "BOOKMARK 40 end", "ADDED b 45", "ADDED c 46", "Current 46", "ADDED d 60"},
	},
	{
		name: "no bookmarks: a deletion has to come first",
		script: []step{
			noWatchLists, says(page("40", "", pod("a", "33"), pod("b", "34"))),
			later(underLoad, holds(event("MODIFIED", pod("a", "44")), event("DELETED", pod("b", "45")))),
			says(page("52", "", pod("a", "44"))),
		},
		newest: "52",
		probe:  says(),
		want:   []string{"Listing", "RELIST", "ADDED a 33", "ADDED b 34", "BOOKMARK 40 end", "MODIFIED a 44", "DELETED b 45", "Current 45"},
	},
	{
		name: "etcd was restored from an older copy: what there is is listed",
		script: []step{
			says(event("ADDED", pod("a", "600")), endOfList("700")),
			holds(bookmark("20")),
			holds(event("ADDED", pod("b", "15")), endOfList("21")),
		},
		newest: "20",
		want: []string{
			"Listing", "RELIST", "ADDED a 600", "BOOKMARK 700 end", "Current 700", "Gap 700: watch closed",
			"BOOKMARK 20", "Gap 20: watch out of order: resourceVersion 20 after 700",
			"Listing", "RELIST", "ADDED b 15", "BOOKMARK 21 end", "Current 21",
		},
	},
	{
		name: "an older bookmark alone is no reason to list",
		script: []step{
			says(endOfList("700")),
			holds(bookmark("20"), bookmark("701"), event("ADDED", pod("a", "702"))),
		},
		newest: "800",
		want: []string{
			"Listing", "RELIST", "BOOKMARK 700 end", "Current 700", "Gap 700: watch closed",
			"BOOKMARK 20", "Current 700 resumed", "BOOKMARK 701", "ADDED a 702",
		},
	},
	{
		name: "a resumed watch that is silent for long and then says 410 has healed nothing",
		script: []step{
			says(endOfList("7")),
			later(underLoad, says(event("ERROR", string(statusObject(410, "too old resource version: 7"))))),
			holds(event("ADDED", pod("a", "12")), endOfList("12")),
		},
		newest: "12",
		probe:  later(underLoad, says(event("ERROR", string(statusObject(410, "too old resource version: 7"))))),
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "ERROR",
			"Gap: 410 Gone: too old resource version: 7", "Listing", "RELIST", "ADDED a 12", "BOOKMARK 12 end", "Current 12",
		},
	},
	{
		name: "a resumed watch that is silent for long and then says what happened is not current before",
		script: []step{
			says(endOfList("7")),
			later(underLoad, holds(event("ADDED", pod("a", "8")), event("ADDED", pod("b", "9")))),
		},
		newest: "12", // of another kind
		probe:  later(underLoad, says(event("ADDED", pod("a", "8")), event("ADDED", pod("b", "9")), bookmark("12"))),
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "ADDED a 8", "ADDED b 9", "Current 9 resumed",
		},
	},
	{
		name: "a resumed watch that has nothing to say is current when a second one proves it",
		script: []step{
			says(endOfList("7")),
			later(0, later(10*underLoad, holds(event("ADDED", pod("a", "13"))))),
		},
		newest: "12",
		want:   []string{"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "Current 7 resumed"},
	},
	{
		name: "who may watch but not list is current when a second watch proves it",
		script: []step{
			says(endOfList("7")),
			holds(),
		},
		newest: mayNotList,
		want:   []string{"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed", "Current 7 resumed"},
	},
	{
		name: "what nothing proves is said to be not proven, until a bookmark does",
		script: []step{
			says(endOfList("7")),
			later(10*underLoad, holds(bookmark("8"))),
		},
		newest: mayNotList,
		probe:  refuse(500, "no"),
		want: []string{
			"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: watch closed",
			"Gap 7: watch resumed; not known to be complete before its next bookmark", "Current 7 resumed", "BOOKMARK 8",
		},
	},
	{
		name: "an event without line feeds, spread over many lines",
		script: []step{
			holds(strings.ReplaceAll(endOfList("7"), ",", ",\n  ") + strings.ReplaceAll(event("ADDED", pod("a", "9")), ":", " : \n")),
		},
		want: []string{"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "ADDED a 9"},
	},
}

func TestStream(t *testing.T) {
	for _, tt := range streams {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, map[string][]step{podsPath: tt.script})
			s.newest, s.probe = tt.newest, tt.probe
			got := record(t, Options{Config: s.config()}, tt.want[len(tt.want)-1])
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.queries, s.asked()); tt.queries != nil && diff != "" {
				t.Errorf("queries (-want +got):\n%s", diff)
			}
		})
	}
}

// hangingSink calls hang when it knows a clock and everything is listed.
type hangingSink struct {
	*transcript
	hang  func()
	ready bool
}

func (s *hangingSink) Clock(c store.Clock) error {
	if s.ready {
		s.hang()
	}
	return s.Memory.Clock(c)
}

// A server that hangs is noticed by all streams, also by those that had no
// reason to expect anything.
func TestPulse(t *testing.T) {
	hung := make(chan struct{})
	s := newServer(t, map[string][]step{
		podsPath: {holds(endOfList("7")), holds(event("ADDED", pod("a", "8")))},
		"/version": {func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hung:
				<-r.Context().Done()
			default:
				w.Header().Set("Date", "Mon, 23 Nov 2026 14:02:00 GMT")
				w.Write([]byte(`{"gitVersion":"v1.37.2"}`))
			}
		}},
	})
	l := quick
	l.list, l.pulse, l.beat = time.Hour, time.Millisecond, 250*time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	sink := &hangingSink{
		transcript: &transcript{Memory: store.NewMemory(store.Header{}), until: "ADDED a 8", done: cancel},
		hang:       sync.OnceFunc(func() { close(hung) }),
	}
	err := Run(ctx, Options{Config: s.config(), Profile: Minimal, Sink: sink, limits: &l, Ready: func() { sink.ready = true }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"Listing", "RELIST", "BOOKMARK 7 end", "Current 7", "Gap 7: no answer from the API server",
		"Current 7 resumed", "ADDED a 8", "Gap: recorder stopped",
	}
	for i, line := range sink.lines { // how long depends on the machine, but not less than a beat
		before, after, found := strings.Cut(line, " for ")
		if !found {
			continue
		}
		if d, err := time.ParseDuration(after); err != nil || d < 200*time.Millisecond {
			t.Errorf("%s: not the time of silence", line)
		}
		sink.lines[i] = before
	}
	if diff := cmp.Diff(want, sink.lines); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
	clocks, err := sink.Clocks()
	if err != nil || len(clocks) == 0 {
		t.Fatalf("no clocks were recorded: %v", err)
	}
	if got, want := clocks[0].ServerDate, time.Date(2026, 11, 23, 14, 2, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("the server's clock says %v, want %v", got, want)
	}
}

// TestReturn loses an API server: who would wait for hours before the next
// attempt makes it when the server answers again.
func TestReturn(t *testing.T) {
	var mu sync.Mutex
	away := true
	asked := make(chan struct{}, 1)
	server := newServer(t, map[string][]step{"/version": {func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		select {
		case asked <- struct{}{}:
		default:
		}
		if away {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
	}}})
	api, err := newClient(server.config())
	if err != nil {
		t.Fatal(err)
	}
	defer api.close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := quick
	l.pulse, l.beat = 10*time.Millisecond, time.Minute
	r := newRecording(Options{limits: &l, Now: time.Now}, api)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { r.pulse.run(ctx) })
	<-asked
	s := &stream{pulse: r.pulse, limits: l, unreached: true}
	running.Go(func() {
		sleep(ctx, 20*time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		away = false
	})
	if !s.rest(ctx, time.Hour) {
		t.Error("waited although the API server had come back")
	}
}

// TestRelistsAtOnce forgets the history of a stream that had to wait longer and
// longer: it lists without another wait of that length, unless that fails too.
func TestRelistsAtOnce(t *testing.T) {
	r := newRecording(Options{Now: time.Now}, nil)
	s := &stream{queue: r.queue, resourceVersion: "7", retry: backoff{shortest: time.Second, longest: time.Hour, last: time.Hour}}
	gone := &refusal{code: http.StatusGone}
	if again, wait := s.interrupted(gone); !again || wait > 2*s.retry.shortest {
		t.Errorf("waits %v before it lists, want about %v", wait, s.retry.shortest)
	}
	var last time.Duration
	for range 10 {
		_, last = s.interrupted(gone)
	}
	if last < 100*s.retry.shortest {
		t.Errorf("waits %v after ten lists that failed, %v after the first", last, s.retry.shortest)
	}
	// Lists succeed, but what is heard of them is gone each time.
	s.current(false)
	for range 10 {
		s.begin()
		s.stand("9")
		_, last = s.interrupted(gone)
	}
	if last < 100*s.retry.shortest {
		t.Errorf("waits %v after ten lists that helped nothing, %v after the first", last, s.retry.shortest)
	}
}

// TestDisorderAgainAndAgain is of a server whose resourceVersions are numbers but
// in no order: it is not asked to list without end, although each list succeeds.
func TestDisorderAgainAndAgain(t *testing.T) {
	r := newRecording(Options{Now: time.Now}, nil)
	s := &stream{queue: r.queue, limits: defaultLimits, retry: defaultLimits.retry, listing: make(chan struct{}, 1)}
	var first, last time.Duration
	for n := range 20 {
		s.current(false)
		_, last = s.interrupted(&disorder{"5", "700"})
		if n == 0 {
			first = last
		}
	}
	if first > 2*s.limits.retry.shortest || last < s.limits.retry.longest/2 {
		t.Errorf("waits %v before the first list, %v before the twentieth", first, last)
	}
	s.shuffled = s.shuffled.Add(-2 * s.limits.watch) // it was in order for long
	s.current(false)
	if _, wait := s.interrupted(&disorder{"5", "700"}); wait > 2*s.limits.retry.shortest {
		t.Errorf("waits %v after a long time", wait)
	}
}

// TestRetryAfter: nobody is asked again without end, and none is left alone for
// ever, by what an answer says.
func TestRetryAfter(t *testing.T) {
	status := func(seconds int32) error {
		return newRefusal(&metav1.Status{Code: 429, Details: &metav1.StatusDetails{RetryAfterSeconds: seconds}})
	}
	header := func(s string) error {
		return readRefusal(&http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {s}}, Body: http.NoBody})
	}
	for _, tt := range []struct {
		name     string
		err      error
		from, to time.Duration
	}{
		{"30 in the header", header("30"), 30 * time.Second, 32 * time.Second},
		{"30 in the Status", status(30), 30 * time.Second, 32 * time.Second},
		{"less than nothing in the header", header("-1000"), time.Millisecond, 2 * time.Second},
		{"less than nothing in the Status", status(-1000), time.Millisecond, 2 * time.Second},
		{"centuries in the header", header("9223372036854775807"), longestRetryAfter, longestRetryAfter + 2*time.Second},
		{"a century in the Status", status(math.MaxInt32), longestRetryAfter, longestRetryAfter + 2*time.Second},
	} {
		r := newRecording(Options{Now: time.Now}, nil)
		s := &stream{queue: r.queue, resourceVersion: "7", retry: backoff{shortest: time.Second, longest: time.Hour}}
		if again, wait := s.interrupted(tt.err); !again || wait < tt.from || wait > tt.to {
			t.Errorf("%s: waits %v, want %v to %v", tt.name, wait, tt.from, tt.to)
		}
	}
}
