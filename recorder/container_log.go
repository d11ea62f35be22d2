package recorder

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// What a container said before it died is in no object. With Options.LogLines the
// streams of Pods tell containerLogs of each Pod; where a container failed, its log
// is read, once, redacted, and written as an object of kinds.ContainerLogs. What is
// in Pods decides; Kubernetes Events do not, which may not be recorded.

const (
	// waitingLogs bounds the logs that are to be read: in an outage of thousands of
	// Pods the first tell what the others would.
	waitingLogs = 256
	// logPause is the shortest time between two, so that a crash of everything does
	// not become a load on the API server.
	logPause   = 200 * time.Millisecond
	logTimeout = 10 * time.Second
	// logBytes is how much of a log is read, and keptLogBytes what is kept of its end.
	logBytes, keptLogBytes = 1 << 20, 32 << 10
	// recentFailure is how old a failure may be that a list tells of.
	recentFailure = 10 * time.Minute
	// mostLogs bounds what is remembered; then everything is forgotten, and a log may
	// be read twice.
	mostLogs = 20_000
)

var containerLogScope = scope{resource: resource{gvr: kinds.ContainerLogs, kind: "ContainerLog", namespaced: true}}

// containerLogResource describes the objects to who reads the recording as a
// cluster.
var containerLogResource = metav1.APIResource{
	Group: kinds.ContainerLogs.Group, Version: kinds.ContainerLogs.Version, Name: kinds.ContainerLogs.Resource,
	SingularName: "containerlog", Kind: "ContainerLog", Namespaced: true, Verbs: metav1.Verbs{"get", "list", "watch"},
}

// containerLogs reads the logs of containers that fail. Its methods may be called
// from any goroutine; run belongs to one.
type containerLogs struct {
	api   *client
	queue *queue
	lines int
	todo  chan logRequest

	mu      sync.Mutex
	asked   map[string]bool            // failures whose log was asked for
	written map[types.UID][]logRequest // of each Pod, the logs that exist
	dropped int                        // since the last one that was written

	said store.Coverage // belongs to run
}

func newContainerLogs(api *client, q *queue, lines int) *containerLogs {
	return &containerLogs{
		api: api, queue: q, lines: lines,
		todo: make(chan logRequest, waitingLogs), asked: map[string]bool{}, written: map[types.UID][]logRequest{},
	}
}

// logRequest is a log to read, or, with gone, to take away because its Pod is.
type logRequest struct {
	namespace, pod  string
	uid             types.UID
	resourceVersion string
	container       string
	previous        bool
	restarts        int
	reason          string
	exitCode        *int
	ended           string
	started         time.Time // of the container that ended, whole seconds
	finished        time.Time
	gone            bool
}

func (r *logRequest) name() string { return r.pod + "." + r.container }

// podStatus is what of a Pod tells that a container failed.
type podStatus struct {
	Metadata struct {
		Name, Namespace   string
		UID               types.UID
		ResourceVersion   string
		DeletionTimestamp *metav1.Time
	}
	Spec struct {
		RestartPolicy string
	}
	Status struct {
		Conditions []struct {
			Type, Status       string
			LastTransitionTime metav1.Time
		}
		InitContainerStatuses, ContainerStatuses []containerStatus
	}
}

type containerStatus struct {
	Name             string
	ContainerID      string
	Ready            bool
	RestartCount     int
	State, LastState struct {
		Running    *struct{ StartedAt metav1.Time }
		Terminated *struct {
			ExitCode              int
			Reason                string
			StartedAt, FinishedAt metav1.Time
			ContainerID           string
		}
	}
}

// see looks at a version of a Pod as the API server sent it. It never waits.
func (l *containerLogs) see(kind watch.EventType, object []byte) {
	deleted := kind == watch.Deleted
	if !deleted && !bytes.Contains(object, []byte(`"terminated"`)) && !bytes.Contains(object, []byte(`"ContainersNotReady"`)) {
		return // nothing failed: most Pods, most of the time
	}
	var pod podStatus
	if json.Unmarshal(object, &pod) != nil {
		return // the stream says what is wrong with it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if deleted {
		for _, r := range l.written[pod.Metadata.UID] {
			r.gone, r.resourceVersion = true, pod.Metadata.ResourceVersion
			l.want(r)
		}
		delete(l.written, pod.Metadata.UID)
		return
	}
	for _, c := range pod.Status.InitContainerStatuses {
		l.failed(&pod, &c)
	}
	for _, c := range pod.Status.ContainerStatuses {
		if !l.failed(&pod, &c) {
			l.unready(&pod, &c)
		}
	}
}

