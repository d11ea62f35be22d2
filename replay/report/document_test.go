package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// TestDocumentMeansTheSame prints any text in every format: it reads back as it
// was, and nothing in it acts on a terminal.
func TestDocumentMeansTheSame(t *testing.T) {
	nasty := rapid.SampledFrom([]rune{'\x01', '\x1b', '\x7f', '\u009b', '\u00ad', '\u200b', '\u202e', '\u2028', '\u2066', '\ufeff', '\U000e0041', '\n', '\t', '"', '\'', '\\', ':', '#', ' ', '-', 'a', 'ü', '漢'})
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]string{}
		for _, key := range rapid.SliceOfNDistinct(rapid.StringOfN(nasty, 0, 12, -1), 1, 4, rapid.ID[string]).Draw(t, "keys") {
			want[key] = rapid.StringOfN(rapid.OneOf(nasty, rapid.Rune()), 0, 200, -1).Draw(t, "value")
		}
		for _, format := range []string{"json", "jsonl", "yaml"} {
			var b bytes.Buffer
			if err := Document(&b, format, want); err != nil {
				t.Fatal(err)
			}
			if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && hostile(r) }); i >= 0 {
				t.Fatalf("%s has control character %q", format, b.String()[i:])
			}
			text := b.Bytes()
			if format == "yaml" {
				var err error
				if text, err = yaml.YAMLToJSON(text); err != nil {
					t.Fatalf("%v\n%s", err, b.String())
				}
			}
			var got map[string]string
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s reads back differently (-want +got)\n%s\n%s", format, diff, b.String())
			}
		}
	})
}
