package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// OpenRecording opens the recording that a command line names: a path, file://PATH,
// or the address of an object, which is read by ranges. The error says which. If
// the object cannot be read any more later, the command ends with that error,
// whatever it has printed: see SourceError.
func (a *App) OpenRecording(name string) (*store.Recording, error) {
	if !bucket.IsAddress(name) {
		return openFile(LocalPath(name))
	}
	ctx := a.Context
	if ctx == nil {
		ctx = context.Background()
	}
	from, size, err := bucket.OpenObject(ctx, name)
	var r *store.Recording
	if err == nil {
		r, err = store.OpenReaderAt(from, size)
	}
	switch {
	case err == nil:
		a.remote, a.named = append(a.remote, r), append(a.named, name)
		return r, nil
	case ctx.Err() != nil:
		return nil, ErrInterrupted
	case errors.Is(err, store.ErrNotRecording):
		return nil, fmt.Errorf("open %s: %w", bucket.PublicAddress(name), err)
	}
	return nil, StorageError(name, err)
}

// SourceError returns why an object that a command was to read could not be read to
// the end; nil if all could.
func (a *App) SourceError() error {
	for i, r := range a.remote {
		switch err := r.SourceError(); {
		case err == nil:
		case errors.Is(err, context.Canceled):
			return ErrInterrupted
		default:
			return StorageError(a.named[i], err)
		}
	}
	return nil
}

// StorageError gives an error of an object, or of the bucket at an address, a hint.
func StorageError(name string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, store.ErrVersion), errors.Is(err, store.ErrDamaged):
		return err
	case errors.Is(err, bucket.ErrAddress), errors.Is(err, bucket.ErrObjectAddress):
		return Usage(err, "")
	case errors.Is(err, fs.ErrNotExist) && bucket.IsS3(name):
		return Hinted(err, "check the bucket and the key; `svcspy ls s3://NAME/PREFIX` lists the clusters of a bucket")
	case errors.Is(err, fs.ErrNotExist):
		return Hinted(err, "check the address")
	case errors.Is(err, fs.ErrPermission) && bucket.IsS3(name):
		return Hinted(err, "the right s3:GetObject is needed; credentials are those of the AWS tools, such as AWS_ACCESS_KEY_ID or AWS_PROFILE")
	case errors.Is(err, fs.ErrPermission):
		return Hinted(err, "credentials are wrong or missing, or a signed address has expired")
	case errors.Is(err, bucket.ErrChanged):
		return Hinted(err, "run the command again; for a recording that changes, download it first")
	case errors.Is(err, bucket.ErrNoRanges):
		return Hinted(err, "download the recording first")
	case bucket.IsAddress(name):
		return Hinted(err, "the storage does not answer: check the address and the network, and for S3-compatible storage AWS_ENDPOINT_URL")
	}
	return err
}

// LocalPath is the path that file://PATH means; any other name is returned as it is.
func LocalPath(name string) string {
	if u, err := url.Parse(name); err == nil && strings.HasPrefix(name, "file:///") && u.RawQuery == "" {
		return u.Path
	}
	return name
}

// LocalFile returns the path of a recording that a command writes to, or whose
// file it needs; doing says what it does.
func LocalFile(name, doing string) (string, error) {
	if bucket.IsAddress(name) {
		return "", Usage(fmt.Errorf("%s: %s, and an object is only read", report.Clean(bucket.PublicAddress(name)), doing), "copy it to a file first: `svcspy cut ADDRESS OUT`")
	}
	return LocalPath(name), nil
}
