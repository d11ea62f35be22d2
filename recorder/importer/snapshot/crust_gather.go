package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/recorder/importer"
)

// inGather matches the files of crust-gather (src/gather/representation.rs there):
// namespaces/shop/apps-v1/deployment/web.yaml, cluster/v1/node/n1.yaml. NAME.patch has what
// its watch was told afterwards: a JSON patch a line, in the order in which it came.
var inGather = regexp.MustCompile(`^(?:(.*)/)?(?:cluster|namespaces/[^/]+)/(?:[a-z0-9.]+-)?v[0-9]+(?:(?:alpha|beta)[0-9]+)?/[a-z0-9]+/[^/]+\.(yaml|patch)$`)

// gathered is an archive of crust-gather: what it says of an object stands in two files,
// and when objects without patches were read follows from all of them.
type gathered struct {
	files map[string]*gatheredFile // by path without its ending
	held  int
	over  int // files that were not held
}

type gatheredFile struct{ base, patches content }

// content is a file: where it lies, or what was in it.
type content struct {
	disk string
	text []byte
}

// mostFile is the longest file that is taken: the patches of one object.
const mostFile = 64 << 20

func init() { jsonpatch.AccumulatedCopySizeLimit = mostFile }

func gather(in *importer.Input, place []string) error {
	g := in.Collection("crust-gather "+path.Base("/"+place[1]), func() importer.Collection { return &gathered{files: map[string]*gatheredFile{}} }).(*gathered)
	end := path.Ext(in.Path)
	name := strings.TrimSuffix(in.Path, end)
	f := g.files[name]
	if f == nil {
		f = &gatheredFile{}
		g.files[name] = f
	}
	c := content{disk: in.Disk}
	if in.Disk == "" {
		var err error
		if c.text, err = io.ReadAll(io.LimitReader(in.Body, mostFile+1)); err != nil {
			return err
		}
		if len(c.text) > mostFile {
			return errLarge
		}
		if g.held += len(c.text); g.held > mostHeld {
			g.over++
			return nil
		}
	}
	if end == ".patch" {
		f.patches = c
	} else {
		f.base = c
	}
	return nil
}

func (c *content) read() ([]byte, error) {
	if c.disk == "" {
		return c.text, nil
	}
	in, err := os.Open(c.disk)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, mostFile+1))
	if err == nil && len(text) > mostFile {
		err = errLarge
	}
	return text, err
}

// Finish sends the objects: those with patches as they changed, the others as of the
// newest time in any of them.
func (g *gathered) Finish(out *importer.Output) {
	if g.over > 0 {
		out.Hole("more than 256 MiB of objects are not read from a pipe or an archive: unpack it")
	}
	names := slices.Sorted(maps.Keys(g.files))
	var newest time.Time
	for _, name := range names {
		text, err := g.files[name].base.read()
		if err != nil {
			continue // it is told below
		}
		if at, _ := newestTime(bytes.NewReader(append(text, '\n'))); at.After(newest) {
			newest = at
		}
	}
	for _, name := range names {
		if err := g.files[name].send(out, newest); err != nil {
			out.Hole(path.Base(name) + ": " + err.Error())
		}
	}
}

func (f *gatheredFile) send(out *importer.Output, newest time.Time) error {
	text, err := f.base.read()
	if err != nil {
		return err
	}
	object, err := yaml.YAMLToJSON(text)
	if err != nil {
		return errors.New("it is no YAML")
	}
	patches, err := f.patches.read()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(patches)) == 0 {
		return sendVersion(out, importer.Record{Kind: importer.Listed, Time: newest, Source: 1 << 33}, object)
	}
	for line := range bytes.Lines(patches) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			return errors.New("its last patch is cut off")
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		patch, err := jsonpatch.DecodePatch(line)
		if err == nil {
			object, err = patch.Apply(object)
		}
		if err != nil {
			return errors.New("a patch does not fit what was there before")
		}
		if len(object) > mostFile {
			return errLarge
		}
		if err := sendVersion(out, importer.Record{Kind: importer.Written}, object); err != nil {
			return err
		}
	}
	return nil
}

// The annotations by which crust-gather says when its watch was told of a version, one of
// them in each (src/scanners/interface.rs there).
var gatherAnnotations = map[string]importer.Kind{
	"crust-gather.io/added": importer.Written, "crust-gather.io/updated": importer.Written, "crust-gather.io/deleted": importer.Removed,
}

// gatherTime is how Rust's chrono prints an instant.
const gatherTime = "2006-01-02 15:04:05.999999999 MST"

// sendVersion sends a version of an object, without what crust-gather has noted in it.
func sendVersion(out *importer.Output, r importer.Record, object []byte) error {
	var o map[string]json.RawMessage
	var kind, version string
	metadata := map[string]json.RawMessage{}
	var names struct {
		Name, Namespace, UID, ResourceVersion string
		Annotations                           map[string]string
	}
	if err := errors.Join(json.Unmarshal(object, &o), json.Unmarshal(o["metadata"], &metadata), json.Unmarshal(o["metadata"], &names),
		json.Unmarshal(o["kind"], &kind), json.Unmarshal(o["apiVersion"], &version)); err != nil || names.Name == "" {
		return errors.New("it is no object of Kubernetes")
	}
	for annotation, what := range gatherAnnotations {
		text, noted := names.Annotations[annotation]
		if !noted {
			continue
		}
		delete(names.Annotations, annotation)
		at, err := time.Parse(gatherTime, text)
		if err != nil {
			return errors.New("when it was told is not readable")
		}
		if r.Kind != importer.Listed && at.After(r.Time) {
			r.Kind, r.Time = what, at.UTC()
		}
	}
	if r.Time.IsZero() {
		return errors.New("when it was told is not said")
	}
	delete(metadata, "annotations")
	var err, err2 error
	if len(names.Annotations) > 0 {
		metadata["annotations"], err = json.Marshal(names.Annotations)
	}
	o["metadata"], err2 = json.Marshal(metadata)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if r.Object, err = json.Marshal(o); err != nil {
		return err
	}
	r.Resource, r.Namespace, r.Name, r.UID, r.ResourceVersion = resourceOf(kind, version), names.Namespace, names.Name, names.UID, names.ResourceVersion
	out.Record(r)
	return nil
}
