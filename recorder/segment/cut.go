package segment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/recorder/alert"
	"github.com/svcspy/svcspy/store"
)

// Chain is how far a run was cut into segments.
type Chain struct {
	Run    string    `json:"run"`    // ID of the run
	Last   store.Seq `json:"last"`   // of the last segment; 0 if there is none
	Digest string    `json:"digest"` // of the last segment
}

// ErrNothing is returned when nothing was recorded since the last segment.
var ErrNothing = errors.New("nothing was recorded since the last segment")

// Order says what a segment is cut as.
type Order struct {
	Dir      string // it is written into
	Cluster  string
	Cause    string // why it is cut
	After    Chain  // the segments before it
	Services int    // how many are judged
	Alerts   Alerts
}

// Alerts are what an Agent was told about.
type Alerts struct {
	Marks []store.Mark  // that no segment has yet
	All   []alert.Alert // that fire, or are in no segment yet
}

// Cut writes what a recording has after a Chain, up to its end, as a segment into
// a folder: two files, BASE.db and BASE.json. The first has its name when the
// segment is complete, so after a crash a BASE.json alone means nothing. It returns
// the Chain that the next segment continues. The recording may be a ring that is
// written meanwhile: then a failed attempt can succeed when it is made again.
func Cut(ctx context.Context, r *store.Recording, o Order) (Summary, Chain, error) {
	info, after := r.Info(), o.After
	if after.Run != info.Run() {
		after = Chain{Run: info.Run()}
	}
	if info.Last == 0 || info.Last <= after.Last {
		return Summary{}, after, ErrNothing
	}
	first := max(after.Last+1, info.First)
	begin, err := r.TimeOf(first)
	if err != nil {
		return Summary{}, after, err
	}
	if first == 1 {
		begin = info.Start
	}
	header := info.Header
	header.ID, header.Start = string(uuid.NewUUID()), begin
	header.Source = &store.Source{ID: info.Run(), Start: info.Began(), End: info.End}
	part := filepath.Join(o.Dir, "cut"+partial)
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Summary{}, after, err
	}
	s, err := write(ctx, r, part, store.Excerpt{Header: header, First: first, End: info.End, Marks: o.Alerts.Marks}, o.Services)
	if err != nil {
		return Summary{}, after, errors.Join(fmt.Errorf("cut a segment: %w", err), removeIfThere(part))
	}
	s.Cluster, s.Cause, s.Previous = o.Cluster, o.Cause, after.Digest
	s.alerts(o.Alerts.All)
	if after.Last > 0 || info.First > 1 {
		s.Missing = uint64(first - after.Last - 1)
	}
	if err := s.place(o.Dir, part); err != nil {
		return Summary{}, after, errors.Join(err, removeIfThere(part))
	}
	return s, Chain{info.Run(), s.Last, s.SHA256}, nil
}

// partial ends the name of a segment that is being written.
const partial = ".part"

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// write writes an excerpt and says what is in it.
func write(ctx context.Context, r *store.Recording, part string, x store.Excerpt, services int) (Summary, error) {
	if _, err := r.Excerpt(part, x); err != nil {
		return Summary{}, err
	}
	made, err := store.Open(part)
	if err != nil {
		return Summary{}, err
	}
	s, err := summarize(ctx, made, services)
	if err = errors.Join(err, made.Close()); err != nil {
		return s, err
	}
	s.FileSum, s.Bytes, err = sumFile(part)
	return s, err
}

// place gives the files their names, the recording last.
func (s *Summary) place(dir, part string) error {
	base := filepath.Join(dir, s.Name().Base())
	data, err := s.Encode()
	if err != nil {
		return err
	}
	if err := writeFile(base+Commit, data); err != nil {
		return err
	}
	if err := os.Rename(part, base+Recording); err != nil {
		return err
	}
	return syncFolder(dir)
}

// Name returns where the segment lies.
func (s *Summary) Name() Name {
	return nameOf(s.Cluster, store.Info{Header: store.Header{ID: s.Run, Start: s.Start}, End: s.End, First: s.First, SHA256: s.SHA256})
}

// writeFile writes a file so that it has its name when it is complete and durable.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path+partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+partial, path)
}

// syncFolder makes the names in a folder durable. Systems that cannot do it are not
// held to it.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

func sumFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// Local returns the segments that lie complete in a folder, oldest first, and
// removes what a crash has left of others.
func Local(dir string) ([]Summary, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []Summary
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		base, is := strings.CutSuffix(path, Commit)
		switch {
		case strings.HasSuffix(path, partial):
			if err := removeIfThere(path); err != nil {
				return nil, err
			}
		case is:
			s, err := readLocal(base)
			if errors.Is(err, os.ErrNotExist) { // it was cut in half by a crash, or is stored
				err = removeIfThere(path)
			} else if err == nil {
				found = append(found, s)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func readLocal(base string) (Summary, error) {
	if _, err := os.Stat(base + Recording); err != nil {
		return Summary{}, err
	}
	f, err := os.Open(base + Commit)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, largestSummary))
	if err != nil {
		return Summary{}, err
	}
	s, err := ParseSummary(data)
	if err == nil && s.Name().Base() != filepath.Base(base) {
		err = errMismatch
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", base+Commit, err)
	}
	return s, err
}

var errMismatch = errors.New("it is about another segment than its name says")
