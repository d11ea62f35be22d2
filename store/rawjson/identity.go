package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Identity is what the indexes need of an object's JSON.
type Identity struct {
	Namespace, Name string
	UID             types.UID
	ResourceVersion string
	Labels          []label
	Owners          []types.UID // metadata.ownerReferences[].uid
	Involved        types.UID   // involvedObject.uid of a v1 Event, regarding.uid of an events.k8s.io Event
	ListEnd         bool        // annotated k8s.io/initial-events-end
}

type label struct{ Key, Value string }

var (
	errJSON  = errors.New("malformed JSON")
	errFound = errors.New("found") // ends a scan early
)

// Identify reads the identity from the JSON of an object of the resource, in one
// pass, without decoding the rest and without looking further than it needs.
// What it found before an error is kept: an object the server sent is recorded
// whether we understand it or not.
func Identify(resource schema.GroupVersionResource, raw []byte) (Identity, error) {
	var id Identity
	about := resource.Resource == "events" && (resource.Group == "" || resource.Group == "events.k8s.io")
	s := scanner{data: raw}
	err := s.object(func(key []byte) error {
		switch {
		case string(key) == "metadata":
			if err := s.metadata(&id); err != nil || about {
				return err
			}
			return errFound
		case about && (string(key) == "involvedObject" || string(key) == "regarding"):
			return s.object(func(key []byte) error {
				if string(key) == "uid" {
					uid, err := s.text()
					id.Involved = types.UID(uid)
					return err
				}
				return s.skip()
			})
		}
		return s.skip()
	})
	if err == errFound {
		err = nil
	}
	return id, err
}

// scanner walks JSON. It checks no more of the grammar than it needs to find
// its way.
type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) metadata(id *Identity) error {
	return s.object(func(key []byte) (err error) {
		switch string(key) {
		case "namespace":
			id.Namespace, err = s.text()
		case "name":
			id.Name, err = s.text()
		case "uid":
			var uid string
			uid, err = s.text()
			id.UID = types.UID(uid)
		case "resourceVersion":
			id.ResourceVersion, err = s.text()
		case "labels":
			err = s.object(func(key []byte) error {
				name := string(key)
				value, err := s.text()
				id.Labels = append(id.Labels, label{name, value})
				return err
			})
		case "annotations":
			err = s.object(func(key []byte) error {
				if string(key) != metav1.InitialEventsAnnotationKey {
					return s.skip()
				}
				value, err := s.text()
				id.ListEnd = value == "true"
				return err
			})
		case "ownerReferences":
			err = s.array(func() error {
				return s.object(func(key []byte) error {
					if string(key) != "uid" {
						return s.skip()
					}
					uid, err := s.text()
					id.Owners = append(id.Owners, types.UID(uid))
					return err
				})
			})
		default:
			err = s.skip()
		}
		return err
	})
}

// peek returns the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// object calls field for every key of the object at the cursor, with the cursor
// on the value. Anything that is not an object (null) is skipped.
func (s *scanner) object(field func(key []byte) error) error {
	if s.peek() != '{' {
		return s.skip()
	}
	s.pos++
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		key, err := s.bytes()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return errJSON
		}
		s.pos++
		if err := field(key); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return errJSON
		}
	}
}

// array calls item for every element of the array at the cursor.
func (s *scanner) array(item func() error) error {
	if s.peek() != '[' {
		return s.skip()
	}
	s.pos++
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return errJSON
		}
	}
}

// text reads a string; any other value is skipped and reads as "".
func (s *scanner) text() (string, error) {
	if s.peek() != '"' {
		return "", s.skip()
	}
	b, err := s.bytes()
	return string(b), err
}

// bytes reads a string; the result may alias the input.
func (s *scanner) bytes() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errJSON
	}
	start := s.pos
	if err := s.skipString(); err != nil {
		return nil, err
	}
	quoted := s.data[start:s.pos]
	plain := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(plain, '\\') < 0 {
		return plain, nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, errJSON
	}
	return []byte(text), nil
}

func (s *scanner) skipString() error {
	from := s.pos + 1
	for {
		n := bytes.IndexByte(s.data[from:], '"')
		if n < 0 {
			return errJSON
		}
		from += n + 1
		// An odd number of backslashes before the quote escapes it.
		slashes := 0
		for i := from - 2; i > s.pos && s.data[i] == '\\'; i-- {
			slashes++
		}
		if slashes%2 == 0 {
			s.pos = from
			return nil
		}
	}
}

// skip moves behind the value at the cursor. Most of an object is skipped, so
// this looks at strings and brackets only; what is malformed within a skipped
// value goes unnoticed.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case 0, ',', ':', '}', ']':
		return errJSON
	case '"':
		return s.skipString()
	case '{', '[':
		return s.skipNested()
	}
	for s.pos < len(s.data) && !delimiter[s.data[s.pos]] {
		s.pos++
	}
	return nil
}

// skipNested moves behind the object or array at the cursor.
func (s *scanner) skipNested() error {
	depth := 0
	data, i := s.data, s.pos
	for i < len(data) {
		switch data[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.pos = i + 1
				return nil
			}
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		}
		i++
	}
	return errJSON
}

// delimiter marks the bytes that end a number or a word.
var delimiter = [256]bool{',': true, ':': true, '}': true, ']': true, '{': true, '[': true, '"': true, ' ': true, '\t': true, '\n': true, '\r': true}
