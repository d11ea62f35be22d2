package rawjson

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// texts are accepted or refused as encoding/json does it; they seed the fuzz
// targets too.
var texts = []string{
	`{}`, `[]`, `""`, `0`, `-1.5e+9`, `true`, `false`, `null`, ` [1 , 2] `, `{"a":{"b":[1,{"c":"d"}]}}`,
	`"plain text longer than eight bytes, é and 漢字"`, `"\u00e9 \ud83d\ude00 \ud83d x \n\t\"\\\/\b\f\r"`,
	``, ` `, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1 2]`, `{,}`, `[,1]`, `{"a":1 "b":2}`, `"open`, `"\x"`, `"\u12"`,
	"\"line\nbreak\"", `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `tru`, `nul`, `nulll`, `{} {}`, `[}`, `{]`, `{1:2}`, "\"12345678\x1f\"", "{}\x00",
	"\x00", "[1]\x00",
}

func TestCheckAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range texts {
		if err := Check([]byte(text)); (err == nil) != json.Valid([]byte(text)) {
			t.Errorf("Check(%q) = %v, json.Valid says %t", text, err, json.Valid([]byte(text)))
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Check(text)
		if (err == nil) != json.Valid(text) {
			t.Fatalf("Check(%q) = %v, json.Valid says %t", text, err, json.Valid(text))
		}
	})
}

func FuzzQuote(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := Quote(nil, []byte(text))
		if !json.Valid(quoted) {
			t.Fatalf("Quote(%q) = %s: not JSON", text, quoted)
		}
		if got := string(Unquote(nil, quoted)); got != text {
			t.Fatalf("Unquote(Quote(%q)) = %q", text, got)
		}
	})
}

func TestUnquoteAgreesWithEncodingJSON(t *testing.T) {
	for _, text := range texts {
		var want string
		if json.Unmarshal([]byte(text), &want) != nil || text == "null" {
			continue
		}
		c := Cursor{Text: []byte(text)}
		got := c.String()
		if c.Err() != nil {
			t.Errorf("String of %s: %v", text, c.Err())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("String of %s (-want +got):\n%s", text, diff)
		}
	}
}

func TestCursorWalk(t *testing.T) {
	c := Cursor{Text: []byte(` { "kind" : "Pod", "items": [ {"n":1}, [], 3 ], "k\u0065y": "v" } `)}
	var keys []string
	var items int
	for c.Enter('{'); c.More('}'); {
		key := string(c.Key())
		keys = append(keys, key)
		if key == "items" {
			for c.Enter('['); c.More(']'); {
				items++
				c.Skip()
			}
			continue
		}
		keys = append(keys, c.String())
	}
	c.End()
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	if diff := cmp.Diff([]string{"kind", "Pod", "items", "key", "v"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if items != 3 {
		t.Errorf("items = %d, want 3", items)
	}
}

// FuzzPlain holds the search by eight bytes against one by single bytes.
func FuzzPlain(f *testing.F) {
	f.Add([]byte("a \x1f!\"#[\\]\x7f\x80\xff"), 0)
	f.Add([]byte("\x20\x1f\x20\x20\x20\x20\x20\x20\x21\"\x21\x21\x21"), 1)
	for b := range 256 { // after each kind of byte, at each of eight places
		f.Add([]byte{'x', 0x1f, byte(b), ' ', '"', byte(b), '!', '#', '\\', byte(b), ']', '[', 0x80, byte(b), 0xff, 'x'}, b%8)
	}
	f.Fuzz(func(t *testing.T, text []byte, from int) {
		if from < 0 || from > len(text) {
			return
		}
		want := from
		for want < len(text) && text[want] >= 0x20 && text[want] != '"' && text[want] != '\\' {
			want++
		}
		if got := plain(text, from); got != want {
			t.Errorf("plain(%q, %d) = %d, want %d", text, from, got, want)
		}
	})
}

// FuzzExtent holds it against a walk: of an object or a list that is well formed
// it finds the end, and of no text it leaves the bounds.
func FuzzExtent(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"a":"\\\"}{","b":["]",{}]} {}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Cursor{Text: text}
		if b := c.Peek(); b != '{' && b != '[' {
			return
		}
		got := c.Extent()
		if got < c.At || got > len(text) {
			t.Fatalf("Extent of %q = %d", text, got)
		}
		if c.Skip(); c.Err() == nil && got != c.At {
			t.Fatalf("Extent of %q = %d, Skip ends at %d", text, got, c.At)
		}
	})
}
