package analyzer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// large is Service web with so many ready Pods, the last of them failing, in
// a namespace with so many objects in all.
func large(t testing.TB, pods, failing, objects int) *world {
	w := newWorld(t)
	w.apply(0, shop+webService+strings.ReplaceAll(deployment(pods, "NewReplicaSetAvailable", fmt.Sprintf("web:ok1 %d %d", pods, pods-failing)), "$(created-1)", "$(0s)"))
	var listed []string
	n := 4
	for i := range pods {
		name, node := fmt.Sprintf("web-%d", i), fmt.Sprintf("n%d", i%3+1)
		status, state := running("1s"), "ready"
		if i >= pods-failing {
			status, state = unready("1s", "5s"), "notready"
		}
		w.apply(time.Second, strings.ReplaceAll(pod(name, 1, node, "web:ok1", "0s", status), ".10"+node[1:]+"}", "}"))
		listed = append(listed, name+" "+node+" "+state)
		if len(listed) == 100 || i == pods-1 {
			w.apply(2*time.Second, strings.ReplaceAll(slice(listed...), "name: web-1\n", fmt.Sprintf("name: web-s%d\n", i)))
			listed = nil
			n++
		}
		n++
	}
	for i := n; i < objects; i++ {
		w.apply(3*time.Second, fmt.Sprintf("kind: ConfigMap\nmetadata: {name: c%d}\ndata: {k: v}\n", i))
	}
	return w
}

// BenchmarkReport1000Pods measures a report on a State that is loaded: a
// Service with 1,000 Pods in a namespace of 10,000 objects.
func BenchmarkReport1000Pods(b *testing.B) {
	for _, failing := range []int{0, 300} {
		b.Run(fmt.Sprintf("failing=%d", failing), func(b *testing.B) {
			v := large(b, 1000, failing, 10_000).at(60 * time.Second)
			subject := ref[corev1.Service]("web")
			Diagnose(v, subject, Options{}) // decodes the objects
			for b.Loop() {
				Diagnose(v, subject, Options{})
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/report")
		})
	}
}
