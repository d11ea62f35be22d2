// Package bucket stores whole objects under keys: in S3-compatible object storage
// or in a folder. There are two types besides their implementations: a Bucket, and
// the Object that it holds. OpenObject reads one object, also of a web server, by
// ranges.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"path"
	"strings"
)

// Object is what a Bucket knows of an object without reading it.
type Object struct {
	// Key names the object: elements separated by "/", none of them empty, "." or
	// "..". In a Listing of folders it ends in "/" for a folder.
	Key  string
	Size int64
	// Version changes when the object is replaced. It is the ETag of S3, and says
	// nothing about the content.
	Version string
}

// Listing selects keys.
type Listing struct {
	Prefix  string // keys begin with it
	After   string // keys are greater than it
	Folders bool   // keys with a further "/" are listed as one folder
}

// Bucket stores whole objects under keys. An object is there completely or not at
// all. All methods may be called concurrently, and try again what fails only for a
// moment. Their errors are fs.ErrNotExist, fs.ErrPermission, fs.ErrExist,
// ErrChanged or whatever keeps the store from answering.
type Bucket interface {
	// Put stores an object. With create, one that exists already is left as it is
	// and the error is fs.ErrExist.
	Put(ctx context.Context, key string, body *io.SectionReader, create bool) error
	// ReadAt fills p from an offset of an object. At the end of the object it
	// returns what there is, and io.EOF. If the object is another than the one that
	// was listed the error is ErrChanged.
	ReadAt(ctx context.Context, o Object, p []byte, offset int64) (int, error)
	// List yields objects in the order of their keys, until the first error.
	List(ctx context.Context, l Listing) iter.Seq2[Object, error]
	// Stat returns one object.
	Stat(ctx context.Context, key string) (Object, error)
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// ErrChanged is returned when an object was replaced while it was read.
var ErrChanged = errors.New("the object was replaced while it was read")

// ErrAddress is returned for what is no address of a Bucket.
var ErrAddress = errors.New("not the address of a bucket: write it as s3://BUCKET/PREFIX, file:///FOLDER or the path of a folder")

// ErrObjectAddress is returned for what is no address of an object.
var ErrObjectAddress = errors.New("write it as s3://BUCKET/KEY or https://HOST/PATH")

// Open returns the Bucket at an address: s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME],
// file:///FOLDER, or the path of a folder. The keys of the Bucket are relative to
// PREFIX or FOLDER. Nothing is asked of the store yet; a folder must exist.
func Open(address string) (Bucket, error) {
	if IsS3(address) {
		s, err := parseS3(address)
		if err != nil {
			return nil, err
		}
		return s.open(usualPatience)
	}
	folder := address
	if strings.HasPrefix(address, "file:") {
		u, err := url.Parse(address)
		if err != nil || u.Host != "" || u.Path == "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%q: %w", address, ErrAddress)
		}
		folder = u.Path
	} else if strings.Contains(address, "://") || address == "" {
		return nil, fmt.Errorf("%q: %w", address, ErrAddress)
	}
	return OpenFolder(folder)
}

// IsS3 reports whether an address is meant to be one of S3-compatible storage.
func IsS3(address string) bool { return strings.HasPrefix(address, "s3://") }

// Split takes the last element off an address of S3: the rest is that of a Bucket,
// in which it is a key.
func Split(address string) (bucket, key string, err error) {
	u, err := url.Parse(address)
	if err != nil || !IsS3(address) || u.Host == "" || !ValidKey(strings.TrimPrefix(u.Path, "/")) {
		return "", "", fmt.Errorf("%q is not the address of an object: %w", address, ErrObjectAddress)
	}
	dir, key := path.Split(u.Path)
	u.Path, u.RawPath = strings.TrimSuffix(dir, "/"), ""
	return u.String(), key, nil
}

// ValidKey reports whether a text can be the Key of an Object.
func ValidKey(key string) bool { return key != "." && len(key) <= 1024 && fs.ValidPath(key) }

// checkKey returns an error for what cannot be a key.
func checkKey(key string) error {
	if !ValidKey(key) {
		return fmt.Errorf("%q cannot be the key of an object", key)
	}
	return nil
}

// ReadAll returns the content of an object that is not larger than most bytes.
func ReadAll(ctx context.Context, b Bucket, o Object, most int64) ([]byte, error) {
	if o.Size > most {
		return nil, fmt.Errorf("read %s: it has %d bytes, more than %d", o.Key, o.Size, most)
	}
	data := make([]byte, o.Size)
	n, err := b.ReadAt(ctx, o, data, 0)
	if n == len(data) {
		return data, nil
	}
	return nil, fmt.Errorf("read %s: %w", o.Key, err)
}

// Copy writes the content of an object, in pieces of some MiB.
func Copy(ctx context.Context, w io.Writer, b Bucket, o Object) error {
	piece := make([]byte, min(o.Size, 8<<20))
	for at := int64(0); at < o.Size; {
		n := min(int64(len(piece)), o.Size-at)
		if read, err := b.ReadAt(ctx, o, piece[:n], at); int64(read) < n {
			return fmt.Errorf("read %s: %w", o.Key, err)
		}
		if _, err := w.Write(piece[:n]); err != nil {
			return err
		}
		at += n
	}
	return nil
}
