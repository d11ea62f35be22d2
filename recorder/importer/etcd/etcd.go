// Package etcd reads snapshots of etcd: every revision of every object that the
// database still has, back to its last compaction.
//
// A snapshot is a bbolt file (go.etcd.io/etcd/server/v3/storage/backend). Its bucket
// "key" has one entry for each revision, in order. The revision is the
// resourceVersion of what was written, so that order is exact. When it was written
// only the objects tell: the API server puts the second into managedFields with each
// write.
package etcd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/kinds"
)

// Format reads snapshots of etcd.
var Format = importer.Format{
	Name:  "etcd",
	Title: "a snapshot of etcd, as etcdctl snapshot save writes it",
	Match: func(_ string, head []byte) bool { return importer.IsBolt(head) },
	Read:  read,
}

// mostHeld is how many bytes of a snapshot that does not lie on disk are held.
const mostHeld = 256 << 20

func read(in *importer.Input) error {
	file, size, done, err := open(in)
	if err != nil {
		return err
	}
	defer done()
	tree, err := boltfile.Newest(file)
	if err != nil {
		return fmt.Errorf("it is damaged, or not of pages of %d bytes: %w", boltfile.PageSize, err)
	}
	key, err := tree.Bucket("key")
	if err != nil {
		return fmt.Errorf("it is damaged or cut off, save it again: %w", err)
	}
	meta, err := tree.Bucket("meta")
	if err != nil {
		return fmt.Errorf("it is damaged or cut off, save it again: %w", err)
	}
	if key == nil || meta == nil {
		return errors.New("it is a bbolt file, but has no revisions of etcd")
	}
	s := &snapshot{
		out: in.Output(), revisions: key, seed: maphash.MakeSeed(), last: map[uint64]revision{},
		prefixes: map[string]prefix{}, unread: map[schema.GroupVersionResource]bool{},
	}
	if s.compacted, err = compaction(meta); err == nil {
		err = s.read()
	}
	if sum := digest(file, size); sum != nil {
		s.damaged = true
		s.out.Hole(sum.Error())
	}
	if !s.from.IsZero() {
		in.Revisions(s.from, s.now, err == nil && !s.damaged)
	}
	return errors.Join(err, in.Close(s.out))
}

// open returns the snapshot as a file that can be read anywhere. Nothing of it is
// written to disk, as it has Secrets in the clear.
func open(in *importer.Input) (file io.ReaderAt, size int64, done func(), err error) {
	if in.Disk != "" {
		f, err := os.Open(in.Disk)
		if err != nil {
			return nil, 0, nil, err
		}
		info, err := f.Stat()
		if err != nil {
			return nil, 0, nil, errors.Join(err, f.Close())
		}
		return f, info.Size(), func() { _ = f.Close() }, nil
	}
	var held bytes.Buffer
	n, err := io.Copy(&held, io.LimitReader(in.Body, mostHeld+1))
	if err != nil {
		return nil, 0, nil, err
	}
	if n > mostHeld {
		return nil, 0, nil, fmt.Errorf("a snapshot of more than %d MiB is not read from a pipe or an archive: unpack it", mostHeld>>20)
	}
	return bytes.NewReader(held.Bytes()), n, func() {}, nil
}

// compaction returns the revision up to which history is gone: that of the last
// compaction, also if it was still going on.
func compaction(meta *boltfile.Bucket) (uint64, error) {
	var latest uint64
	for _, name := range []string{"finishedCompactRev", "scheduledCompactRev"} {
		k, v, err := meta.Floor([]byte(name))
		if err != nil {
			return 0, err
		}
		if string(k) == name && len(v) >= 8 {
			latest = max(latest, binary.BigEndian.Uint64(v))
		}
	}
	return latest, nil
}

// digest checks the SHA-256 that etcdctl puts behind the database, if it is there.
func digest(file io.ReaderAt, size int64) error {
	if size%512 != sha256.Size {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, size-sha256.Size)); err != nil {
		return err
	}
	want := make([]byte, sha256.Size)
	if _, err := file.ReadAt(want, size-sha256.Size); err != nil {
		return err
	}
	if !bytes.Equal(want, sum.Sum(nil)) {
		return errors.New("its digest does not match: it was changed since it was saved")
	}
	return nil
}

