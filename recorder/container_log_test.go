package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// crashed is a Pod whose container app ended with an error, as its state (waiting for
// the back-off) or as its last state (running again).
func crashed(resourceVersion, state, id string, restarts int, at time.Time) string {
	ended := fmt.Sprintf(`{"terminated":{"exitCode":1,"reason":"Error","finishedAt":%q,"containerID":%q}}`, at.UTC().Format(time.RFC3339), id)
	return fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","namespace":"shop","uid":"uid-web-1","resourceVersion":%q},"status":{"containerStatuses":[{"name":"app","restartCount":%d,%q:%s}]}}`,
		resourceVersion, restarts, state, ended)
}

// TestLogsOfFailedContainers: each failure's log is read once, with the lines of the
// container that failed, redacted; it goes with its Pod.
func TestLogsOfFailedContainers(t *testing.T) {
	now := time.Now()
	line := func(after time.Duration, words string) string {
		return now.Add(after).UTC().Format(time.RFC3339Nano) + " " + words
	}
	old := fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"old","namespace":"shop","uid":"uid-old","resourceVersion":"2"},"status":{"containerStatuses":[{"name":"app","restartCount":1,"lastState":{"terminated":{"exitCode":1,"finishedAt":%q}}}]}}`,
		now.Add(-time.Hour).UTC().Format(time.RFC3339))
	deleted := strings.Replace(crashed("14", "lastState", "b", 2, now), `"status"`, `"x"`, 1)
	read := make(chan string, 100)
	logs := func(current, previous string) step {
		return func(w http.ResponseWriter, r *http.Request) {
			read <- r.URL.Query().Encode()
			if r.URL.Query().Get("previous") != "" {
				fmt.Fprint(w, previous)
				return
			}
			fmt.Fprint(w, current)
		}
	}
	next := make(chan struct{})
	s := newServer(t, map[string][]step{
		podsPath: {func(w http.ResponseWriter, r *http.Request) {
			says(event("ADDED", old), event("ADDED", crashed("3", "state", "a", 0, now)), endOfList("10"),
				event("MODIFIED", crashed("11", "lastState", "a", 1, now)))(w, r) // the same failure
			<-next
			says(event("MODIFIED", crashed("12", "state", "b", 1, now)))(w, r)
			<-next
			says(event("DELETED", deleted))(w, r)
			<-r.Context().Done()
		}},
		"/api/v1/namespaces/shop/pods/web-1/log": {
			logs(line(-time.Second, "first")+"\n"+line(-time.Second, "DB_PASSWORD=hunter2-canary")+"\n"+line(0, "exiting")+"\n", ""),
			// The next container runs when the log is asked for.
			logs(line(time.Minute, "starting again")+"\n", line(0, "address already in use")+"\n"),
			logs("", line(0, "address already in use")+"\n"),
		},
	})
	sink := newSink()
	written := make(chan store.Event, 100)
	sink.append = func(e store.Event) error {
		if e.Resource == kinds.ContainerLogs {
			e.Object = append([]byte(nil), e.Object...)
			written <- e
		}
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Config: s.config(), Profile: Minimal, Resources: []string{"pods"}, Sink: sink, Redactor: redact.Standard(false), LogLines: 2})
	}()
	await := func() (store.Event, kinds.ContainerLog) {
		select {
		case e := <-written:
			var log kinds.ContainerLog
			if err := json.Unmarshal(e.Object, &log); err != nil {
				t.Fatal(err)
			}
			return e, log
		case <-time.After(time.Minute):
			t.Fatal("no log was written")
		}
		panic("unreachable")
	}
	code := 1
	want := kinds.ContainerLog{
		APIVersion: "svcspy.dev/v1", Kind: "ContainerLog", Container: "app", Reason: kinds.LogOfFailed, ExitCode: &code, Ended: "Error", Cut: true,
		Metadata: kinds.LogMetadata{
			Name: "web-1.app", Namespace: "shop", UID: "uid-web-1.app", ResourceVersion: "3",
			OwnerReferences: []kinds.LogOwner{{APIVersion: "v1", Kind: "Pod", Name: "web-1", UID: "uid-web-1"}},
		},
	}
	times := cmpopts.IgnoreTypes(time.Time{})

	e, first := await()
	if lines := strings.Join(first.Lines, "\n"); e.Type != watch.Added || len(first.Lines) != 2 || strings.Contains(lines, "hunter2") || !strings.HasSuffix(lines, line(0, "exiting")) {
		t.Errorf("%s with lines %q", e.Type, first.Lines)
	}
	first.Lines = nil
	if diff := cmp.Diff(want, first, times); diff != "" {
		t.Error(diff)
	}
	next <- struct{}{}
	e, second := await()
	if e.Type != watch.Modified || second.Restarts != 1 || len(second.Lines) != 1 || !strings.HasSuffix(second.Lines[0], " address already in use") {
		t.Errorf("%s, restarts %d, lines %q", e.Type, second.Restarts, second.Lines)
	}
	next <- struct{}{}
	if e, _ := await(); e.Type != watch.Deleted || e.ResourceVersion != "14" {
		t.Errorf("%s at %s, want the log to go with its Pod", e.Type, e.ResourceVersion)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	close(read)
	var asked []string
	for q := range read {
		asked = append(asked, q)
	}
	const tail = "container=app&limitBytes=1048576&"
	if diff := cmp.Diff([]string{tail + "tailLines=3&timestamps=true", tail + "tailLines=3&timestamps=true", tail + "previous=true&tailLines=3&timestamps=true"}, asked); diff != "" {
		t.Error(diff)
	}
}

// TestWhoseLog: the log of the container that failed is recorded, not that of the one
// before it or after it, however soon the next one was started.
func TestWhoseLog(t *testing.T) {
	ended := time.Now().Truncate(time.Second) // as Kubernetes says it; it was up to a second later
	at := func(s float64, words string) string {
		return ended.Add(time.Duration(s*float64(time.Second))).UTC().Format(time.RFC3339Nano) + " " + words + "\n"
	}
	const none = "previous terminated container not found"
	for _, c := range []struct {
		name              string
		state             string
		restarts, ran     int // ran: seconds
		current, previous string
		want              string // the words of its only line
	}{
		{"the next one was started in the same second", "state", 0, 60, at(0.8, "next"), at(0.5, "mine"), "mine"},
		{"the next one has said nothing yet", "state", 0, 60, "", at(0.5, "mine"), "mine"},
		{"the next one was started a second later", "state", 0, 60, at(1.8, "next"), at(0.5, "mine"), "mine"},
		{"it waits", "state", 0, 60, at(-3, "mine"), none, "mine"},
		{"it waits, and spoke in its last second only", "state", 0, 60, at(0.5, "mine"), none, "mine"},
		{"its last line came late", "state", 0, 60, at(1.1, "mine"), none, "mine"},
		{"it waits after a restart", "state", 1, 60, at(0.5, "mine"), at(-61, "before"), "mine"},
		{"it waits after a restart, and lived less than a second", "state", 1, 0, at(0.6, "mine"), at(0.4, "before"), "mine"},
		{"it waits after a restart and said nothing", "state", 1, 60, "", at(-61, "before"), ""},
		{"it was restarted again", "state", 1, 60, at(0.7, "next"), at(0.5, "mine"), "mine"},
		{"it was restarted again and had said nothing", "state", 1, 60, at(1.7, "next"), "", ""},
		{"the next one runs", "lastState", 1, 60, at(0.8, "next"), at(0.5, "mine"), "mine"},
		{"the next one has failed, too", "lastState", 1, 60, at(9, "third"), at(5, "second"), "error: " + errRestarted.Error()},
		{"the next one has failed, too, before the first was read", "state", 0, 60, at(9, "third"), at(5, "second"), "error: " + errRestarted.Error()},
	} {
		pod := fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","namespace":"shop","uid":"u","resourceVersion":"3"},"status":{"containerStatuses":[{"name":"app","restartCount":%d,%q:{"terminated":{"exitCode":1,"startedAt":%q,"finishedAt":%q,"containerID":"a"}}}]}}`,
			c.restarts, c.state, ended.Add(-time.Duration(c.ran)*time.Second).UTC().Format(time.RFC3339), ended.UTC().Format(time.RFC3339))
		answer := func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Query().Get("previous") == "":
				fmt.Fprint(w, c.current)
			case c.previous == none:
				refuse(400, none)(w, r)
			default:
				fmt.Fprint(w, c.previous)
			}
		}
		s := newServer(t, map[string][]step{
			podsPath:                                 {holds(event("ADDED", pod), endOfList("10"))},
			"/api/v1/namespaces/shop/pods/web-1/log": {answer, answer},
		})
		sink := newSink()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		var log kinds.ContainerLog
		sink.append = func(e store.Event) error {
			if e.Resource == kinds.ContainerLogs {
				defer stop()
				return json.Unmarshal(e.Object, &log)
			}
			return nil
		}
		if err := Run(ctx, Options{Config: s.config(), Profile: Minimal, Resources: []string{"pods"}, Sink: sink, LogLines: 5}); err != nil {
			t.Fatal(err)
		}
		stop()
		_, got, _ := strings.Cut(strings.Join(log.Lines, "\n"), " ")
		if log.Error != "" {
			got = "error: " + log.Error
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestLogsForbidden: that logs may not be read stands in the ledger, and in the object.
func TestLogsForbidden(t *testing.T) {
	s := newServer(t, map[string][]step{
		podsPath:                                 {holds(event("ADDED", crashed("3", "state", "a", 0, time.Now())), endOfList("10"))},
		"/api/v1/namespaces/shop/pods/web-1/log": {refuse(403, "pods/log is forbidden")},
	})
	sink := newSink()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var log kinds.ContainerLog
	sink.append = func(e store.Event) error {
		if e.Resource == kinds.ContainerLogs {
			defer stop()
			return json.Unmarshal(e.Object, &log)
		}
		return nil
	}
	var said []store.Coverage
	sink.cover = func(c store.Coverage) error {
		if c.Resource == kinds.ContainerLogs {
			said = append(said, c)
		}
		return nil
	}
	if err := Run(ctx, Options{Config: s.config(), Profile: Minimal, Resources: []string{"pods"}, Sink: sink, LogLines: 50}); err != nil {
		t.Fatal(err)
	}
	if len(said) == 0 || said[0].Status != store.Forbidden || !strings.Contains(said[0].Reason, "pods/log is forbidden") || !strings.Contains(log.Error, "forbidden") {
		t.Errorf("coverage %+v, log %+v", said, log)
	}
}

func TestLastLines(t *testing.T) {
	long := strings.Repeat("x", keptLogBytes)
	for _, test := range []struct {
		text  string
		lines int
		last  string
		cut   bool
	}{
		{"", 3, "", false},
		{"a\nb\n", 3, "a\nb", false},
		{"a\nb\nc\n", 2, "b\nc", true},
		{long + "\nb", 2, "b", true},
		{"a\n" + long + "yy", 2, long[2:] + "yy", true},
		{"a\xff", 1, "a\uFFFD", false},
	} {
		if last, cut := lastLines(test.text, test.lines); last != test.last || cut != test.cut {
			t.Errorf("lastLines(%.20q, %d) = %.20q, %v, want %.20q, %v", test.text, test.lines, last, cut, test.last, test.cut)
		}
	}
}