// failed asks for the log of a container that ended with an error, or was
// restarted, and reports whether it did.
func (l *containerLogs) failed(pod *podStatus, c *containerStatus) bool {
	ended, previous := c.State.Terminated, false
	if ended == nil {
		ended, previous = c.LastState.Terminated, true
	}
	if ended == nil || !previous && ended.ExitCode == 0 || time.Since(ended.FinishedAt.Time) > recentFailure {
		return false // a Job that is done, say; what is restarted failed whatever it returned
	}
	code, restarts := ended.ExitCode, c.RestartCount
	if previous && restarts > 0 {
		restarts-- // it counts the one that runs now
	}
	l.once(pod, c, cmp.Or(ended.ContainerID, strconv.Itoa(restarts)), logRequest{
		previous: previous, reason: kinds.LogOfFailed, restarts: restarts, exitCode: &code, ended: ended.Reason, started: ended.StartedAt.Time, finished: ended.FinishedAt.Time,
	})
	return true
}

// unready asks for the log of a container that runs and is not ready any more.
func (l *containerLogs) unready(pod *podStatus, c *containerStatus) {
	if c.Ready || c.State.Running == nil || pod.Metadata.DeletionTimestamp != nil {
		return
	}
	for _, condition := range pod.Status.Conditions {
		since := condition.LastTransitionTime.Time
		if condition.Type != "ContainersReady" || condition.Status != "False" || time.Since(since) > recentFailure {
			continue
		}
		if since.After(c.State.Running.StartedAt.Time) { // it had been ready; else it is starting
			l.once(pod, c, since.String(), logRequest{reason: kinds.LogOfNotReady, restarts: c.RestartCount})
		}
	}
}

// once asks for a log unless it was asked for because of the same failure.
func (l *containerLogs) once(pod *podStatus, c *containerStatus, failure string, r logRequest) {
	r.namespace, r.pod, r.uid, r.resourceVersion = pod.Metadata.Namespace, pod.Metadata.Name, pod.Metadata.UID, pod.Metadata.ResourceVersion
	r.container = c.Name
	key := strings.Join([]string{string(r.uid), r.container, r.reason, failure}, "/")
	if l.asked[key] {
		return
	}
	if len(l.asked) >= mostLogs {
		clear(l.asked)
	}
	l.asked[key] = true
	l.want(r)
}

// want puts a request into the queue. l.mu is held.
func (l *containerLogs) want(r logRequest) {
	select {
	case l.todo <- r:
	default:
		l.dropped++
	}
}

// run reads and writes until ctx ends.
func (l *containerLogs) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-l.todo:
			l.write(ctx, &r)
			if !r.gone && !sleep(ctx, logPause) {
				return
			}
		}
	}
}

func (l *containerLogs) write(ctx context.Context, r *logRequest) {
	at := l.queue.clock.now().UTC().Truncate(time.Second)
	object := kinds.ContainerLog{
		APIVersion: kinds.ContainerLogs.GroupVersion().String(), Kind: "ContainerLog",
		Metadata: kinds.LogMetadata{
			Name: r.name(), Namespace: r.namespace, UID: string(r.uid) + "." + r.container, ResourceVersion: r.resourceVersion, CreationTimestamp: at,
			OwnerReferences: []kinds.LogOwner{{APIVersion: "v1", Kind: "Pod", Name: r.pod, UID: string(r.uid)}},
		},
		Container: r.container, Restarts: r.restarts, Reason: r.reason, ExitCode: r.exitCode, Ended: r.ended, FinishedAt: r.finished.UTC(), Lines: []string{},
	}
	kind := watch.Deleted
	if !r.gone {
		text, cut, err := l.readOf(ctx, r)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			object.Error = l.queue.clean(err.Error())
		case text != "":
			object.Lines = strings.Split(l.queue.clean(text), "\n")
		}
		object.Cut = cut
		l.cover(err)
		kind = l.kept(r)
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		return // strings and times always have a form
	}
	l.queue.event(containerLogScope, store.Event{
		Type: kind, Resource: kinds.ContainerLogs, Namespace: r.namespace, Name: r.name(),
		UID: types.UID(object.Metadata.UID), ResourceVersion: r.resourceVersion, Object: encoded,
	})
}

