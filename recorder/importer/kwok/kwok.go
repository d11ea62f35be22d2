// Package kwok reads recordings of kwokctl snapshot record: the objects of a cluster, and
// after them a ResourcePatch for each change
// (pkg/apis/action/v1alpha1/resource_patch_types.go in kwok).
package kwok

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/etcd"
	"github.com/svcspy/svcspy/store/kinds"
)

// Format reads recordings of kwok.
var Format = importer.Format{
	Name:  "kwok",
	Title: "recordings of kwokctl snapshot record",
	Match: match,
	Read:  read,
}

// offset is how a recording writes instants: from its own beginning
// (pkg/kwokctl/recording/time.go in kwok).
var offset = regexp.MustCompile(`\$\(time-offset-nanosecond (-?[0-9]+)\)`)

func match(_ string, head []byte) bool {
	return offset.Match(head) || bytes.Contains(head, []byte("action.kwok.x-k8s.io/"))
}

const (
	mostDocument = 64 << 20
	mostHeld     = 256 << 20            // of objects as they are
	longest      = 366 * 24 * time.Hour // of a recording
)

// patch is a ResourcePatch.
type patch struct {
	Kind     string
	Resource schema.GroupVersionResource
	Target   struct{ Name, Namespace string }
	After    time.Duration `json:"durationNanosecond"`
	Method   string        // create, patch or delete
	Template json.RawMessage
}

// recording is one that is read.
type recording struct {
	out     *importer.Output
	base    time.Time
	objects map[key][]byte // as they are now
	held    int
}

type key struct {
	resource        schema.GroupResource
	namespace, name string
}

func read(in *importer.Input) error {
	if in.Disk == "" || in.Modified.IsZero() {
		return errors.New("when a recording of kwok ended only its file says: unpack it, and do not pipe it")
	}
	first, err := os.Open(in.Disk)
	if err != nil {
		return err
	}
	defer first.Close()
	length, fraction, err := survey(first)
	if err != nil {
		return err
	}
	// The file was written last when it ended. Times that Kubernetes keeps to the second
	// tell what is left of the second in which it began.
	base := in.Modified.UTC().Add(-length).Truncate(time.Second).Add(fraction)
	r := &recording{out: in.Output(), base: base, objects: map[key][]byte{}}
	err = documents(in.Body, r.document)
	return errors.Join(err, in.Close(r.out))
}

