package analyzer

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/svcspy/svcspy/store"
)

// FuzzTemplateText: what the texts say is the same template is the same.
func FuzzTemplateText(f *testing.F) {
	template := func(meta, rest string) []byte {
		return []byte(`{"spec":{"template":{"metadata":` + meta + `,"spec":{` + rest + `}}}}`)
	}
	f.Add(template(`{"labels":{"app":"a","pod-template-hash":"1"}}`, ``), template(`{"labels":{"app":"a"}}`, ``))
	f.Add(template(`{"labels":{"app":"a"}}`, `"nodeSelector":{"pod-template-hash":"1"}`), template(`{"labels":{"app":"a"}}`, `"nodeSelector":{}`))
	f.Add(template(`{"name":"x","labels":{"app":"a"}}`, ``), template(`{"labels":{"app":"a"}}`, ``))
	f.Add(template(`{}`, ``), template(`{}`, ``))
	f.Fuzz(func(t *testing.T, set, deployment []byte) {
		rs, d := NewObject(store.Event{Object: set}), NewObject(store.Event{Object: deployment})
		x, y := As[appsv1.ReplicaSet](rs), As[appsv1.Deployment](d)
		if rs.Err() == nil && d.Err() == nil && sameTemplateText(rs, d) && !sameTemplate(&x.Spec.Template, &y.Spec.Template) {
			t.Fatalf("%s and %s are said to have the same template", set, deployment)
		}
	})
}