// revision is the place of a write. Several in one transaction differ in sub.
type revision struct{ main, sub uint64 }

// parseRevision reads a key of the bucket: the main revision, '_', the sub
// revision, and 't' for a deletion.
func parseRevision(k []byte) (r revision, deleted, ok bool) {
	if len(k) < 17 || len(k) > 18 || k[8] != '_' || len(k) == 18 && k[17] != 't' {
		return r, false, false
	}
	return revision{binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(k[9:])}, len(k) == 18, true
}

// prefix is where the objects of a resource lie.
type prefix struct {
	resource   schema.GroupVersionResource
	namespaced bool
}

// snapshot is one file that is read.
type snapshot struct {
	out       *importer.Output
	revisions *boltfile.Bucket
	seed      maphash.Seed
	compacted uint64
	last      map[uint64]revision // of what was compacted, by the hash of the key
	prefixes  map[string]prefix
	unread    map[schema.GroupVersionResource]bool
	from, now time.Time // when history begins, and how far it was read
	damaged   bool
	listed    bool
}

// read reads the revisions twice: first to learn where resources lie, which
// revision of a key was in force at the compaction, and when that was.
func (s *snapshot) read() error {
	if err := s.each(s.survey); err != nil {
		return err
	}
	if s.from.IsZero() {
		s.from = s.now
	}
	if s.from.IsZero() {
		return fmt.Errorf("%w: no object in it carries a time", importer.ErrNothing)
	}
	s.now = s.from
	if err := s.each(s.send); err != nil {
		return err
	}
	s.list()
	for _, resource := range sorted(maps.Keys(s.unread)) {
		s.out.Record(importer.Record{Kind: importer.Unseen, Resource: resource})
	}
	return s.out.Err()
}

func sorted(resources iter.Seq[schema.GroupVersionResource]) []schema.GroupVersionResource {
	return slices.SortedFunc(resources, func(a, b schema.GroupVersionResource) int { return strings.Compare(a.String(), b.String()) })
}

// each calls visit with every revision in order.
func (s *snapshot) each(visit func(r revision, deleted bool, kv *keyValue)) error {
	bad := 0
	var first error
	s.revisions.Ascend(nil, func(k, v []byte, err error) bool {
		r, deleted, ok := parseRevision(k)
		var kv keyValue
		if err == nil && !ok {
			err = errors.New("a key that is no revision")
		}
		if err == nil {
			kv, err = parseKeyValue(v)
		}
		if err != nil {
			if bad++; first == nil {
				first = err
			}
			return bad < 1000
		}
		visit(r, deleted, &kv)
		return true
	})
	if bad > 0 && !s.damaged {
		s.damaged = true
		s.out.Hole(fmt.Sprintf("%d damaged parts: %v", bad, first))
	}
	return s.out.Err()
}

// internal are parts of the API server's own keys that are no objects of the API.
var internal = []string{"/masterleases/", "/peerserverleases/", "/ranges/"}

func isInternal(key string) bool {
	return !strings.HasPrefix(key, "/") || slices.ContainsFunc(internal, func(part string) bool { return strings.Contains(key, part) })
}

// survey is the first pass.
func (s *snapshot) survey(r revision, deleted bool, kv *keyValue) {
	key := string(kv.key)
	if isInternal(key) {
		return
	}
	if r.main <= s.compacted {
		s.last[maphash.Bytes(s.seed, kv.key)] = r
	}
	if !deleted {
		if id, err := identify(kv.value); err == nil {
			s.learn(key, &id)
			if id.at.After(s.now) {
				s.now = id.at
			}
		}
	}
	if r.main > s.compacted && s.from.IsZero() {
		s.from = s.now
	}
}

