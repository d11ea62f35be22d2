package flight

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// churn is an API server of a cluster that changes all the time: Pods are
// updated, and one in fifty is replaced by another. Its watches end when the
// client asks for it, with a bookmark two seconds before, as those of the real
// one do.
type churn struct {
	mu      sync.Mutex
	rv      int
	pods    []churnPod
	born    int
	log     []string // watch events of Pods; the last has resourceVersion rv
	changed chan struct{}
}

type churnPod struct{ name, object string }

// churnLog is how many events a watch may be behind.
const churnLog = 20_000

func newChurn(pods int) *churn {
	c := &churn{rv: 100, changed: make(chan struct{})}
	for range pods {
		c.pods = append(c.pods, c.create())
	}
	return c
}

func (c *churn) create() churnPod {
	c.born++
	return c.object(fmt.Sprintf("web-%06d", c.born), 0)
}

// object returns a version of a Pod of about 3 kB.
func (c *churn) object(name string, restarts int) churnPod {
	return churnPod{name, fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":%q,"namespace":"shop","uid":"uid-%[1]s","resourceVersion":"%[2]d","labels":{"app":"web"},"annotations":{"note":%[3]q}},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"registry/web:1"}]},"status":{"phase":"Running","podIP":"10.1.0.1","podIPs":[{"ip":"10.1.0.1"}],"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-11-23T14:00:00Z"}],"containerStatuses":[{"name":"c","ready":true,"restartCount":%[4]d,"state":{"running":{"startedAt":"2026-11-23T14:00:00Z"}}}]}}`,
		name, c.rv, strings.Repeat(name+" ", 180), restarts)}
}

// run makes rate changes a second.
func (c *churn) run(ctx context.Context, rate int) {
	began, made := time.Now(), 0
	for ticks := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		c.mu.Lock()
		for ; made < int(time.Since(began).Seconds()*float64(rate)); made++ {
			c.change(made)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
	}
}

func (c *churn) change(n int) {
	p := &c.pods[n%len(c.pods)]
	c.rv++
	switch {
	case n%50 == 0:
		c.write("DELETED", c.object(p.name, n))
		c.rv++
		*p = c.create()
		c.write("ADDED", *p)
	default:
		*p = c.object(p.name, n)
		c.write("MODIFIED", *p)
	}
}

func (c *churn) write(kind string, p churnPod) {
	c.log = append(c.log, fmt.Sprintf(`{"type":%q,"object":%s}`, kind, p.object))
	if len(c.log) > 2*churnLog {
		c.log = append([]string(nil), c.log[churnLog:]...)
	}
}

func (c *churn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	verbs := metav1.Verbs{"get", "list", "watch"}
	switch r.URL.Path {
	case "/version":
		fmt.Fprint(w, `{"gitVersion":"v1.37.2"}`)
	case "/api":
		fmt.Fprint(w, `{"kind":"APIVersions","versions":["v1"]}`)
	case "/apis":
		fmt.Fprint(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
	case "/api/v1":
		_ = json.NewEncoder(w).Encode(metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", SingularName: "pod", Kind: "Pod", Namespaced: true, Verbs: verbs},
			{Name: "services", SingularName: "service", ShortNames: []string{"svc"}, Kind: "Service", Namespaced: true, Verbs: verbs},
		}})
	case "/api/v1/pods":
		c.collection(w, r, "Pod", true)
	case "/api/v1/services":
		c.collection(w, r, "Service", false)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	}
}

const churnService = `{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"service","resourceVersion":"50"},"spec":{"selector":{"app":"web"},"clusterIP":"10.0.0.1","ports":[{"port":80}]}}`

func (c *churn) collection(w http.ResponseWriter, r *http.Request, kind string, pods bool) {
	q := r.URL.Query()
	send := func(format string, args ...any) {
		fmt.Fprintf(w, format+"\n", args...)
	}
	bookmark := func(rv int, annotations string) {
		send(`{"type":"BOOKMARK","object":{"kind":%q,"apiVersion":"v1","metadata":{"resourceVersion":"%d"%s}}}`, kind, rv, annotations)
		w.(http.Flusher).Flush()
	}
	c.mu.Lock()
	rv := c.rv
	objects := []string{churnService}
	if pods {
		objects = objects[:0]
		for _, p := range c.pods {
			objects = append(objects, p.object)
		}
	}
	c.mu.Unlock()
	if q.Get("watch") == "" {
		send(`{"kind":"%sList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[]}`, kind, rv)
		return
	}
	if q.Get("sendInitialEvents") != "" {
		for _, o := range objects {
			send(`{"type":"ADDED","object":%s}`, o)
		}
		bookmark(rv, `,"annotations":{"k8s.io/initial-events-end":"true"}`)
	} else {
		rv, _ = strconv.Atoi(q.Get("resourceVersion"))
		w.(http.Flusher).Flush()
	}
	seconds, _ := strconv.Atoi(q.Get("timeoutSeconds"))
	deadline := time.After(time.Duration(seconds) * time.Second)
	nearly := time.After(time.Duration(seconds-2) * time.Second)
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		c.mu.Lock()
		now, changed := c.rv, c.changed
		var news []string
		if behind := now - rv; pods && behind > 0 && behind <= len(c.log) {
			news = c.log[len(c.log)-behind:]
		} else if pods && behind > 0 {
			c.mu.Unlock()
			send(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}`)
			return
		}
		c.mu.Unlock()
		for _, line := range news {
			send("%s", line)
		}
		w.(http.Flusher).Flush()
		rv = now
		if !pods {
			changed = nil
		}
		select {
		case <-changed:
		case <-nearly:
			bookmark(rv, "")
		case <-minute.C:
			bookmark(rv, "")
		case <-deadline:
			return
		case <-r.Context().Done():
			return
		}
	}
}