// survey returns how long a recording is, and which part of a second makes the first
// creationTimestamp a whole one.
func survey(file io.Reader) (length, fraction time.Duration, err error) {
	lines, found := bufio.NewReaderSize(file, 1<<20), false
	for {
		line, err := lines.ReadSlice('\n')
		line = bytes.TrimSpace(line)
		if value, ok := bytes.CutPrefix(line, []byte("durationNanosecond: ")); ok {
			if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && time.Duration(n) > length {
				length = time.Duration(n)
			}
		}
		if !found && bytes.HasPrefix(line, []byte("creationTimestamp: ")) {
			if m := offset.FindSubmatch(line); m != nil {
				if n, err := strconv.ParseInt(string(m[1]), 10, 64); err == nil {
					fraction, found = (time.Second-time.Duration(n)%time.Second)%time.Second, true
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if length > longest {
				return 0, 0, errors.New("it claims to be longer than a year")
			}
			return length, fraction, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return 0, 0, err
		}
	}
}

// documents calls back with each YAML document.
func documents(body *bufio.Reader, each func(text []byte) error) error {
	var document bytes.Buffer
	for {
		line, err := body.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		end := errors.Is(err, io.EOF)
		if separator := bytes.Equal(bytes.TrimRight(line, "\r\n "), []byte("---")); !separator {
			if document.Write(line); document.Len() > mostDocument {
				return errors.New("a document of more than 64 MiB")
			}
			if !end {
				continue
			}
		}
		if len(bytes.TrimSpace(document.Bytes())) > 0 {
			if err := each(document.Bytes()); err != nil {
				return err
			}
		}
		document.Reset()
		if end {
			return nil
		}
	}
}

func (r *recording) document(text []byte) error {
	if r.out.Err() != nil {
		return r.out.Err()
	}
	text = offset.ReplaceAllFunc(text, func(found []byte) []byte {
		n, err := strconv.ParseInt(string(offset.FindSubmatch(found)[1]), 10, 64)
		if err != nil {
			return found
		}
		return []byte(r.base.Add(time.Duration(n)).Format("2006-01-02T15:04:05.999999Z07:00"))
	})
	object, err := yaml.YAMLToJSON(text)
	if err != nil {
		r.out.Hole("a document that is no YAML")
		return nil
	}
	var p patch
	if err := json.Unmarshal(object, &p); err != nil || p.Kind == "" {
		r.out.Hole("a document that is neither an object nor a patch")
		return nil
	}
	if p.Kind != "ResourcePatch" {
		return r.write(r.base, object)
	}
	if p.After < 0 || p.After > longest {
		r.out.Hole("a patch at no time of the recording")
		return nil
	}
	at := r.base.Add(p.After)
	k := key{plural(p.Resource.GroupResource()), p.Target.Namespace, p.Target.Name}
	switch p.Method {
	case "create":
		return r.write(at, p.Template)
	case "delete":
		var was struct{ Metadata struct{ UID string } }
		_ = json.Unmarshal(r.objects[k], &was) // of what was not seen the UID is not known
		r.out.Record(importer.Record{
			Kind: importer.Removed, Time: at, Resource: k.resource.WithVersion(p.Resource.Version), Namespace: k.namespace, Name: k.name,
			UID: was.Metadata.UID, Object: r.objects[k],
		})
		r.held -= len(r.objects[k])
		delete(r.objects, k)
		return nil
	case "patch":
		if after, err := apply(r.objects[k], p.Template); err == nil {
			return r.write(at, after)
		}
		r.out.Hole("a patch to an object that is not known")
		r.out.Record(importer.Record{
			Kind: importer.Unseen, Time: at, Resource: k.resource.WithVersion(p.Resource.Version), Namespace: k.namespace, Name: k.name,
		})
		return nil
	}
	r.out.Hole(fmt.Sprintf("a patch by the method %.20q", p.Method))
	return nil
}

// write sends a version of an object, and keeps it.
func (r *recording) write(at time.Time, object []byte) error {
	var o struct {
		APIVersion, Kind string
		Metadata         struct{ Name, Namespace, UID string }
	}
	if err := json.Unmarshal(object, &o); err != nil || o.Kind == "" || o.Metadata.Name == "" {
		r.out.Hole("an object without a kind or a name")
		return nil
	}
	resource, _ := kinds.Of(o.APIVersion, o.Kind)
	k := key{resource.GroupResource(), o.Metadata.Namespace, o.Metadata.Name}
	kind := importer.Written
	if at != r.base && r.objects[k] == nil {
		kind = importer.Created
	}
	if r.held += len(object) - len(r.objects[k]); r.held > mostHeld {
		return errors.New("more than 256 MiB of objects at once")
	}
	r.objects[k] = object
	r.out.Record(importer.Record{
		Kind: kind, Time: at, Resource: resource, Namespace: k.namespace, Name: k.name, UID: o.Metadata.UID, Object: object,
	})
	return nil
}

// plural corrects resources that kwok has named by adding an s to the kind.
func plural(r schema.GroupResource) schema.GroupResource {
	for i := range kinds.All {
		if k := &kinds.All[i]; k.Resource.Group == r.Group && strings.ToLower(k.Name)+"s" == r.Resource {
			return k.Resource.GroupResource()
		}
	}
	return r
}

// apply applies a patch to an object by its kind.
func apply(object, text []byte) ([]byte, error) {
	before, err := decode(object)
	if err != nil {
		return nil, err
	}
	change, err := decode(text)
	if err != nil {
		return nil, err
	}
	var t reflect.Type
	version, _ := before["apiVersion"].(string)
	kind, _ := before["kind"].(string)
	if typed, err := etcd.New(schema.FromAPIVersionAndKind(version, kind)); err == nil {
		t = reflect.TypeOf(typed)
	}
	return json.Marshal(merge(before, change, t))
}

// decode decodes an object; numbers stay as they are written.
func decode(text []byte) (object map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&object); err == nil && object == nil {
		err = errors.New("it is no object")
	}
	return object, err
}
