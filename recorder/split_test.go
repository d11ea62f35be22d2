package recorder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestSplitterEnds(t *testing.T) {
	for _, tt := range []struct {
		name, stream string
		texts        int
		want         error
	}{
		{"nothing", "", 0, io.EOF},
		{"white space", " \n\t\r\n", 0, io.EOF},
		{"one", "{}", 1, io.EOF},
		{"two without a line feed", `{"type":"A"}{"type":"B"}`, 2, io.EOF},
		{"cut", "{}\n{\"type\":\"A\"", 1, io.ErrUnexpectedEOF},
		{"cut inside a string", `{"type":"A}`, 0, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSplitter(iotest.OneByteReader(strings.NewReader(tt.stream)))
			for n := 0; ; n++ {
				if _, err := s.next(); err != nil {
					if err != tt.want || n != tt.texts {
						t.Errorf("%d texts and %v, want %d and %v", n, err, tt.texts, tt.want)
					}
					return
				}
			}
		})
	}
}

func TestSplitterRefusesHugeTexts(t *testing.T) {
	s := newSplitter(io.MultiReader(strings.NewReader(`{"type":"`), iotest.DataErrReader(strings.NewReader(strings.Repeat("x", 1<<20)))))
	s.limit = 256 << 10
	if _, err := s.next(); !errors.Is(err, errTooLarge) {
		t.Errorf("next = %v, want errTooLarge", err)
	}
	if len(s.buf) > s.limit {
		t.Errorf("holds %d bytes, want at most %d", len(s.buf), s.limit)
	}
}

func TestSplitterForgetsHugeTexts(t *testing.T) {
	huge := `{"type":"` + strings.Repeat("x", 4<<20) + `"}` + "\n"
	s := newSplitter(strings.NewReader(huge + `{"type":"a"}` + "\n" + `{"type":"b"}` + "\n"))
	for i, want := range []string{huge, `{"type":"a"}`, `{"type":"b"}`} {
		got, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != strings.TrimSpace(want) {
			t.Errorf("text %d has %d bytes, want %d", i, len(got), len(want))
		}
	}
	if len(s.buf) != smallBuffer {
		t.Errorf("still holds %d bytes", len(s.buf))
	}
}

// FuzzSplitter checks that valid JSON objects come out as they went in, however
// they are written and however they arrive, and that nothing makes it panic.
func FuzzSplitter(f *testing.F) {
	f.Add([]byte(`{"type":"ADDED","object":{"a":"}\"{"}}`), []byte(`{"b":[{},"\\"]}`), "\n", 3)
	f.Add([]byte("{\"type\":\"A\",\n\"object\":{\n}\n}"), []byte(`{}`), "", 1)
	f.Add([]byte(`{"type":"A"`), []byte(`]`), " ", 1000)
	f.Fuzz(func(t *testing.T, a, b []byte, between string, piece int) {
		var stream []byte
		var want []string
		valid := strings.Trim(between, " \n\r\t") == ""
		for _, text := range [][]byte{a, b, a} {
			stream = append(append(stream, text...), between...)
			text = bytes.TrimSpace(text)
			valid = valid && json.Valid(text) && text[0] == '{'
			// See splitter.cut: who writes on one line puts no line feed
			// behind an inner brace.
			valid = valid && !(bytes.HasPrefix(text, compact) && bytes.Contains(text, []byte("\n")))
			want = append(want, string(text))
		}
		s := newSplitter(&pieces{stream, max(1, piece)})
		var got []string
		for {
			text, err := s.next()
			if err != nil {
				if valid && err != io.EOF {
					t.Fatalf("split %q: %v", stream, err)
				}
				break
			}
			got = append(got, string(text))
		}
		if diff := cmp.Diff(want, got); valid && diff != "" {
			t.Fatalf("texts of %q (-want +got):\n%s", stream, diff)
		}
	})
}

// pieces delivers at most n bytes at a time.
type pieces struct {
	left []byte
	n    int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(len(p.left), p.n)])
	p.left = p.left[n:]
	return n, nil
}

// FuzzEvent checks that what is read of an event is what encoding/json reads.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(event("ADDED", pod("a", "3"))))
	f.Add([]byte(bookmark("3")))
	f.Add([]byte(endOfList("3")))
	f.Add([]byte(`{"object":{"metadata":{"annotations":null,"name":"x"},"kind":"X"},"type":"DELETED","more":1}`))
	f.Add([]byte(`{"type":"ADDED","object":{"metadata":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		kind, object, err := splitEvent(text)
		if err != nil {
			return
		}
		meta, err := scanMetadata(object, true)
		if err != nil || !json.Valid(text) {
			return
		}
		if !json.Valid(object) {
			t.Fatalf("splitEvent(%q) = %q: not JSON", text, object)
		}
		var want struct {
			Type   string
			Object struct {
				Metadata struct{ Namespace, Name, ResourceVersion string }
			}
		}
		// encoding/json does not mind the case of a name, and takes the last of
		// several; neither occurs in what an API server sends.
		if ambiguous(text) || json.Unmarshal(text, &want) != nil {
			return
		}
		m := want.Object.Metadata
		if string(kind) != want.Type || meta.namespace != m.Namespace || meta.name != m.Name || meta.resourceVersion != m.ResourceVersion {
			t.Fatalf("read %s %+v of %q, want %+v", kind, meta, text, want)
		}
	})
}

// ambiguous reports whether a name occurs twice in the text, in any case, or is
// written in a way that folds to one.
func ambiguous(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, name := range []string{`"type"`, `"object"`, `"metadata"`, `"namespace"`, `"name"`, `"resourceversion"`} {
		if bytes.Count(lower, []byte(name)) > 1 || bytes.Count(lower, []byte(name)) != bytes.Count(text, []byte(strings.Replace(name, "version", "Version", 1))) {
			return true
		}
	}
	return bytes.ContainsFunc(text, func(r rune) bool { return r == '\\' || r > 0x7f })
}
