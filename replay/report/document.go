package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v2"
)

// Document prints one envelope as json, yaml or jsonl (JSON on one line).
func Document(w io.Writer, format string, envelope any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if format == "json" {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(envelope); err != nil {
		return fmt.Errorf("encode %s: %w", format, err)
	}
	out := Harmless(b.Bytes())
	if format == "yaml" {
		var err error
		if out, err = YAML(b.Bytes()); err != nil {
			return err
		}
	}
	_, err := w.Write(out)
	return err
}

// YAML returns a JSON document as YAML, with keys in order, in which no terminal
// finds anything to act on.
func YAML(doc []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("encode yaml: %w", err)
	}
	y, err := yaml.Marshal(plain(value, nil))
	if err != nil || bytes.IndexFunc(y, risky) < 0 {
		return y, err
	}
	// What YAML leaves as it is gets a control character before it, so that its
	// text is put in double quotes, and there both become one escape.
	left := map[rune]bool{}
	for _, r := range string(y) {
		if risky(r) {
			left[r] = true
		}
	}
	y, err = yaml.Marshal(plain(value, left))
	var pairs []string
	for r := range left {
		// In double quotes YAML itself may have found that it needs an escape.
		for _, as := range []string{string(r), lineEnds[r], fmt.Sprintf(`\x%02X`, r), fmt.Sprintf(`\u%04X`, r), fmt.Sprintf(`\U%08X`, r)} {
			if as != "" {
				pairs = append(pairs, mark+as, fmt.Sprintf(`\U%08X`, r))
			}
		}
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(y))), err
}

// mark is how YAML shows the character put before others.
const mark = `\x01`

// lineEnds are the characters with escapes of their own in YAML.
var lineEnds = map[rune]string{'\u0085': `\N`, '\u2028': `\L`, '\u2029': `\P`}

// plain returns a JSON value as YAML takes it, with the marked characters marked.
func plain(value any, marked map[rune]bool) any {
	switch value := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(value))
		for k, v := range value {
			out[plain(k, marked).(string)] = plain(v, marked)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, v := range value {
			out[i] = plain(v, marked)
		}
		return out
	case json.Number:
		if n, err := strconv.ParseInt(value.String(), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(value.String(), 10, 64); err == nil {
			return n
		}
		if f, err := value.Float64(); err == nil {
			return f
		}
		return value.String()
	case string:
		if len(marked) == 0 {
			return value
		}
		var b strings.Builder
		for _, r := range value {
			if marked[r] {
				b.WriteByte(1)
			}
			b.WriteRune(r)
		}
		return b.String()
	}
	return value
}

// risky reports what encoding/json leaves in strings and a terminal may act on.
func risky(r rune) bool { return hostile(r) && r >= 0x7f }

// Harmless escapes in a JSON document what a terminal may act on. The document
// means the same.
func Harmless(doc []byte) []byte {
	if bytes.IndexFunc(doc, risky) < 0 {
		return doc
	}
	out := make([]byte, 0, len(doc)+64)
	for _, r := range string(doc) {
		switch {
		case !risky(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
