// Package snapshot reads objects that somebody collected: kubectl get -o json or
// yaml, kubectl cluster-info dump, OpenShift must-gather, support bundles of
// Troubleshoot, archives of crust-gather, and streams of watch events.
package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/recorder/importer"
)

// Format reads dumps.
var Format = importer.Format{
	Name:  "snapshot",
	Title: "objects as JSON or YAML: kubectl get, cluster-info dump, must-gather, support bundle, crust-gather",
	Match: match,
	Read:  read,
}

func match(name string, head []byte) bool {
	if inGather.MatchString(name) {
		return true
	}
	switch ext := path.Ext(name); {
	case strings.HasSuffix(name, "-errors.json"):
		return true
	case ext == ".log" || ext == ".txt":
		return bytes.Contains(head, []byte("\n{")) && bytes.Contains(head, []byte(`"items"`)) // cluster-info dump on stdout
	}
	trimmed := bytes.TrimLeft(head, "\ufeff \t\r\n")
	if bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")) {
		return bytes.Contains(head, []byte(`"kind"`)) && bytes.Contains(head, []byte(`"apiVersion"`)) || bytes.Contains(head, []byte(`"items"`))
	}
	line := func(key string) bool {
		return bytes.HasPrefix(trimmed, []byte(key)) || bytes.Contains(head, []byte("\n"+key))
	}
	return line("apiVersion:") && (line("kind:") || line("items:"))
}

// mostHeld is how many bytes of a file that cannot be read twice are held.
const mostHeld = 256 << 20

// errLarge is returned for YAML that cannot be taken piece by piece.
var errLarge = errors.New("YAML documents of more than 64 MiB are not read: ask for JSON")

func read(in *importer.Input) error {
	if strings.HasSuffix(in.Path, "-errors.json") {
		return refusals(in)
	}
	if place := inGather.FindStringSubmatch(in.Path); place != nil {
		return gather(in, place)
	}
	// The time of the list is in its objects, so the file is read twice.
	var again io.Reader
	var first io.Reader = in.Body
	var held bytes.Buffer
	if in.Disk != "" {
		f, err := os.Open(in.Disk)
		if err != nil {
			return err
		}
		defer f.Close()
		again = f
	} else {
		n, err := io.Copy(&held, io.LimitReader(in.Body, mostHeld+1))
		if err != nil {
			return err
		}
		if n > mostHeld {
			return fmt.Errorf("a dump of more than %d MiB is not read from a pipe or an archive: unpack it", mostHeld>>20)
		}
		first, again = bytes.NewReader(held.Bytes()), bytes.NewReader(held.Bytes())
	}
	newest, err := newestTime(first)
	if err != nil {
		return err
	}
	d := &dump{in: in, out: in.Output(), at: taken(newest, in.Modified), namespaces: map[schema.GroupVersionResource]map[string]bool{}}
	if d.at.IsZero() {
		return errors.Join(errors.New("no object in it carries a time, so its instant is not known"), in.Close(d.out))
	}
	err = d.read(bufio.NewReaderSize(again, 64<<10))
	return errors.Join(err, in.Close(d.out))
}

// late is how long after the newest time in it a file may have been written and
// its time still be that of the list.
const late = 10 * time.Minute

// taken is when a list was read: when the file was written, if that fits what is
// in it, and otherwise the newest time that is.
func taken(newest, modified time.Time) time.Time {
	if !modified.IsZero() && (newest.IsZero() || !modified.Before(newest) && modified.Sub(newest) < late) {
		return modified.UTC()
	}
	return newest
}

// timed are the fields whose times lie in the past when the object is read.
var timed = [][]byte{
	[]byte("time"), []byte("renewTime"), []byte("lastTimestamp"), []byte("lastTransitionTime"), []byte("creationTimestamp"),
	[]byte("startedAt"), []byte("finishedAt"), []byte("lastHeartbeatTime"), []byte("lastUpdateTime"), []byte("eventTime"),
}

// newestTime returns the newest time in such a field of a text, JSON or YAML.
func newestTime(in io.Reader) (time.Time, error) {
	var newest time.Time
	lines := bufio.NewReaderSize(in, 256<<10)
	for {
		line, err := lines.ReadSlice('\n')
		for _, field := range timed {
			for rest := line; ; {
				i := bytes.Index(rest, field)
				if i < 0 {
					break
				}
				rest = rest[i+len(field):]
				if i > 0 && isWord(line[len(line)-len(rest)-len(field)-1]) {
					continue
				}
				value := bytes.TrimLeft(rest, "\"': ")
				if len(rest)-len(value) == 0 || len(value) < len("2006-01-02T15:04:05Z") {
					continue
				}
				end := bytes.IndexAny(value, "\"',\n ")
				if end < 0 || end > 40 {
					continue
				}
				if t, err := time.Parse(time.RFC3339Nano, string(value[:end])); err == nil && t.After(newest) {
					newest = t.UTC()
				}
			}
		}
		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return newest, nil
		default:
			return newest, err
		}
	}
}

