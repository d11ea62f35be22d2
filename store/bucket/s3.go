package bucket

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3 is a Bucket in S3-compatible object storage. Credentials, region and endpoint
// are found as the AWS tools find them: in the environment, in ~/.aws, from the
// service account of a Pod, from the machine.
type S3 struct {
	core     minio.Core
	bucket   string
	prefix   string        // "" or ends in "/"
	patience time.Duration // how long the store may not answer at all
}

const (
	// attempts is how often a request is made that fails only for a moment.
	attempts = 5
	// slowest is the rate below which a transfer is given up, in bytes per second.
	slowest = 64 << 10
	// usualPatience is how long the store may take to begin an answer.
	usualPatience = 30 * time.Second
)

// s3Address is the address of a Bucket in S3, in parts.
type s3Address struct {
	bucket, prefix, region string
	endpoint               *url.URL
}

// parseS3 reads s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME]. What the address
// does not say stands in the environment: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
// AWS_REGION, AWS_DEFAULT_REGION.
func parseS3(address string) (a s3Address, err error) {
	wrong := func(why string) (s3Address, error) {
		return s3Address{}, fmt.Errorf("%q: %s: %w", address, why, ErrAddress)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return wrong("it names no bucket")
	}
	prefix := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	if prefix != "" && !ValidKey(prefix) {
		return wrong("the prefix cannot begin a key")
	}
	query := u.Query()
	for name := range query {
		if name != "endpoint" && name != "region" {
			return wrong(fmt.Sprintf("%q is not endpoint or region", name))
		}
	}
	if prefix != "" {
		prefix += "/"
	}
	a = s3Address{bucket: u.Host, prefix: prefix}
	a.region = cmp.Or(query.Get("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	endpoint := cmp.Or(query.Get("endpoint"), os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	if endpoint == "" {
		a.endpoint = &url.URL{Scheme: "https", Host: "s3.amazonaws.com"}
		return a, nil
	}
	a.region = cmp.Or(a.region, "us-east-1") // nobody has to be asked
	a.endpoint, err = url.Parse(endpoint)
	if err != nil || a.endpoint.Host == "" || a.endpoint.Scheme != "https" && a.endpoint.Scheme != "http" || strings.Trim(a.endpoint.Path, "/") != "" {
		return wrong(fmt.Sprintf("the endpoint %q is not a URL such as https://minio.example:9000", endpoint))
	}
	return a, nil
}

// open returns the Bucket; the store may take as long as patience to begin an
// answer.
func (a s3Address) open(patience time.Duration) (*S3, error) {
	transport := newTransport()
	transport.ResponseHeaderTimeout = patience
	client, err := minio.New(a.endpoint.Host, &minio.Options{
		Creds:      awsCredentials(),
		Secure:     a.endpoint.Scheme == "https",
		Transport:  transport,
		Region:     a.region,
		MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("s3://%s: %w", a.bucket, err)
	}
	client.SetAppInfo("svcspy", "")
	return &S3{core: minio.Core{Client: client}, bucket: a.bucket, prefix: a.prefix, patience: patience}, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true, // ranges are of what is stored
	}
}

// awsCredentials is the chain of the AWS tools. Without credentials requests are
// anonymous. The service of the machine that knows them is not waited for where
// there is none.
func awsCredentials() *credentials.Credentials {
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Timeout: 3 * time.Second}},
	})
}

// bounded ends a request that does not make headway, whatever the store does.
func (s *S3) bounded(ctx context.Context, bytes int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, attempts*s.patience+time.Duration(bytes/slowest)*time.Second)
}

// Put sends the object in one request. The store checks its digests, and stores
// nothing if they differ.
func (s *S3) Put(ctx context.Context, key string, body *io.SectionReader, create bool) error {
	if err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx, body.Size())
	defer cancel()
	options := minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true, DisableMultipart: true}
	if create {
		options.SetMatchETagExcept("*")
	}
	_, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+key, io.NewSectionReader(body, 0, body.Size()), body.Size(), options)
	if create && minio.ToErrorResponse(err).Code == minio.NotImplemented { // a store that knows no conditions
		if _, err := s.Stat(ctx, key); err == nil {
			return &fs.PathError{Op: "put", Path: key, Err: fs.ErrExist}
		}
		return s.Put(ctx, key, body, false)
	}
	if create && (minio.ToErrorResponse(err).Code == minio.PreconditionFailed || minio.ToErrorResponse(err).StatusCode == http.StatusConflict) {
		return &fs.PathError{Op: "put", Path: key, Err: fs.ErrExist}
	}
	return s.fail("put", key, err)
}

