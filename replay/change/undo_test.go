package change

import (
	"encoding/json"
	"testing"

	"github.com/svcspy/svcspy/analyzer"
)

func TestUndo(t *testing.T) {
	service := analyzer.Subject{Version: "v1", Kind: "Service", Namespace: "shop", Name: "web"}
	deployment := analyzer.Subject{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	route := analyzer.Subject{Group: "example.com", Version: "v1", Kind: "Route", Namespace: "shop", Name: "web"}
	policy := analyzer.Subject{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy", Namespace: "shop", Name: "deny"}
	node := analyzer.Subject{Version: "v1", Kind: "Node", Name: "n1"}
	secret := analyzer.Subject{Version: "v1", Kind: "Secret", Namespace: "shop", Name: "db"}
	for name, c := range map[string]struct {
		subject       analyzer.Subject
		verb          Verb
		origin        Origin
		before, after string
		want          string
	}{
		"a label too many":      {service, Updated, Intent, `{"spec":{"selector":{"app":"web"}}}`, `{"spec":{"selector":{"app":"web","tier":"x"}}}`, `kubectl patch service -n shop web -p '{"spec":{"selector":{"tier":null}}}'`},
		"another label":         {service, Updated, Intent, `{"spec":{"selector":{"app":"it's"}}}`, `{"spec":{"selector":{"app":"b"}}}`, `kubectl patch service -n shop web -p '{"spec":{"selector":{"app":"it'\''s"}}}'`},
		"an image":              {deployment, Updated, Intent, `{"spec":{"template":{"spec":{"containers":[{"name":"w","image":"a"}]}}}}`, `{"spec":{"template":{"spec":{"containers":[{"name":"w","image":"b"}]}}}}`, `kubectl rollout undo -n shop deployment/web`},
		"replicas":              {deployment, Updated, Intent, `{"spec":{"replicas":3}}`, `{"spec":{"replicas":0}}`, `kubectl scale -n shop deployment/web --replicas=3`},
		"paused":                {deployment, Updated, Intent, `{"spec":{}}`, `{"spec":{"paused":true}}`, `kubectl rollout resume -n shop deployment/web`},
		"cordoned":              {node, Updated, Intent, `{"spec":{}}`, `{"spec":{"unschedulable":true}}`, `kubectl uncordon n1`},
		"an element of a list":  {service, Updated, Intent, `{"spec":{"ports":[{"port":80,"targetPort":1}]}}`, `{"spec":{"ports":[{"port":80,"targetPort":2}]}}`, ""},
		"a redacted value":      {secret, Updated, Intent, `{"data":{"p":"‹r:1:2›"}}`, `{"data":{"p":"‹r:3:2›"}}`, ""},
		"a custom resource":     {route, Updated, Intent, `{"spec":{"on":true}}`, `{"spec":{"on":false}}`, `kubectl patch route.example.com -n shop web --type merge -p '{"spec":{"on":true}}'`},
		"created":               {policy, Created, Intent, `{}`, `{}`, `kubectl delete networkpolicy -n shop deny`},
		"created to serve":      {service, Created, Intent, `{}`, `{}`, ""},
		"deleted":               {service, Deleted, Intent, `{}`, `{}`, ""},
		"done by a controller":  {deployment, Updated, Derived, `{"spec":{"replicas":3}}`, `{"spec":{"replicas":0}}`, ""},
		"an annotation removed": {service, Updated, Intent, `{"metadata":{"annotations":{"a/b":"1"}}}`, `{"metadata":{"annotations":{}}}`, `kubectl patch service -n shop web -p '{"metadata":{"annotations":{"a/b":"1"}}}'`},
	} {
		var before, after any
		for text, into := range map[string]*any{c.before: &before, c.after: &after} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatal(err)
			}
		}
		change := Change{Subject: c.subject, Verb: c.verb, Origin: c.origin, AllFields: Diff(before, after)}
		got, ok := change.Undo()
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s: %v %q, want %q", name, ok, got, c.want)
		}
	}
}