func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_'
}

// refusals reads what a support bundle could not collect.
func refusals(in *importer.Input) error {
	text, err := io.ReadAll(io.LimitReader(in.Body, 1<<20))
	if err != nil {
		return err
	}
	out := in.Output()
	var errs []any
	if json.Unmarshal(text, &errs) != nil || len(errs) > 0 {
		out.Hole("the collector could not read " + strings.TrimSuffix(path.Base(in.Path), "-errors.json"))
	}
	return in.Close(out)
}

// dump is one file that is read.
type dump struct {
	in         *importer.Input
	out        *importer.Output
	at         time.Time
	namespaces map[schema.GroupVersionResource]map[string]bool
}

func (d *dump) read(body *bufio.Reader) error {
	head, _ := body.Peek(4 << 10)
	trimmed := bytes.TrimLeft(head, "\ufeff \t\r\n")
	if bytes.HasPrefix(trimmed, []byte("{")) || bytes.HasPrefix(trimmed, []byte("[")) || bytes.Contains(head, []byte("\n{")) && !bytes.Contains(head, []byte("\napiVersion:")) {
		return d.values(body)
	}
	return d.documents(body)
}

// values reads JSON values one after another, with whatever is between them.
func (d *dump) values(body *bufio.Reader) error {
	for {
		b, err := body.Peek(1)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if b[0] != '{' && b[0] != '[' {
			_, _ = body.ReadByte()
			continue
		}
		dec := json.NewDecoder(body)
		if err := d.value(dec); err != nil {
			return err
		}
		body = bufio.NewReaderSize(io.MultiReader(dec.Buffered(), body), 64<<10)
	}
}

// value reads one JSON value: an object, a list, an array of objects. A list is
// taken item by item.
func (d *dump) value(dec *json.Decoder) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if token == json.Delim('[') {
		for dec.More() {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			d.one(raw, "", "")
		}
		_, err := dec.Token()
		return err
	}
	if token != json.Delim('{') {
		return nil
	}
	members := map[string]json.RawMessage{}
	var waiting []json.RawMessage // items whose kind is said later
	items, isList, size := 0, false, 0
	kind := func(name string) string {
		var s string
		_ = json.Unmarshal(members[name], &s)
		return s
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if key != "items" {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			members[key] = raw
			continue
		}
		open, err := dec.Token()
		if err != nil {
			return err
		}
		if open == nil {
			isList = true
			continue
		}
		if open != json.Delim('[') {
			return errors.New("items is not a list")
		}
		isList = true
		for dec.More() {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			items++
			if !d.one(raw, kind("kind"), kind("apiVersion")) {
				if size += len(raw); size > 64<<20 {
					d.out.Hole("objects without a kind")
					continue
				}
				waiting = append(waiting, raw)
			}
		}
		if _, err := dec.Token(); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if !isList {
		object, err := json.Marshal(members)
		if err != nil {
			return err
		}
		d.one(object, "", "")
		return nil
	}
	named, version := kind("kind"), kind("apiVersion")
	if k, v := fromPath(d.in.Path); named == "" || named == "List" {
		if len(waiting) > 0 || items == 0 {
			named, version = k, v
		}
	}
	for _, raw := range waiting {
		if !d.one(raw, named, version) {
			d.out.Hole("objects without a kind")
		}
	}
	d.complete(items, named, version)
	return nil
}

// complete sends the ends of the lists of a file.
func (d *dump) complete(items int, kind, version string) {
	if items == 0 {
		kind = strings.TrimSuffix(kind, "List")
		if kind == "" {
			return
		}
		gvr := resourceOf(kind, version)
		if ns, known := namespaceFromPath(d.in.Path); known {
			d.out.Record(importer.Record{Kind: importer.ListDone, Time: d.at, Resource: gvr, Namespace: ns})
		}
		return
	}
	for gvr, namespaces := range d.namespaces {
		scope := ""
		if ns, known := namespaceFromPath(d.in.Path); known && len(namespaces) == 1 && namespaces[ns] {
			scope = ns
		} else if len(namespaces) == 1 {
			for ns := range namespaces { // of one namespace only, perhaps because only it was asked for
				scope = ns
			}
		}
		d.out.Record(importer.Record{Kind: importer.ListDone, Time: d.at, Resource: gvr, Namespace: scope})
	}
	clear(d.namespaces)
}