// kept notes that a log is written, and returns what kind of event that is.
func (l *containerLogs) kept(r *logRequest) watch.EventType {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.written[r.uid] {
		if l.written[r.uid][i].container == r.container {
			return watch.Modified
		}
	}
	if len(l.written) >= mostLogs {
		clear(l.written)
	}
	l.written[r.uid] = append(l.written[r.uid], *r)
	return watch.Added
}

// cover says in the ledger what is recorded of logs, whenever that changes.
func (l *containerLogs) cover(err error) {
	l.mu.Lock()
	dropped := l.dropped
	l.dropped = 0
	l.mu.Unlock()
	c := store.Coverage{Status: store.Partial, Reason: fmt.Sprintf("the last %d lines of containers that fail", l.lines)}
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.code == http.StatusForbidden:
		c = store.Coverage{Status: store.Forbidden, Reason: err.Error()}
	case dropped > 0:
		c.Reason += fmt.Sprintf("; %d were not read, as too many failed at once", dropped)
	}
	if c.Status != l.said.Status || c.Reason != l.said.Reason {
		l.said = c
		l.queue.cover(containerLogScope, c)
	}
}

// errRestarted says that the log of a container is lost.
var errRestarted = errors.New("the container was restarted again before its log was read")

// readOf returns the last lines of the container that failed. The API has only the logs of
// the newest container of that name and of the one before it, and does not say whose they
// are: while the request waited, the kubelet may have started the next one. The times of
// the lines tell, as far as whole seconds do, in which Kubernetes has the start and the end.
func (l *containerLogs) readOf(ctx context.Context, r *logRequest) (text string, cut bool, err error) {
	late := r.finished.Add(time.Second)
	isNext := false
	if !r.previous {
		text, cut, err = l.read(ctx, r, false)
		if err != nil || r.finished.IsZero() {
			return text, cut, err // it runs
		}
		first, _ := said(text)
		if !first.IsZero() && first.Before(r.finished) {
			return text, cut, nil // the next one said nothing before it was started
		}
		isNext = !first.Before(late)
	}
	before, cutBefore, err := l.read(ctx, r, true)
	var refused *refusal
	if errors.As(err, &refused) && refused.code == http.StatusBadRequest && !r.previous {
		return text, cut, nil // there is none before
	}
	if err != nil {
		return "", false, err
	}
	first, last := said(before)
	switch {
	case !first.Before(late):
		return "", false, errRestarted
	case r.previous, r.restarts == 0, !last.Before(r.started.Add(time.Second)), isNext && before == "":
		return before, cutBefore, nil
	}
	// The one before it had ended: the newest is the one that failed.
	return text, cut, nil
}

// said returns the times of the first and the last line.
func said(text string) (first, last time.Time) {
	for line := range strings.SplitSeq(text, "\n") {
		at, _, _ := strings.Cut(line, " ")
		t, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			continue // a part of a line that was longer than all that is read
		}
		if first.IsZero() {
			first = t
		}
		last = t
	}
	return first, last
}

// read returns the last lines of a log, each with its time, and whether there are
// lines before them.
func (l *containerLogs) read(ctx context.Context, r *logRequest, previous bool) (text string, cut bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	query := url.Values{
		"container": {r.container}, "tailLines": {strconv.Itoa(l.lines + 1)}, "limitBytes": {strconv.Itoa(logBytes)}, "timestamps": {"true"},
	}
	if previous {
		query.Set("previous", "true")
	}
	response, err := l.api.getAs(ctx, "/api/v1/namespaces/"+r.namespace+"/pods/"+r.pod+"/log", "*/*", query)
	if err != nil {
		return "", false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, logBytes))
	if err != nil {
		return "", false, err
	}
	text, cut = lastLines(string(body), l.lines)
	return text, cut, nil
}

// lastLines returns the last lines of a text, at most so many and no more than
// keptLogBytes, whole ones unless the last alone is longer.
func lastLines(text string, lines int) (last string, cut bool) {
	text = strings.ToValidUTF8(strings.TrimRight(text, "\n"), "\uFFFD")
	all := strings.Split(text, "\n")
	last = strings.Join(all[max(0, len(all)-lines):], "\n")
	for len(last) > keptLogBytes {
		if _, rest, more := strings.Cut(last, "\n"); more {
			last = rest
			continue
		}
		last = strings.ToValidUTF8(last[len(last)-keptLogBytes:], "")
	}
	return last, len(last) < len(text)
}
