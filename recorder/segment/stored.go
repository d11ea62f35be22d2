package segment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/store/bucket"
)

// Stored is a segment in a bucket.
type Stored struct {
	Name
	Recording, Commit bucket.Object
}

// longest is how long a segment may be: longer ones are not found by the day on which
// they begin.
const longest = 2 * time.Hour

// Clusters returns the names of the clusters that have segments, in order.
func Clusters(ctx context.Context, b bucket.Bucket) ([]string, error) {
	var names []string
	for o, err := range b.List(ctx, bucket.Listing{Folders: true}) {
		if err != nil {
			return nil, err
		}
		if name, ok := strings.CutSuffix(o.Key, "/"); ok && ClusterName(name) == name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Find returns the segments of a cluster that have something of a stretch of time,
// by start. It asks for the keys of the days of that stretch, and for nothing else.
func Find(ctx context.Context, b bucket.Bucket, cluster string, from, to time.Time) ([]Stored, error) {
	var found []Stored
	day := from.UTC().Add(-longest).Truncate(24 * time.Hour)
	for ; !day.After(to); day = day.Add(24 * time.Hour) {
		of, err := list(ctx, b, Day(cluster, day))
		if err != nil {
			return nil, err
		}
		for _, s := range of {
			if !s.End.Before(from) && !s.Start.After(to) {
				found = append(found, s)
			}
		}
	}
	return found, nil
}

// All returns every complete segment of a cluster, by start.
func All(ctx context.Context, b bucket.Bucket, cluster string) ([]Stored, error) {
	return list(ctx, b, cluster+"/")
}

// list returns the complete segments whose keys have a prefix.
func list(ctx context.Context, b bucket.Bucket, prefix string) ([]Stored, error) {
	var found []Stored
	var open Stored // its commit mark has not come yet
	for o, err := range b.List(ctx, bucket.Listing{Prefix: prefix}) {
		if err != nil {
			return nil, err
		}
		if key, ok := strings.CutSuffix(o.Key, Recording); ok {
			n, _ := ParseKey(key)
			open = Stored{Name: n, Recording: o}
		} else if key, ok := strings.CutSuffix(o.Key, Commit); ok && open.Cluster != "" && open.Key() == key {
			open.Commit = o
			found = append(found, open)
		}
	}
	return found, nil
}

// Newest returns the last segment of a cluster and the days that have segments. The
// error is fs.ErrNotExist if there is none.
func Newest(ctx context.Context, b bucket.Bucket, cluster string) (last Stored, days []string, err error) {
	for o, err := range b.List(ctx, bucket.Listing{Prefix: cluster + "/", Folders: true}) {
		if err != nil {
			return last, nil, err
		}
		day := strings.TrimSuffix(strings.TrimPrefix(o.Key, cluster+"/"), "/")
		if _, err := time.Parse(dateFormat, day); err == nil {
			days = append(days, day)
		}
	}
	slices.Sort(days)
	for _, day := range slices.Backward(days) {
		of, err := list(ctx, b, cluster+"/"+day+"/")
		if err != nil {
			return last, days, err
		}
		if len(of) > 0 {
			return slices.MaxFunc(of, func(a, b Stored) int { return a.End.Compare(b.End) }), days, nil
		}
	}
	return last, days, fmt.Errorf("cluster %s has no segment: %w", cluster, fs.ErrNotExist)
}

// Summary reads what is known of a segment.
func (s *Stored) Summary(ctx context.Context, b bucket.Bucket) (Summary, error) {
	data, err := bucket.ReadAll(ctx, b, s.Commit, largestSummary)
	if err != nil {
		return Summary{}, err
	}
	is, err := ParseSummary(data)
	if err == nil && is.Name().Key() != s.Key() {
		err = errMismatch
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.Commit.Key, err)
	}
	return is, err
}

// ErrHalf is returned for an object that is not the segment that was stored.
var ErrHalf = errors.New("it is not what was stored: bytes are missing or others")

// Fetch copies a segment into a folder and returns its path and Summary. What was
// stored is there, byte by byte, or the error is ErrHalf.
func (s *Stored) Fetch(ctx context.Context, b bucket.Bucket, dir string) (path string, is Summary, err error) {
	if is, err = s.Summary(ctx, b); err != nil {
		return "", is, err
	}
	path = filepath.Join(dir, s.Base()+Recording)
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", is, err
	}
	sum := sha256.New()
	err = bucket.Copy(ctx, io.MultiWriter(out, sum), b, s.Recording)
	if err == nil && (s.Recording.Size != is.Bytes || hex.EncodeToString(sum.Sum(nil)) != is.FileSum) {
		err = fmt.Errorf("%s: %w", s.Recording.Key, ErrHalf)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", is, errors.Join(err, os.Remove(path))
	}
	return path, is, nil
}

// Upload stores a segment of a folder: the recording, and when the bucket has all of
// it, the commit mark. Whatever of it is there already is not stored again, so it may
// be called until it succeeds.
func Upload(ctx context.Context, b bucket.Bucket, dir string, s *Summary) error {
	key, base := s.Name().Key(), filepath.Join(dir, s.Name().Base())
	if _, err := b.Stat(ctx, key+Commit); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.Open(base + Recording)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := b.Put(ctx, key+Recording, io.NewSectionReader(f, 0, s.Bytes), false); err != nil {
		return err
	}
	switch o, err := b.Stat(ctx, key+Recording); {
	case err != nil:
		return err
	case o.Size != s.Bytes:
		return fmt.Errorf("%s: %d of %d bytes were stored: %w", key+Recording, o.Size, s.Bytes, ErrHalf)
	}
	data, err := s.Encode()
	if err != nil {
		return err
	}
	err = b.Put(ctx, key+Commit, io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), true)
	if errors.Is(err, fs.ErrExist) { // an answer was lost
		return nil
	}
	return err
}

// Remove takes a segment out of a folder.
func Remove(dir string, s *Summary) error {
	base := filepath.Join(dir, s.Name().Base())
	if err := removeIfThere(base + Recording); err != nil {
		return err
	}
	return removeIfThere(base + Commit)
}
