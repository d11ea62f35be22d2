package redact

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// written are texts in which PASSWORD is a secret, and which bytes it must not
// have because they end it there.
var written = []struct{ text, not string }{
	{`{"a":1,"password":QUOTED,"b":2}`, ""},
	{`{"db":{ "apiKey" : QUOTED }}`, ""},
	{"db:\n  user: app\n  password: PASSWORD\n  host: x\n", ""},
	{"db:\n  password: QUOTED\n  host: x\n", ""},
	{"db:\n- token: |\n    PASSWORD\n  host: x\n", ""},
	{"clientSecret: PASSWORD\nuser: app", "\"'`<>&"},
	{"dial postgres://app:PASSWORD@db:5432/x failed", "/?#@ \"'<>`&\\"},
	{"level=error password=QUOTED user=app", ""},
	{"export PASSWORD=PASSWORD\nexec app", " \"'`&<>,;:.\\(){}[]"},
}

// Wherever a text stands, and however deep it is quoted there, the secret in it
// does not come through, nor does its end.
func TestNestedTexts(t *testing.T) {
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SampledFrom(written).Draw(t, "text")
		secret := rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ019_-.!$%^*+=/#?:@,;()[]{}|~\\\"'&<> é")), 5, 20, -1).Draw(t, "secret")
		secret = "Q" + strings.Map(func(r rune) rune {
			if strings.ContainsRune(w.not, r) {
				return 'x'
			}
			return r
		}, secret) + "Z"
		text := strings.Replace(w.text, "QUOTED", quoted(secret), 1)
		if i := strings.LastIndex(text, "PASSWORD"); i >= 0 {
			text = text[:i] + secret + text[i+len("PASSWORD"):]
		}
		object := rapid.SampledFrom([]string{
			`{"metadata":{"annotations":{"a":TEXT}}}`, `{"message":TEXT}`, `{"spec":{"x":TEXT}}`,
			`{"spec":{"containers":[{"env":[{"name":"X","value":TEXT}],"args":["-c",TEXT]}]}}`,
		}).Draw(t, "place")
		depth := rapid.IntRange(0, 3).Draw(t, "depth")
		for range depth {
			text = `{"v":` + quoted(text) + `,"z":0}`
		}
		object = strings.ReplaceAll(object, "TEXT", quoted(text))
		out, err := fixed().Object(nil, pods, []byte(object))
		if err != nil {
			t.Fatal(err)
		}
		end := secret[len(secret)-4:]
		for _, lost := range []string{secret, end} {
			for range depth + 1 {
				lost = strings.Trim(quoted(lost), `"`)
			}
			if strings.Contains(string(out), lost) && len(strings.TrimSpace(end)) == 4 {
				t.Fatalf("%q is in %s\nwhich was %s", lost, out, object)
			}
		}
	})
}
