package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

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
	_, err := w.Write(b.Bytes())
	return err
}
