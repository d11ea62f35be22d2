package rawjson

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMember(t *testing.T) {
	const object = ` { "a" : "x\"y\\" , "b":[1, {"c":"]"}],"n":-1.5e3,"t":true,"z":null,"o":{"deep":{"er":"value"}}, "a":"second" } `
	for path, want := range map[string]string{
		"a": `x"y\`, "n": "-1.5e3", "t": "true", "z": "", "o.deep.er": "value", "o.deep.none": "", "none": "", "b": `[1, {"c":"]"}]`,
	} {
		if got := Text([]byte(object), path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	var all []string
	for e := range Elements(Member([]byte(object), "b")) {
		all = append(all, string(e))
	}
	if diff := cmp.Diff([]string{"1", `{"c":"]"}`}, all); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "x", "{", `{"a`, `{"a"`, `{"a":`, `{"a":"`, `{"a":[`, `{"b":1 "a":2}`, `["a"]`} {
		if got := Member([]byte(bad), "a"); len(got) > 0 {
			t.Errorf("member of %q: %q", bad, got)
		}
	}
}

// FuzzMember compares with encoding/json where that accepts the object.
func FuzzMember(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,"x",null]},"c":"\\\""}`), "c")
	f.Add([]byte(`{"a": [ {} , "]" ] , "b" : 1}`), "b")
	f.Fuzz(func(t *testing.T, object []byte, name string) {
		got := Member(object, name)
		for range Elements(got) {
		}
		var all map[string]json.RawMessage
		if json.Unmarshal(object, &all) != nil || bytes.ContainsAny(object, `\`) {
			return // no object, or a name that is written in another way
		}
		dec := json.NewDecoder(bytes.NewReader(object))
		seen := map[string]bool{}
		for depth := 0; ; { // names that occur twice mean the first to us, the last to encoding/json
			token, err := dec.Token()
			if err != nil {
				break
			}
			switch v := token.(type) {
			case json.Delim:
				depth += map[json.Delim]int{'{': 1, '[': 1, '}': -1, ']': -1}[v]
			case string:
				if depth == 1 && seen[v] {
					return
				}
				if depth == 1 {
					seen[v] = true
				}
			}
		}
		if want := all[name]; !bytes.Equal(bytes.TrimSpace(want), bytes.TrimSpace(got)) {
			t.Errorf("%q of %q: %q, want %q", name, object, got, want)
		}
	})
}
