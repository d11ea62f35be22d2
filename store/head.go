package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcspy/svcspy/store/encoding"
)

// maxDiscovery bounds what a discovery document may unpack to: a resource takes
// some hundred bytes, a large cluster has a thousand.
const maxDiscovery = 8 << 20

// formatMagic begins the value of keyFormat.
const formatMagic = "svcspy recording"

// features is the set of features a reader must know to read the file at all.
// None exist yet.
const features = 0

func encodeFormat() []byte {
	b := append([]byte(nil), formatMagic...)
	b = binary.LittleEndian.AppendUint32(b, FormatVersion)
	return binary.LittleEndian.AppendUint32(b, features)
}

// parseFormat returns the version of the file, or refuses it.
func parseFormat(value []byte) (int, error) {
	w := encoding.Reader{Data: value}
	magic := w.Take(len(formatMagic))
	version, needed := w.Uint32(), w.Uint32()
	switch {
	case w.Bad || string(magic) != formatMagic:
		return 0, ErrNotRecording
	case version > FormatVersion:
		return 0, fmt.Errorf("format %d, this program reads up to %d: %w", version, FormatVersion, ErrVersion)
	case needed&^features != 0:
		return 0, fmt.Errorf("features %#x: %w", needed&^features, ErrVersion)
	}
	return int(version), nil
}

// headerJSON is how a Header is written; the discovery document is kept apart,
// because it changes.
type headerJSON struct {
	ID        string    `json:"id"`
	Recorder  string    `json:"recorder"`
	Start     time.Time `json:"start"`
	Cluster   Cluster   `json:"cluster"`
	Scope     Scope     `json:"scope"`
	Redaction Redaction `json:"redaction"`
	Source    *Source   `json:"source,omitempty"`
}

func encodeHeader(h Header) ([]byte, error) {
	return json.Marshal(headerJSON{h.ID, h.Recorder, h.Start, h.Cluster, h.Scope, h.Redaction, h.Source})
}

func decodeHeader(value []byte) (Header, error) {
	var h headerJSON
	if err := json.Unmarshal(value, &h); err != nil {
		return Header{}, err
	}
	return Header{ID: h.ID, Recorder: h.Recorder, Start: clockTime(h.Start), Cluster: h.Cluster, Scope: h.Scope, Redaction: h.Redaction, Source: h.Source}, nil
}

func encodeDiscovery(z *zstd.Encoder, resources []metav1.APIResource) ([]byte, error) {
	raw, err := json.Marshal(resources)
	if err != nil {
		return nil, err
	}
	return encoding.Pack(z, raw), nil
}

func decodeDiscovery(value []byte) (resources []metav1.APIResource, err error) {
	raw, err := encoding.Unpack(value, maxDiscovery)
	if err == nil {
		err = json.Unmarshal(raw, &resources)
	}
	return resources, err
}