// one sends one object, a watch event, or the objects of a list in a list; false
// if its kind is not known.
func (d *dump) one(raw []byte, listKind, listVersion string) bool {
	var o struct {
		Kind, APIVersion string
		Metadata         struct {
			Name, Namespace, UID, ResourceVersion string
		}
		Type   string
		Object json.RawMessage
		Items  []json.RawMessage
	}
	if json.Unmarshal(raw, &o) != nil {
		d.out.Hole("an object that is no JSON")
		return true
	}
	if len(o.Object) > 0 && (o.Type == "ADDED" || o.Type == "MODIFIED" || o.Type == "DELETED") {
		d.event(o.Type, o.Object)
		return true
	}
	if o.Items != nil {
		for _, item := range o.Items {
			if !d.one(item, o.Kind, o.APIVersion) {
				d.out.Hole("objects without a kind")
			}
		}
		d.complete(len(o.Items), o.Kind, o.APIVersion)
		return true
	}
	if o.Kind == "" {
		o.Kind, o.APIVersion = strings.TrimSuffix(listKind, "List"), listVersion
		if o.Kind == "" {
			return false
		}
		raw = withKind(raw, o.Kind, o.APIVersion)
	}
	if o.Metadata.Name == "" {
		return true // a kubeconfig, a policy
	}
	gvr := resourceOf(o.Kind, o.APIVersion)
	if d.namespaces[gvr] == nil {
		d.namespaces[gvr] = map[string]bool{}
	}
	d.namespaces[gvr][o.Metadata.Namespace] = true
	d.out.Record(importer.Record{
		Kind: importer.Listed, Time: d.at, Resource: gvr, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
		UID: o.Metadata.UID, ResourceVersion: o.Metadata.ResourceVersion, Object: raw,
	})
	return true
}

// event sends a watch event. Its time is the newest that the object carries.
func (d *dump) event(kind string, raw []byte) {
	var o struct {
		Kind, APIVersion string
		Metadata         struct {
			Name, Namespace, UID, ResourceVersion string
		}
	}
	if json.Unmarshal(raw, &o) != nil || o.Kind == "" || o.Metadata.Name == "" {
		d.out.Hole("a watch event without an object")
		return
	}
	at, _ := newestTime(bytes.NewReader(append(raw, '\n')))
	if at.IsZero() {
		at = d.at
	}
	r := importer.Record{
		Kind: importer.Written, Time: at, Resource: resourceOf(o.Kind, o.APIVersion), Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
		UID: o.Metadata.UID, ResourceVersion: o.Metadata.ResourceVersion, Object: raw,
	}
	if kind == "DELETED" {
		r.Kind = importer.Removed
	}
	d.out.Record(r)
}

func withKind(raw []byte, kind, version string) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return raw
	}
	members["kind"], _ = json.Marshal(kind)
	members["apiVersion"], _ = json.Marshal(version)
	object, err := json.Marshal(members)
	if err != nil {
		return raw
	}
	return object
}

// documents reads YAML documents.
func (d *dump) documents(body *bufio.Reader) error {
	var document bytes.Buffer
	flush := func() error {
		text := document.Bytes()
		defer document.Reset()
		if len(bytes.TrimSpace(text)) == 0 {
			return nil
		}
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			d.out.Hole("a document that is no YAML")
			return nil
		}
		if bytes.Equal(bytes.TrimSpace(object), []byte("null")) {
			return nil
		}
		dec := json.NewDecoder(bytes.NewReader(object))
		return d.value(dec)
	}
	for {
		line, err := body.ReadBytes('\n')
		if bytes.Equal(bytes.TrimRight(line, "\r\n "), []byte("---")) {
			if err := flush(); err != nil {
				return err
			}
		} else if document.Write(line); document.Len() > 64<<20 {
			return errLarge
		}
		if errors.Is(err, io.EOF) {
			return flush()
		}
		if err != nil {
			return err
		}
	}
}

// resourceOf returns the resource of a kind, by the rule that all built-in kinds
// follow.
func resourceOf(kind, version string) schema.GroupVersionResource {
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		gv = schema.GroupVersion{Version: "v1"}
	}
	plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(kind))
	if strings.HasSuffix(kind, "way") { // Gateway
		plural.Resource = strings.ToLower(kind) + "s"
	}
	return plural
}
