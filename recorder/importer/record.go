// Package importer makes recordings of evidence that exists when nobody
// recorded: audit logs, dumps, etcd snapshots.
//
// A Format reads one kind of source and sends Records. Import sorts them on disk,
// finds out what they prove, and writes events and coverage to a Sink. README.md
// beside this file says how to add a format.
package importer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// Kind says what a Record tells.
type Kind byte

// What a Record can tell.
const (
	// Written: the object was created or changed, and Object is what it is now.
	Written Kind = iota + 1
	// Created is Written, of an object that did not exist before.
	Created
	// Removed: the object is gone. Object is its final state, or nil.
	Removed
	// Unseen: the object was changed, to what is not known. Without a Name it is
	// some object of the namespace, or ("") of the cluster.
	Unseen
	// Refused: a request changed nothing, because the API server refused it.
	Refused
	// Listed: the object was in a list.
	Listed
	// ListDone: all objects of the resource in the namespace, or ("") in the
	// cluster, came as Listed, from the same Source.
	ListDone
)

// Record is one fact from a source.
type Record struct {
	Kind            Kind
	Time            time.Time // when it happened, or zero
	Received        time.Time // when the API server received the request, or zero
	Resource        schema.GroupVersionResource
	Namespace, Name string
	UID             string
	ResourceVersion string
	Object          []byte   // JSON
	Request         *Request // who did it; nil if the source does not say
	Source          int      // which list a Listed belongs to; set by the Input if it is 0
	order           uint64   // place in the sources

	answered  time.Time // Time as the source has it
	contested bool      // another user's request may have written the version
}

// Request is who asked the API server for what.
type Request = store.Request

// document is a Request as an object.
type document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Request
}

type metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

func (r *Record) requestObject() ([]byte, error) {
	return json.Marshal(document{store.Requests.GroupVersion().String(), "Request", metadata{store.RequestName(r.Resource, r.Name), r.Namespace}, *r.Request})
}

// append writes the record for the spool.
func (r *Record) append(dst []byte) []byte {
	dst = append(dst, byte(r.Kind))
	dst = binary.AppendVarint(dst, r.micro())
	dst = binary.AppendVarint(dst, micro(r.Received))
	dst = binary.AppendUvarint(dst, r.order)
	dst = binary.AppendUvarint(dst, uint64(r.Source))
	for _, s := range [...]string{r.Resource.Group, r.Resource.Version, r.Resource.Resource, r.Namespace, r.Name, r.UID, r.ResourceVersion} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Object)))
	dst = append(dst, r.Object...)
	var request []byte
	if r.Request != nil {
		request, _ = json.Marshal(r.Request) // texts and numbers can be encoded
	}
	dst = binary.AppendUvarint(dst, uint64(len(request)))
	return append(dst, request...)
}

func (r *Record) micro() int64 { return micro(r.Time) }

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

var errSpool = errors.New("the temporary file was changed while it was used")

// parseRecord reads what append wrote. The record refers to data.
func parseRecord(data []byte) (Record, error) {
	var r Record
	if len(data) == 0 {
		return r, errSpool
	}
	r.Kind = Kind(data[0])
	data = data[1:]
	for _, t := range [...]*time.Time{&r.Time, &r.Received} {
		micro, n := binary.Varint(data)
		if n <= 0 {
			return r, errSpool
		}
		data = data[n:]
		if micro != 0 {
			*t = time.UnixMicro(micro).UTC()
		}
	}
	bad := false
	number := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			bad = true
			return 0
		}
		data = data[n:]
		return v
	}
	bytes := func() []byte {
		n := number()
		if n > uint64(len(data)) {
			bad = true
			return nil
		}
		s := data[:n]
		data = data[n:]
		return s
	}
	r.order = number()
	r.Source = int(number())
	for _, s := range [...]*string{&r.Resource.Group, &r.Resource.Version, &r.Resource.Resource, &r.Namespace, &r.Name, &r.UID, &r.ResourceVersion} {
		*s = string(bytes())
	}
	if object := bytes(); len(object) > 0 {
		r.Object = object
	}
	if request := bytes(); len(request) > 0 {
		r.Request = &Request{}
		if err := json.Unmarshal(request, r.Request); err != nil {
			return r, errSpool
		}
	}
	if bad {
		return r, errSpool
	}
	return r, nil
}

// newer reports whether one resourceVersion is greater than another of the same
// resource. What is no number is not comparable.
func newer(a, b string) bool {
	if !digits(a) || !digits(b) {
		return false
	}
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

func digits(s string) bool {
	return s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}
