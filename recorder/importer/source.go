package importer

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// file is one file of a source: of a folder, an archive, or the source itself.
type file struct {
	path     string // for people and for what it says about the content: SOURCE, or SOURCE/NAME/IN/IT
	modified time.Time
	disk     string // where it lies on disk as it is; "" if it is packed
	body     io.Reader
}

// Stdin is the name of the source that is standard input.
const Stdin = "-"

// walk opens a source and calls each with its files, in order of their names.
// Packed files and archives are unpacked while they are read.
func walk(ctx context.Context, source string, stdin io.Reader, read func(n int), each func(*file) error) error {
	if source == Stdin {
		return unpack(&file{path: "stdin", body: &counted{ctx, stdin, read}}, 0, each)
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	open := func(name string, info fs.FileInfo) error {
		if !info.Mode().IsRegular() {
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return unpack(&file{path: filepath.ToSlash(name), modified: info.ModTime(), disk: name, body: &counted{ctx, f, read}}, 0, each)
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() { // a pipe
			f, err := os.Open(source)
			if err != nil {
				return err
			}
			defer f.Close()
			return unpack(&file{path: filepath.ToSlash(source), body: &counted{ctx, f, read}}, 0, each)
		}
		return open(source, info)
	}
	return filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || entry.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return open(name, info)
	})
}

// Size returns about how many bytes there are to read in a source, 0 if that is
// not known.
func Size(source string) int64 {
	var total int64
	_ = filepath.WalkDir(source, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// counted reports what is read, and ends with the context.
type counted struct {
	ctx  context.Context
	in   io.Reader
	read func(n int)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.in.Read(p)
	c.read(n)
	return n, err
}

// deepest is how many layers of packing are undone: a bundle.tar.gz with
// audit.log.gz in it has three.
const deepest = 4

// unpack undoes gzip, zstd, tar and zip.
func unpack(f *file, depth int, each func(*file) error) error {
	in := bufio.NewReaderSize(f.body, 64<<10)
	f.body = in
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if depth == deepest {
		return each(f)
	}
	inner := *f
	inner.disk = ""
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		inner.path, inner.body = strings.TrimSuffix(strings.TrimSuffix(f.path, ".gz"), ".tgz"), z
		return unpack(&inner, depth+1, each)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		inner.path, inner.body = strings.TrimSuffix(f.path, ".zst"), z
		return unpack(&inner, depth+1, each)
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		return untar(&inner, depth, each)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")) && f.disk != "":
		return unzip(f, depth, each)
	}
	return each(f)
}

func untar(f *file, depth int, each func(*file) error) error {
	archive := tar.NewReader(f.body)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpack(&file{path: path.Join(f.path, h.Name), modified: h.ModTime, body: archive}, depth+1, each); err != nil {
			return err
		}
	}
}

func unzip(f *file, depth int, each func(*file) error) error {
	archive, err := zip.OpenReader(f.disk)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, part := range archive.File {
		if !part.Mode().IsRegular() {
			continue
		}
		in, err := part.Open()
		if err != nil {
			return err
		}
		err = unpack(&file{path: path.Join(f.path, part.Name), modified: part.Modified, body: in}, depth+1, each)
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Hole is something that a source does not say, or that could not be read.
type Hole struct {
	Path   string `json:"path"`   // of the source or the file in it
	Reason string `json:"reason"` // what is missing
	Count  int    `json:"count"`
}

func (h Hole) String() string {
	if h.Count > 1 {
		return fmt.Sprintf("%s: %s (%d times)", h.Path, h.Reason, h.Count)
	}
	return fmt.Sprintf("%s: %s", h.Path, h.Reason)
}

// BoltHead is how many bytes IsBolt needs.
const BoltHead = 20

// IsBolt reports whether a file that begins like this is one of bbolt's, as
// recordings and etcd's snapshots are: its first page is a meta page.
func IsBolt(head []byte) bool {
	return len(head) >= BoltHead && binary.LittleEndian.Uint32(head[16:]) == 0xED0CDAED
}
