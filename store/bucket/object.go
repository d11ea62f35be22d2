package bucket

import (
	"context"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// IsAddress reports whether a text is the address of an object, as OpenObject takes
// it, and no path.
func IsAddress(text string) bool {
	return IsS3(text) || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// PublicAddress is an address without what may be secret in it: the password, and
// the query of a web address, which may sign it.
func PublicAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || !IsAddress(address) {
		return address
	}
	if !IsS3(address) {
		u.RawQuery, u.ForceQuery, u.Fragment = "", false, ""
	}
	u.User = nil
	return u.String()
}

// ObjectName is the last element of a path, or of the path in an address.
func ObjectName(name string) string {
	if u, err := url.Parse(name); err == nil && IsAddress(name) {
		return path.Base(u.Path)
	}
	return filepath.Base(name)
}

// OpenObject returns what reads an object by ranges, and its size. The address is
// s3://BUCKET/KEY, with what Open takes, or that of a web server that serves ranges.
// Reads end with ctx; their errors are those of a Bucket.
func OpenObject(ctx context.Context, address string) (io.ReaderAt, int64, error) {
	if !IsS3(address) {
		w, err := openWeb(ctx, address, usualPatience)
		if err != nil {
			return nil, 0, err
		}
		return w, w.size, nil
	}
	of, key, err := Split(address)
	if err != nil {
		return nil, 0, err
	}
	b, err := Open(of)
	if err != nil {
		return nil, 0, err
	}
	o, err := b.Stat(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	return objectReader{ctx, b, o}, o.Size, nil
}

type objectReader struct {
	ctx context.Context
	b   Bucket
	o   Object
}

func (r objectReader) ReadAt(p []byte, offset int64) (int, error) {
	return r.b.ReadAt(r.ctx, r.o, p, offset)
}