// ReadAt reads a range. A body that ends early is asked for again.
func (s *S3) ReadAt(ctx context.Context, o Object, p []byte, offset int64) (int, error) {
	if err := checkKey(o.Key); err != nil {
		return 0, err
	}
	if offset < 0 {
		return 0, fmt.Errorf("read %s at %d: %w", o.Key, offset, fs.ErrInvalid)
	}
	if offset >= o.Size {
		return 0, io.EOF
	}
	var end error
	if rest := o.Size - offset; rest < int64(len(p)) {
		p, end = p[:rest], io.EOF
	}
	if len(p) == 0 {
		return 0, end
	}
	ctx, cancel := s.bounded(ctx, int64(len(p)))
	defer cancel()
	have := 0
	for try := 1; ; try++ {
		n, err := s.readRange(ctx, o, p[have:], offset+int64(have))
		have += n
		switch {
		case have == len(p):
			return have, end
		case err != nil && (minio.ToErrorResponse(err).StatusCode != 0 || ctx.Err() != nil || try == attempts):
			return have, s.fail("read", o.Key, err)
		}
	}
}

// readRange makes one request, and returns how much of p it filled.
func (s *S3) readRange(ctx context.Context, o Object, p []byte, offset int64) (int, error) {
	var options minio.GetObjectOptions
	if err := options.SetRange(offset, offset+int64(len(p))-1); err != nil {
		return 0, err
	}
	if o.Version != "" {
		if err := options.SetMatchETag(o.Version); err != nil {
			return 0, err
		}
	}
	body, _, header, err := s.core.GetObject(ctx, s.bucket, s.prefix+o.Key, options)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if want := fmt.Sprintf("bytes %d-%d/%d", offset, offset+int64(len(p))-1, o.Size); header.Get("Content-Range") != want {
		if offset != 0 || int64(len(p)) != o.Size || header.Get("Content-Range") != "" { // all of it may come as such
			return 0, minio.ErrorResponse{StatusCode: http.StatusBadGateway, Message: fmt.Sprintf("the store answered %q to a request for %q", header.Get("Content-Range"), want)}
		}
	}
	return io.ReadFull(body, p)
}

// List asks for pages of a thousand keys.
func (s *S3) List(ctx context.Context, l Listing) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		options := minio.ListObjectsOptions{Prefix: s.prefix + l.Prefix, Recursive: !l.Folders}
		if l.After != "" {
			options.StartAfter = s.prefix + l.After
		}
		for o := range s.core.ListObjectsIter(ctx, s.bucket, options) {
			if o.Err != nil {
				yield(Object{}, s.fail("list", l.Prefix, o.Err))
				return
			}
			key, ok := strings.CutPrefix(o.Key, s.prefix)
			if !ok || !ValidKey(strings.TrimSuffix(key, "/")) || strings.HasSuffix(key, "/") && !l.Folders || key <= l.After {
				continue // no key of ours: a store may hold anything
			}
			if !yield(Object{key, o.Size, strings.Trim(o.ETag, `"`)}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Object{}, err)
		}
	}
}

// Stat asks for the headers of an object.
func (s *S3) Stat(ctx context.Context, key string) (Object, error) {
	if err := checkKey(key); err != nil {
		return Object{}, err
	}
	ctx, cancel := s.bounded(ctx, 0)
	defer cancel()
	o, err := s.core.StatObject(ctx, s.bucket, s.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return Object{}, s.fail("stat", key, err)
	}
	return Object{key, o.Size, strings.Trim(o.ETag, `"`)}, nil
}

// Delete removes the object.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx, 0)
	defer cancel()
	err := s.fail("delete", key, s.core.RemoveObject(ctx, s.bucket, s.prefix+key, minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fail says which object a request was about, and what the error means.
func (s *S3) fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	answer := minio.ToErrorResponse(err)
	kind := error(nil)
	switch {
	case answer.Code == minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket s3://%s: %w", s.bucket, fs.ErrNotExist)
	case answer.StatusCode == http.StatusNotFound || answer.Code == minio.NoSuchKey:
		kind = fs.ErrNotExist
	case answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized || answer.Code == minio.AccessDenied:
		return fmt.Errorf("%s s3://%s/%s: %w: %s", op, s.bucket, s.prefix+key, fs.ErrPermission, cmp.Or(answer.Code, answer.Message))
	case answer.Code == minio.PreconditionFailed && op == "read":
		kind = ErrChanged
	default:
		return fmt.Errorf("%s s3://%s/%s: %w", op, s.bucket, s.prefix+key, err)
	}
	return &fs.PathError{Op: op, Path: fmt.Sprintf("s3://%s/%s", s.bucket, s.prefix+key), Err: kind}
}
