package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
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
	if format == "yaml" {
		y, err := yaml.JSONToYAML(b.Bytes())
		if err != nil {
			return fmt.Errorf("encode yaml: %w", err)
		}
		b.Reset()
		b.Write(y)
	}
	out := b.Bytes()
	if format != "yaml" {
		out = harmless(out)
	}
	_, err := w.Write(out)
	return err
}

// harmless escapes what encoding/json leaves in strings and a terminal may act
// on. The document means the same.
func harmless(doc []byte) []byte {
	risky := func(r rune) bool { return hostile(r) && r >= 0x7f }
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
