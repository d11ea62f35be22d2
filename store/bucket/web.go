package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// webObject is an object of a web server that serves ranges.
type webObject struct {
	ctx      context.Context
	client   *http.Client
	address  string // may be signed: it is in no error
	patience time.Duration
	size     int64
	version  string // what the server says of its content, "" if nothing
	head     []byte // its first bytes, which opening it has read
}

// webHead is how much of an object is read to open it.
const webHead = 256 << 10

// webPause is how long after a request that failed the next is made; it doubles.
const webPause = 200 * time.Millisecond

// errWeb is an answer that another try does not better.
type errWeb struct{ error }

func (e errWeb) Unwrap() error { return e.error }

// openWeb asks for the first bytes of an object, which says how many there are: not
// every address that may be read may be asked for its headers alone.
func openWeb(ctx context.Context, address string, patience time.Duration) (*webObject, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is not the address of an object: %w", PublicAddress(address), ErrObjectAddress)
	}
	transport := newTransport()
	transport.ResponseHeaderTimeout = patience
	w := &webObject{ctx: ctx, client: &http.Client{Transport: transport}, address: address, patience: patience, size: -1}
	head := make([]byte, webHead)
	n, err := w.try(head, 0)
	if err != nil {
		return nil, err
	}
	w.head = head[:n]
	return w, nil
}

// ReadAt implements io.ReaderAt.
func (w *webObject) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("read at %d: %w", offset, fs.ErrInvalid)
	}
	if offset >= w.size {
		return 0, io.EOF
	}
	var end error
	if rest := w.size - offset; rest < int64(len(p)) {
		p, end = p[:rest], io.EOF
	}
	have := 0
	if offset < int64(len(w.head)) {
		have = copy(p, w.head[offset:])
	}
	if have < len(p) {
		n, err := w.try(p[have:], offset+int64(have))
		if have += n; err != nil {
			return have, err
		}
	}
	return have, end
}

// try fills p, or as much as there is. What fails only for a moment is tried again.
func (w *webObject) try(p []byte, offset int64) (have int, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, attempts*w.patience+time.Duration(len(p)/slowest)*time.Second)
	defer cancel()
	pause := webPause
	for try := 1; ; try++ {
		n, err := w.request(ctx, p[have:], offset+int64(have))
		have += n
		var final errWeb
		switch {
		case err == nil:
			return have, nil
		case errors.As(err, &final):
			return have, fmt.Errorf("read %s: %w", PublicAddress(w.address), final.error)
		case ctx.Err() != nil || try == attempts:
			return have, fmt.Errorf("read %s: %w", PublicAddress(w.address), withoutAddress(err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause *= 2
	}
}

// withoutAddress is the error of a request without the address, which may be signed.
func withoutAddress(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// request makes one request. The first one learns size and version.
func (w *webObject) request(ctx context.Context, p []byte, offset int64) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.address, nil)
	if err != nil {
		return 0, errWeb{withoutAddress(err)}
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+int64(len(p))-1))
	r.Header.Set("User-Agent", "svcspy")
	answer, err := w.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if w.size < 0 && (answer.Header.Get("Content-Range") == "bytes */0" || answer.StatusCode == http.StatusOK && answer.ContentLength == 0) {
		w.size = 0
		return 0, nil
	}
	if err := refused(answer); err != nil {
		return 0, err
	}
	first, last, size, ok := contentRange(answer.Header.Get("Content-Range"))
	version := answer.Header.Get("ETag") + answer.Header.Get("Last-Modified")
	switch {
	case !ok || first != offset || last >= size || last-first+1 > int64(len(p)):
		return 0, errWeb{fmt.Errorf("the server answered %q to a request for %d bytes at %d", answer.Header.Get("Content-Range"), len(p), offset)}
	case w.size < 0:
		w.size, w.version = size, version
	case w.size != size || w.version != version:
		return 0, errWeb{ErrChanged}
	}
	n, err := io.ReadFull(answer.Body, p[:last-first+1])
	if err == nil && n < len(p) && last+1 < size {
		err = fmt.Errorf("%d of %d bytes came: %w", n, len(p), io.ErrUnexpectedEOF)
	}
	return n, err
}

// refused returns what an answer without the range means.
func refused(answer *http.Response) error {
	switch code := answer.StatusCode; {
	case code == http.StatusPartialContent:
		return nil
	case code == http.StatusOK:
		return errWeb{ErrNoRanges}
	case code == http.StatusNotFound || code == http.StatusGone:
		return errWeb{fs.ErrNotExist}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return errWeb{fmt.Errorf("%w: the server answered %d", fs.ErrPermission, code)}
	case code == http.StatusPreconditionFailed || code == http.StatusRequestedRangeNotSatisfiable:
		return errWeb{fmt.Errorf("it has not as many bytes, or none: the server answered %d: %w", code, ErrChanged)}
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fmt.Errorf("the server answered %d", code)
	default:
		return errWeb{fmt.Errorf("the server answered %d", code)}
	}
}

// ErrNoRanges is returned for a web server that sends only whole objects.
var ErrNoRanges = errors.New("the server does not serve ranges")

// contentRange reads `bytes FIRST-LAST/SIZE`.
func contentRange(text string) (first, last, size int64, ok bool) {
	rest, ok := strings.CutPrefix(text, "bytes ")
	span, total, slash := strings.Cut(rest, "/")
	from, to, dash := strings.Cut(span, "-")
	numbers := []*int64{&first, &last, &size}
	for i, digits := range []string{from, to, total} {
		n, err := strconv.ParseInt(digits, 10, 64)
		ok = ok && err == nil && n >= 0
		*numbers[i] = n
	}
	return first, last, size, ok && slash && dash && first <= last
}
