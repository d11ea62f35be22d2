package etcd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store/kinds"
)

var errProtobuf = errors.New("values that are no protocol buffers")

// field is one field of a protocol buffer: a number, or bytes.
type field struct {
	number uint64
	value  uint64
	bytes  []byte
}

// next takes a field from the front of a message
// (https://protobuf.dev/programming-guides/encoding). Groups are not known.
func next(b []byte) (f field, rest []byte, err error) {
	tag, n := binary.Uvarint(b)
	if n <= 0 {
		return f, nil, errProtobuf
	}
	b, f.number = b[n:], tag>>3
	switch tag & 7 {
	case 0:
		if f.value, n = binary.Uvarint(b); n <= 0 {
			return f, nil, errProtobuf
		}
		return f, b[n:], nil
	case 1, 5:
		size := 8
		if tag&7 == 5 {
			size = 4
		}
		if len(b) < size {
			return f, nil, errProtobuf
		}
		return f, b[size:], nil
	case 2:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return f, nil, errProtobuf
		}
		f.bytes = b[n : n+int(size)]
		return f, b[n+int(size):], nil
	}
	return f, nil, errProtobuf
}

// fields calls take with each field of a message.
func fields(b []byte, take func(f *field) error) error {
	for len(b) > 0 {
		f, rest, err := next(b)
		if err == nil {
			err = take(&f)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// keyValue is an mvccpb.KeyValue of etcd.
type keyValue struct {
	key, value   []byte
	mod, version uint64
}

func parseKeyValue(b []byte) (keyValue, error) {
	var kv keyValue
	err := fields(b, func(f *field) error {
		switch f.number {
		case 1:
			kv.key = f.bytes
		case 3:
			kv.mod = f.value
		case 4:
			kv.version = f.value
		case 5:
			kv.value = f.bytes
		}
		return nil
	})
	return kv, err
}

// identity is what an object says of itself.
type identity struct {
	apiVersion, kind     string
	name, namespace, uid string
	at                   time.Time // the newest write that it tells of
	custom               bool
}

// resource returns the resource of the object, whose custom kinds are named in the
// key.
func (id *identity) resource(at string) schema.GroupVersionResource {
	gv, err := schema.ParseGroupVersion(id.apiVersion)
	if err != nil {
		gv = schema.GroupVersion{Version: "v1"}
	}
	if id.custom {
		return gv.WithResource(path.Base(at))
	}
	if k, ok := kinds.ByName(id.kind); ok && k.Resource.Group == gv.Group {
		return gv.WithResource(k.Resource.Resource)
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(id.kind))
	return plural
}

func (id *identity) version() string {
	gv, err := schema.ParseGroupVersion(id.apiVersion)
	if err != nil {
		return "v1"
	}
	return gv.Version
}

// yearTenThousand is the first time that RFC 3339 has no words for.
const yearTenThousand = 253402300800

// latest notes a time, in seconds since 1970, if it is newer.
func (id *identity) latest(seconds int64) {
	if t := time.Unix(seconds, 0).UTC(); seconds > 0 && seconds < yearTenThousand && t.After(id.at) {
		id.at = t
	}
}

var (
	protobufPrefix  = []byte("k8s\x00")        // protobufEncodingPrefix of k8s.io/apimachinery/pkg/runtime/serializer/protobuf
	encryptedPrefix = []byte("k8s:enc:")       // of k8s.io/apiserver/pkg/storage/value/encrypt
	cborPrefix      = []byte{0xd9, 0xd9, 0xf7} // tag 55799
)

// errors of values that are not read.
var (
	errEncrypted = errors.New("objects that are encrypted at rest")
	errCBOR      = errors.New("objects that are stored as CBOR")
	errNoObject  = errors.New("values that are no objects of Kubernetes")
)

// unknown is a runtime.Unknown of Kubernetes: a kind, and the object.
type unknown struct {
	apiVersion, kind string
	raw              []byte
}

func parseUnknown(value []byte) (unknown, error) {
	var u unknown
	err := fields(value[len(protobufPrefix):], func(f *field) error {
		switch f.number {
		case 1:
			return fields(f.bytes, func(f *field) error {
				switch f.number {
				case 1:
					u.apiVersion = string(f.bytes)
				case 2:
					u.kind = string(f.bytes)
				}
				return nil
			})
		case 2:
			u.raw = f.bytes
		case 3:
			if len(f.bytes) > 0 {
				return errNoObject // compressed
			}
		}
		return nil
	})
	return u, err
}

// identify reads what a value says of itself, without the rest.
func identify(value []byte) (identity, error) {
	switch {
	case bytes.HasPrefix(value, encryptedPrefix):
		return identity{}, errEncrypted
	case bytes.HasPrefix(value, cborPrefix):
		return identity{}, errCBOR
	case bytes.HasPrefix(value, []byte("{")):
		return identifyJSON(value)
	case !bytes.HasPrefix(value, protobufPrefix):
		return identity{}, errNoObject
	}
	u, err := parseUnknown(value)
	if err != nil {
		return identity{}, err
	}
	id := identity{apiVersion: u.apiVersion, kind: u.kind}
	err = fields(u.raw, func(f *field) error {
		if f.number != 1 { // metadata is the first of every kind
			return nil
		}
		return fields(f.bytes, id.metadata)
	})
	return id, err
}

// metadata takes a field of an ObjectMeta.
func (id *identity) metadata(f *field) error {
	switch f.number {
	case 1:
		id.name = string(f.bytes)
	case 3:
		id.namespace = string(f.bytes)
	case 5:
		id.uid = string(f.bytes)
	case 8: // creationTimestamp
		return fields(f.bytes, id.seconds)
	case 17: // managedFields
		return fields(f.bytes, func(f *field) error {
			if f.number != 4 {
				return nil
			}
			return fields(f.bytes, id.seconds)
		})
	}
	return nil
}

// seconds takes a field of a Time.
func (id *identity) seconds(f *field) error {
	if f.number == 1 {
		id.latest(int64(f.value))
	}
	return nil
}

func identifyJSON(value []byte) (identity, error) {
	var o struct {
		APIVersion, Kind string
		Metadata         struct {
			Name, Namespace, UID string
			CreationTimestamp    time.Time
			ManagedFields        []struct{ Time time.Time }
		}
	}
	if err := json.Unmarshal(value, &o); err != nil {
		return identity{}, errNoObject
	}
	id := identity{apiVersion: o.APIVersion, kind: o.Kind, name: o.Metadata.Name, namespace: o.Metadata.Namespace, uid: o.Metadata.UID, custom: true}
	id.latest(o.Metadata.CreationTimestamp.Unix())
	for _, m := range o.Metadata.ManagedFields {
		id.latest(m.Time.Unix())
	}
	return id, nil
}

// decode returns the object as the API server gives it: as JSON, with the revision
// as its resourceVersion.
func decode(value []byte, mod uint64) ([]byte, error) {
	version := strconv.FormatUint(mod, 10)
	if bytes.HasPrefix(value, []byte("{")) {
		var members, metadata map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil || json.Unmarshal(members["metadata"], &metadata) != nil || metadata == nil {
			return nil, errNoObject
		}
		metadata["resourceVersion"] = strconv.AppendQuote(nil, version)
		var err error
		if members["metadata"], err = json.Marshal(metadata); err != nil {
			return nil, errNoObject
		}
		return json.Marshal(members)
	}
	u, err := parseUnknown(value)
	if err != nil {
		return nil, err
	}
	gvk := schema.FromAPIVersionAndKind(u.apiVersion, u.kind)
	object, err := scheme().New(gvk)
	if err != nil {
		return nil, fmt.Errorf("objects of a kind that is not known: %s", gvk.GroupKind())
	}
	message, ok := object.(interface{ Unmarshal([]byte) error })
	if !ok || message.Unmarshal(u.raw) != nil {
		return nil, errProtobuf
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, errNoObject
	}
	accessor.SetResourceVersion(version)
	object.GetObjectKind().SetGroupVersionKind(gvk)
	return json.Marshal(object)
}
