package analyzer

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/store"
)

const webService = `
kind: Service
metadata: {name: web}
spec:
  type: ClusterIP
  clusterIP: 10.96.0.10
  ipFamilies: [IPv4]
  selector: {app: web}
  ports: [{name: http, port: 80, protocol: TCP, targetPort: http}]
`

func subjectRef(name string) store.Ref {
	return store.Ref{Resource: kindOf[corev1.Service]().resource, Namespace: "shop", Name: name}
}

func TestFirst(t *testing.T) {
	w := newWorld(t)
	w.apply(time.Second, `
kind: Namespace
metadata: {name: shop}
---`+webService)
	for _, at := range []time.Duration{0, 5 * time.Second} {
		r := Diagnose(w.at(at), subjectRef("web"), Options{})
		fmt.Printf("%s %+v\n%+v\n", at, r.Verdict, r.Headline)
	}
}
