package printer

import (
	"encoding/json"
	"testing"
)

func TestJSONPath(t *testing.T) {
	const object = `{"metadata":{"labels":{"app.kubernetes.io/name":"web"}},
		"spec":{"list":[{"n":1,"v":"a"},{"n":2,"v":"b"},{"v":"c"}],"empty":[],"nothing":null},
		"status":{"conditions":[{"type":"Old","status":"False"},{"type":"Ready","status":"True","reason":"It's"}]}}`
	for path, want := range map[string]string{
		".spec.list[0].v":                                  `"a"`,
		".spec.list[-1].v":                                 `"c"`,
		".spec.list[*].v":                                  `"a"`,
		".spec.list[0:2].v":                                `"a"`,
		".spec.list.*.v":                                   `"a"`,
		".spec.list[7].v":                                  "",
		".spec.list[?(@.n==2)].v":                          `"b"`,
		".spec.list[?(@.n>=2)].v":                          `"b"`,
		".spec.list[?(@.n)].v":                             `"a"`,
		".spec.list[?(@.n!=1)].v":                          `"b"`,
		".spec.empty[0]":                                   "",
		".spec.nothing":                                    "null",
		`.metadata.labels.app\.kubernetes\.io/name`:        `"web"`,
		`.metadata.labels['app\.kubernetes\.io/name']`:     `"web"`,
		`.metadata.labels['app.kubernetes.io/name']`:       "", // a dot divides, also in quotes
		`.status.conditions[?(@.type=="Ready")].status`:    `"True"`,
		`.status.conditions[?(@.type=='Ready')].status`:    `"True"`,
		`.status.conditions[?(@.type == 'Ready')].reason`:  `"It's"`,
		`.status.conditions[?(@.type=="None")].status`:     "",
		`.status.conditions[?(@.status=="True")].type`:     `"Ready"`,
		`.status.conditions.[0].type`:                      "", // as an API server has it
		`.status.conditions[?(@.type=="Ready")]['status']`: `"True"`,
	} {
		p, err := parseJSONPath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got := ""
		if v, found := p.first(decoded([]byte(object))); found {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			got = string(b)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, bad := range []string{".a[", ".a[x]", ".a[?(@.b==)]"} {
		if p, err := parseJSONPath(bad); err == nil {
			t.Errorf("%q was read as %v", bad, p)
		}
	}
}

func FuzzJSONPath(f *testing.F) {
	f.Add(`.status.conditions[?(@.type=="Ready")].status`, `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	f.Add(`.a['b'][-1].*`, `{"a":{"b":[1,{"c":2}]}}`)
	f.Fuzz(func(t *testing.T, path, object string) {
		if p, err := parseJSONPath(path); err == nil {
			p.first(decoded([]byte(object)))
		}
	})
}
