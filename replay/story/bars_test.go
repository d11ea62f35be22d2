package story

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// TestBars prints the figures `make bench` collects: the verdicts on one Service
// and on all, over a recording of so many events, and how their processor time
// grows: 1 per event is in proportion. It takes minutes, so it runs only when
// SVCSPY_BENCH is set; SVCSPY_BENCH_EVENTS makes it smaller.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	sizes := []int{100_000, 1_000_000}
	if n := os.Getenv("SVCSPY_BENCH_EVENTS"); n != "" {
		var size int
		if _, err := fmt.Sscan(n, &size); err != nil {
			t.Fatal(err)
		}
		sizes = []int{size}
	}
	spent := map[string]float64{} // processor time of the size before
	growth := func(name string, size int, now float64) {
		if before := spent[name]; before > 0 {
			bench(name+"_growth", now/before/float64(size/sizes[0]), "per event")
		}
		spent[name] = now
	}
	for _, size := range sizes {
		r := largeRecording(t, size)
		info := r.Info()
		ref := store.Ref{Resource: replay.Services, Namespace: "ns-7", Name: "svc-3"}
		begun, used := time.Now(), cpu()
		segments, err := verdict.Of(context.Background(), r, ref, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%dk", size/1000)
		if size == 1_000_000 {
			name = "1m"
		}
		bench("timeline_"+name+"_s", time.Since(begun).Seconds(), "s")
		bench("timeline_"+name+"_cpu_s", cpu()-used, "s")
		growth("timeline", size, cpu()-used)
		if len(segments) < 3 {
			t.Errorf("only %d verdicts", len(segments))
		}
		forgetPeak()
		debug.SetGCPercent(400) // as the commands do
		debug.SetMemoryLimit(768 << 20)
		begun, used = time.Now(), cpu()
		n, services := 0, 0
		for c, err := range verdict.All(context.Background(), r, info.Start, info.End, nil) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(c.Segments)
			services++
		}
		suffix := ""
		if size != 1_000_000 {
			suffix = "_" + name
		}
		bench("timeline_all"+suffix+"_s", time.Since(begun).Seconds(), "s")
		bench("timeline_all"+suffix+"_cpu_s", cpu()-used, "s")
		growth("timeline_all", size, cpu()-used)
		bench("timeline_all"+suffix+"_rss_mib", peakRSS(t), "MiB")
		t.Logf("%d verdicts on %d Services", n, services)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// cpu is the processor time this process has used, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// forgetPeak gives back what is not in use and makes peakRSS begin anew, where
// the system can do that.
func forgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

// peakRSS is the most memory this process has held since forgetPeak, in MiB; 0
// where the system does not tell.
func peakRSS(t *testing.T) float64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(line, &kib); err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

func bench(name string, value float64, unit string) {
	fmt.Printf("bench %s %.4g %s\n", name, value, unit)
}

func largeRecording(t *testing.T, events int) *store.Recording {
	t.Helper()
	r, err := store.Open(largeFile(t, events))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// largeFile is, for 1,000,000 events, a cluster of 5,000 Services in 100
// namespaces on 500 nodes, each with a Deployment, a ReplicaSet, a slice and 17
// Pods: 100,000 objects and a little more; for fewer events, a part of it. Of
// what happens to it, a tenth are heartbeats of nodes;
// the rest are Pods that stop and start to be ready, with the writes to slices
// and ReplicaSets that follow.
func largeFile(t *testing.T, events int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.db")
	w, err := store.Create(path, store.Header{ID: "large", Start: replaytest.Start})
	if err != nil {
		t.Fatal(err)
	}
	at := replaytest.Start
	rv, heard := 0, 0
	committed := at
	say := func(typ watch.EventType, resource schema.GroupVersionResource, namespace, name, object string) {
		rv++
		heard++
		at = at.Add(3600 * time.Microsecond)
		e := store.Event{
			Time: at, Type: typ, Resource: resource, Namespace: namespace, Name: name, UID: types.UID(namespace + "-" + name + "-" + resource.Resource),
			ResourceVersion: fmt.Sprint(rv), Object: fmt.Appendf(nil, object, fmt.Sprintf(`"namespace":%q,"name":%q,"uid":"%s-%s-%s","resourceVersion":"%d","creationTimestamp":"2026-11-01T00:00:00Z"`, namespace, name, namespace, name, resource.Resource, rv)),
		}
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if w.Pending() > 4<<20 || at.Sub(committed) > time.Second {
			committed = at
			if err := w.Commit(at); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, k := range []schema.GroupVersionResource{replay.Services, replay.Pods, replay.Nodes, replay.EndpointSlices, replay.Workloads["Deployment"], replay.Workloads["ReplicaSet"], replay.Namespaces} {
		if _, err := w.Cover(store.Coverage{Time: at, Resource: k, Status: store.Current}); err != nil {
			t.Fatal(err)
		}
	}
	const perNamespace, pods = 50, 17
	services, nodes := max(events/200, 10*perNamespace), max(events/2000, 50)
	node := func(n int, typ watch.EventType) {
		say(typ, replay.Nodes, "", fmt.Sprintf("node-%d", n), `{"kind":"Node","apiVersion":"v1","metadata":{%s},"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"`+at.Format(time.RFC3339)+`"}]}}`)
	}
	names := func(s int) (namespace, name string) {
		return fmt.Sprintf("ns-%d", s/perNamespace), fmt.Sprintf("svc-%d", s%perNamespace)
	}
	pod := func(s, p int, typ watch.EventType, ready bool) {
		namespace, name := names(s)
		status := map[bool]string{true: "True", false: "False"}[ready]
		now := at.Format(time.RFC3339)
		say(typ, replay.Pods, namespace, fmt.Sprintf("%s-%d", name, p), `{"kind":"Pod","apiVersion":"v1","metadata":{%s,"labels":{"app":"`+name+`"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"`+name+`-rs","uid":"`+namespace+"-"+name+`-rs-replicasets","controller":true}]},"spec":{"nodeName":"`+fmt.Sprintf("node-%d", (s*7+p)%nodes)+`","containers":[{"name":"app","image":"app:1","ports":[{"name":"http","containerPort":8080,"protocol":"TCP"}],"readinessProbe":{"httpGet":{"port":8080},"periodSeconds":5}}]},"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":"`+status+`","lastTransitionTime":"`+now+`"},{"type":"ContainersReady","status":"`+status+`","lastTransitionTime":"`+now+`"}],"containerStatuses":[{"name":"app","ready":`+fmt.Sprint(ready)+`,"started":true,"state":{"running":{"startedAt":"2026-11-01T00:00:05Z"}}}]}}`)
	}
	slice := func(s int, typ watch.EventType, down int) {
		namespace, name := names(s)
		endpoints := ""
		for p := range pods {
			if p > 0 {
				endpoints += ","
			}
			endpoints += fmt.Sprintf(`{"addresses":["10.0.0.1"],"conditions":{"ready":%t,"serving":%[1]t,"terminating":false},"nodeName":"node-%d","targetRef":{"kind":"Pod","namespace":%q,"name":"%s-%d","uid":"%[3]s-%[4]s-%[5]d-pods"}}`, p != down, (s*7+p)%nodes, namespace, name, p)
		}
		say(typ, replay.EndpointSlices, namespace, name+"-x", `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{%s,"labels":{"kubernetes.io/service-name":"`+name+`","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"},"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":"`+name+`","uid":"`+namespace+"-"+name+`-services","controller":true}]},"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[`+endpoints+`]}`)
	}
	workload := func(s int, typ watch.EventType, ready int) {
		namespace, name := names(s)
		template := `"selector":{"matchLabels":{"app":"` + name + `"}},"template":{"metadata":{"labels":{"app":"` + name + `"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`
		status := fmt.Sprintf(`"status":{"observedGeneration":1,"replicas":%d,"readyReplicas":%d,"availableReplicas":%[2]d,"updatedReplicas":%[1]d}`, pods, ready)
		say(typ, replay.Workloads["Deployment"], namespace, name, `{"kind":"Deployment","apiVersion":"apps/v1","metadata":{%s,"generation":1,"annotations":{"deployment.kubernetes.io/revision":"1"}},"spec":{"replicas":`+fmt.Sprint(pods)+`,`+template+`},`+status+`}`)
		say(typ, replay.Workloads["ReplicaSet"], namespace, name+"-rs", `{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{%s,"generation":1,"annotations":{"deployment.kubernetes.io/revision":"1"},"labels":{"app":"`+name+`"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"`+name+`","uid":"`+namespace+"-"+name+`-deployments","controller":true}]},"spec":{"replicas":`+fmt.Sprint(pods)+`,`+template+`},`+status+`}`)
	}
	for n := range nodes {
		node(n, watch.Added)
	}
	for s := range services {
		namespace, name := names(s)
		if s%perNamespace == 0 {
			say(watch.Added, replay.Namespaces, "", namespace, `{"kind":"Namespace","apiVersion":"v1","metadata":{%s},"status":{"phase":"Active"}}`)
		}
		say(watch.Added, replay.Services, namespace, name, `{"kind":"Service","apiVersion":"v1","metadata":{%s},"spec":{"type":"ClusterIP","clusterIP":"`+fmt.Sprintf("10.96.%d.%d", s/250, s%250+1)+`","ipFamilies":["IPv4"],"selector":{"app":"`+name+`"},"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":"http"}]}}`)
		workload(s, watch.Added, pods)
		for p := range pods {
			pod(s, p, watch.Added, true)
		}
		slice(s, watch.Added, -1)
	}
	for i := 0; heard < events; i++ {
		s, p := i*7919%services, i%pods
		pod(s, p, watch.Modified, false)
		slice(s, watch.Modified, p)
		workload(s, watch.Modified, pods-1)
		node(i%nodes, watch.Modified)
		pod(s, p, watch.Modified, true)
		slice(s, watch.Modified, -1)
		workload(s, watch.Modified, pods)
	}
	if _, err := w.Seal(at); err != nil {
		t.Fatal(err)
	}
	return path
}
