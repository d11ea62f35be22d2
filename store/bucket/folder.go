package bucket

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// Folder is a Bucket in a folder of this machine: each object is a file. Links
// that lead out of the folder are not followed.
type Folder struct{ root *os.Root }

// partial begins the names of files that are being written; they are no objects.
const partial = ".svcspy-part-"

// OpenFolder returns the Bucket in a folder, which must exist.
func OpenFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{root}, nil
}

// Put writes a file beside the object's and renames it when all of it is on disk.
func (f *Folder) Put(ctx context.Context, key string, body *io.SectionReader, create bool) error {
	if err := cmp.Or(ctx.Err(), checkKey(key)); err != nil {
		return err
	}
	if create {
		if _, err := f.root.Lstat(key); err == nil {
			return &fs.PathError{Op: "put", Path: key, Err: fs.ErrExist}
		}
	}
	dir := path.Dir(key)
	if err := f.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	part := path.Join(dir, partial+rand.Text())
	err := f.write(part, body)
	if err == nil && create { // of two at once, the first wins
		err = f.root.Link(part, key)
		err = errors.Join(err, f.root.Remove(part))
	} else if err == nil {
		err = f.root.Rename(part, key)
	}
	if err != nil {
		_ = f.root.Remove(part)
		return err
	}
	return f.sync(dir)
}

func (f *Folder) write(name string, body *io.SectionReader) error {
	out, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.NewSectionReader(body, 0, body.Size()))
	return errors.Join(err, out.Sync(), out.Close())
}

// sync makes a name durable. Systems that cannot do it are not held to it.
func (f *Folder) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

// ReadAt reads from the file of the object.
func (f *Folder) ReadAt(ctx context.Context, o Object, p []byte, offset int64) (int, error) {
	if err := cmp.Or(ctx.Err(), checkKey(o.Key)); err != nil {
		return 0, err
	}
	file, err := f.root.Open(o.Key)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	st, err := file.Stat()
	switch {
	case err != nil:
		return 0, err
	case o.Version != "" && version(st) != o.Version:
		return 0, fmt.Errorf("read %s: %w", o.Key, ErrChanged)
	}
	return file.ReadAt(p, offset)
}

func version(st fs.FileInfo) string {
	return fmt.Sprintf("%d-%d", st.ModTime().UnixNano(), st.Size())
}

// List walks the folders that can hold keys with the prefix.
func (f *Folder) List(ctx context.Context, l Listing) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		found, err := f.find(ctx, l)
		for _, o := range found {
			if !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(Object{}, err)
		}
	}
}

func (f *Folder) find(ctx context.Context, l Listing) (found []Object, err error) {
	top := path.Dir(l.Prefix + "x")
	err = fs.WalkDir(f.root.FS(), top, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted meanwhile, or nothing has the prefix
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case name == top && d.IsDir():
			return nil
		case d.IsDir() && !strings.HasPrefix(name+"/", l.Prefix) && !strings.HasPrefix(l.Prefix, name+"/"):
			return fs.SkipDir
		case d.IsDir() && l.Folders && strings.HasPrefix(name, l.Prefix):
			if name += "/"; name > l.After {
				found = append(found, Object{Key: name})
			}
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasPrefix(path.Base(name), partial) || !strings.HasPrefix(name, l.Prefix) || name <= l.After:
			return nil
		}
		st, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			found = append(found, Object{name, st.Size(), version(st)})
		}
		return err
	})
	slices.SortFunc(found, func(a, b Object) int { return cmp.Compare(a.Key, b.Key) })
	return found, err
}

// Stat returns the file of an object.
func (f *Folder) Stat(ctx context.Context, key string) (Object, error) {
	if err := cmp.Or(ctx.Err(), checkKey(key)); err != nil {
		return Object{}, err
	}
	st, err := f.root.Stat(key)
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "stat", Path: key, Err: fs.ErrNotExist}
	}
	if err != nil {
		return Object{}, err
	}
	return Object{key, st.Size(), version(st)}, nil
}

// Delete removes the file of an object.
func (f *Folder) Delete(ctx context.Context, key string) error {
	if err := cmp.Or(ctx.Err(), checkKey(key)); err != nil {
		return err
	}
	if err := f.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