// learn notes where the objects of a resource lie.
func (s *snapshot) learn(key string, id *identity) {
	tail := id.name
	if id.namespace != "" {
		tail = id.namespace + "/" + id.name
	}
	at, found := strings.CutSuffix(key, "/"+tail)
	if !found || id.name == "" {
		return
	}
	if _, known := s.prefixes[at]; !known {
		s.prefixes[at] = prefix{id.resource(at), id.namespace != ""}
	}
}

// place takes a key apart.
func (s *snapshot) place(key string) (at prefix, namespace, name string, ok bool) {
	i := strings.LastIndexByte(key, '/')
	if i < 0 {
		return at, "", "", false
	}
	if at, ok := s.prefixes[key[:i]]; ok && !at.namespaced {
		return at, "", key[i+1:], true
	}
	j := strings.LastIndexByte(key[:i], '/')
	if j < 0 {
		return at, "", "", false
	}
	at, ok = s.prefixes[key[:j]]
	return at, key[j+1 : i], key[i+1:], ok && at.namespaced
}

// send is the second pass.
func (s *snapshot) send(r revision, deleted bool, kv *keyValue) {
	key := string(kv.key)
	if isInternal(key) {
		return
	}
	if r.main <= s.compacted {
		if !deleted && s.last[maphash.Bytes(s.seed, kv.key)] == r {
			s.object(importer.Listed, kv)
		}
		return
	}
	s.list()
	switch {
	case deleted:
		at, namespace, name, ok := s.place(key)
		if !ok {
			s.unknown(key, "deletions of objects of which nothing else is left")
			return
		}
		s.out.Record(importer.Record{
			Kind: importer.Removed, Time: s.now, Resource: at.resource, Namespace: namespace, Name: name,
			ResourceVersion: strconv.FormatUint(r.main, 10),
		})
	case kv.version == 1:
		s.object(importer.Created, kv)
	default:
		s.object(importer.Written, kv)
	}
}

// object sends one version of an object.
func (s *snapshot) object(kind importer.Kind, kv *keyValue) {
	key := string(kv.key)
	id, err := identify(kv.value)
	var object []byte
	if err == nil {
		object, err = decode(kv.value, kv.mod)
	}
	if err != nil {
		s.unknown(key, err.Error())
		return
	}
	if id.name == "" {
		return
	}
	if id.at.After(s.now) {
		s.now = id.at
	}
	at := s.now
	if kind == importer.Listed {
		at = s.from
	}
	p, namespace, name, ok := s.place(key)
	if !ok || name != id.name || namespace != id.namespace {
		s.unknown(key, "objects that do not lie where their names say")
		return
	}
	resource := p.resource.GroupResource().WithVersion(id.version())
	s.out.Record(importer.Record{
		Kind: kind, Time: at, Resource: resource, Namespace: id.namespace, Name: id.name, UID: id.uid,
		ResourceVersion: strconv.FormatUint(kv.mod, 10), Object: object,
	})
}

// unknown notes that something of a resource cannot be read.
func (s *snapshot) unknown(key, reason string) {
	s.out.Hole(reason)
	if at, _, _, ok := s.place(key); ok {
		s.unread[at.resource] = true
		return
	}
	for part := range strings.SplitSeq(key, "/") {
		for _, k := range kinds.All {
			if part == k.Resource.Resource {
				s.unread[k.Resource] = true
			}
		}
	}
}

// list ends the lists of what there was at the compaction: of every resource, as
// of those that have no keys there was nothing.
func (s *snapshot) list() {
	if s.listed {
		return
	}
	s.listed = true
	all := map[schema.GroupResource]schema.GroupVersionResource{}
	for _, k := range kinds.All {
		if scheme().IsGroupRegistered(k.Resource.Group) {
			all[k.Resource.GroupResource()] = k.Resource
		}
	}
	for _, p := range s.prefixes {
		if _, known := all[p.resource.GroupResource()]; !known {
			all[p.resource.GroupResource()] = p.resource
		}
	}
	for _, resource := range sorted(maps.Values(all)) {
		s.out.Record(importer.Record{Kind: importer.ListDone, Time: s.from, Resource: resource})
	}
}
