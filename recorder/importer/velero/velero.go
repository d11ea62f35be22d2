// Package velero reads backups of Velero: the archive with the objects, and the Backup that
// says what is in it.
//
// An archive has a file for each object (pkg/archive/parser.go in Velero), whose time is
// when it was written (pkg/backup/item_backupper.go), to the second: just after the object
// was read. That something is not in it proves something only if the Backup is there, too, was completed,
// and included it.
package velero

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/store/kinds"
)

// Format reads backups.
var Format = importer.Format{
	Name:  "velero",
	Title: "backups of Velero: NAME.tar.gz, with velero-backup.json beside it",
	Match: match,
	Read:  read,
}

// inArchive matches resources/deployments.apps/namespaces/shop/web.json and
// resources/nodes/cluster/n1.json. Between resource and scope there may be a version; the
// preferred one is the same as the file without.
var inArchive = regexp.MustCompile(`^(?:(.*)/)?resources/([^/]+)/(?:([^/]+)/)?(?:cluster|namespaces/[^/]+)/[^/]+\.json$`)

func match(name string, head []byte) bool {
	return inArchive.MatchString(name) || bytes.Contains(head, []byte(`"velero.io/v1"`)) && isBackup(head)
}

var kindBackup = regexp.MustCompile(`"kind"\s*:\s*"Backup"`)

func isBackup(head []byte) bool { return kindBackup.Match(head) }

// mostRead is the largest file that is taken: etcd takes objects of 1.5 MiB.
const mostRead = 16 << 20

var errLarge = errors.New("it is larger than 16 MiB")

func read(in *importer.Input) error {
	text, err := io.ReadAll(io.LimitReader(in.Body, mostRead+1))
	switch {
	case err != nil:
		return err
	case len(text) > mostRead:
		return errLarge
	}
	place := inArchive.FindStringSubmatch(in.Path)
	if place == nil {
		b := Backup{}
		if err := json.Unmarshal(text, &b); err != nil {
			return err
		}
		of(in, b.Metadata.Name).backup = &b
		return nil
	}
	name := path.Base(place[1])
	for _, end := range []string{".tar", ".tgz", "-data"} { // as `velero backup download` names it
		name = strings.TrimSuffix(name, end)
	}
	a := of(in, name)
	if in.Disk != "" {
		a.unpacked++
		return nil
	}
	if place[3] != "" {
		return nil // the same in another version
	}
	return a.take(in, schema.ParseGroupResource(place[2]), text)
}

// archive is a backup: what was read of it, and the Backup if that was among the sources.
type archive struct {
	name     string
	source   int
	backup   *Backup
	unpacked int // files whose times are not known
	objects  int
	last     time.Time
	kinds    map[schema.GroupResource]string // their versions
	spaces   map[string]bool
}

func of(in *importer.Input, name string) *archive {
	return in.Collection("backup "+name, func() importer.Collection {
		h := fnv.New32a()
		h.Write([]byte(name))
		return &archive{name: name, source: 1<<32 + int(h.Sum32()), kinds: map[schema.GroupResource]string{}, spaces: map[string]bool{}}
	}).(*archive)
}

// take sends one object.
func (a *archive) take(in *importer.Input, resource schema.GroupResource, text []byte) error {
	var o struct {
		APIVersion string
		Metadata   struct {
			Name, Namespace, UID, ResourceVersion string
		}
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil || gv.Version == "" || o.Metadata.Name == "" {
		return errors.New("it is no object of Kubernetes")
	}
	at := in.Modified.UTC()
	if at.Year() < 2000 {
		return errors.New("the archive does not say when it was read")
	}
	a.objects++
	a.kinds[resource] = gv.Version
	if o.Metadata.Namespace != "" {
		a.spaces[o.Metadata.Namespace] = true
	}
	if at.After(a.last) {
		a.last = at
	}
	out := in.Output()
	out.Record(importer.Record{
		Kind: importer.Listed, Time: at, Resource: resource.WithVersion(gv.Version), Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
		UID: o.Metadata.UID, ResourceVersion: o.Metadata.ResourceVersion, Object: text, Source: a.source,
	})
	return in.Close(out)
}

// Finish says of what there is no more than was in the archive.
func (a *archive) Finish(out *importer.Output) {
	if a.unpacked > 0 {
		out.Hole(fmt.Sprintf("%d objects of an unpacked backup: files do not say when they were read; pass the archive as Velero stored it", a.unpacked))
	}
	if a.objects == 0 {
		return
	}
	if why := a.doubt(); why != "" {
		out.Hole(why)
		return
	}
	end := a.backup.Status.CompletionTimestamp
	if end.Before(a.last) { // it is cut to the second
		end = a.last
	}
	for _, k := range kinds.All {
		version, seen := a.kinds[k.Resource.GroupResource()]
		if k.Resource == kinds.ContainerLogs || !a.backup.Spec.includes(&k, seen) {
			continue
		}
		if !seen {
			version = k.Resource.Version
		}
		for _, ns := range a.namespaces(k.Cluster) {
			out.Record(importer.Record{
				Kind: importer.ListDone, Time: end, Resource: k.Resource.GroupResource().WithVersion(version), Namespace: ns, Source: a.source,
			})
		}
	}
}

// doubt is why that something is not in the archive proves nothing; "" if it does.
func (a *archive) doubt() string {
	const nothing = ": that something is not in it proves nothing"
	switch b := a.backup; {
	case b == nil:
		return "its velero-backup.json is missing" + nothing
	case b.Status.Phase != "Completed" || b.Status.CompletionTimestamp.IsZero():
		return fmt.Sprintf("its phase is %q", b.Status.Phase) + nothing
	case b.Status.Progress == nil:
		return "the Backup does not say how many objects it has" + nothing
	case b.Status.Progress.ItemsBackedUp > a.objects:
		return fmt.Sprintf("%d of its %d objects are in the archive", a.objects, b.Status.Progress.ItemsBackedUp) + nothing
	case b.Spec.LabelSelector != nil || len(b.Spec.OrLabelSelectors) > 0 || b.Spec.ResourcePolicy != nil:
		return "it was filtered by labels or a policy" + nothing
	}
	return ""
}

// namespaces are those of which all is in the archive; "" is the cluster.
func (a *archive) namespaces(cluster bool) []string {
	s := &a.backup.Spec
	if cluster || s.everywhere() {
		return []string{""}
	}
	all := maps.Clone(a.spaces)
	for _, ns := range s.IncludedNamespaces {
		if !strings.ContainsAny(ns, "*?[") {
			all[ns] = true
		}
	}
	for _, ns := range s.ExcludedNamespaces {
		delete(all, ns)
	}
	return slices.Sorted(maps.Keys(all))
}
