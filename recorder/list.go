package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store"
)

// list lists page by page, for servers without watch-lists, and says it in
// the words of one: RELIST, ADDED for each object, and the bookmark that ends
// it. A list whose continue token has expired begins again; the third attempt
// asks for everything at once, which cannot expire.
func (s *stream) list(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		limit := pageSize
		if attempt == 3 {
			limit = 0
		}
		err := s.pages(ctx, limit)
		var refused *refusal
		if attempt < 3 && errors.As(err, &refused) && refused.expired() {
			continue
		}
		return err
	}
}

func (s *stream) pages(ctx context.Context, limit int) error {
	query := url.Values{}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	for first := true; ; first = false {
		page, err := s.page(ctx, query, first)
		if err != nil {
			return err
		}
		if page.Continue != "" {
			query.Set("continue", page.Continue)
			continue
		}
		if page.ResourceVersion == "" {
			return errors.New("list without a resourceVersion")
		}
		s.queue.event(s.scope, store.Event{
			Type: watch.Bookmark, Resource: s.scope.resource.gvr, Namespace: s.scope.namespace,
			ResourceVersion: page.ResourceVersion,
			Object:          listEnd(s.scope.resource, page.ResourceVersion),
		})
		s.stand(page.ResourceVersion)
		return nil
	}
}

// listMeta is the metadata of one page.
type listMeta struct {
	ResourceVersion string `json:"resourceVersion"`
	Continue        string `json:"continue"`
}

// page reads one page, object by object: a page may be larger than all that
// the recorder is willing to hold.
func (s *stream) page(ctx context.Context, query url.Values, first bool) (listMeta, error) {
	var meta listMeta
	body, err := s.get(ctx, query)
	if err != nil {
		return meta, err
	}
	defer body.Close()
	if first {
		s.begin()
	}
	bounded := &boundedReader{r: body}
	d := json.NewDecoder(bounded)
	if err := expect(d, '{'); err != nil {
		return meta, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return meta, fmt.Errorf("read list: %w", noEOF(err))
		}
		switch key {
		case "metadata":
			err = d.Decode(&meta)
		case "items":
			err = s.items(d, bounded)
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return meta, fmt.Errorf("read list: %w", noEOF(err))
		}
	}
	return meta, expect(d, '}')
}

// ask returns the resourceVersion the API server is at, which is newer than
// everything that had happened to the collection before; "" if it does not say
// so at once. Of the list only the head is read.
func (s *stream) ask(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, s.limits.settle)
	defer cancel()
	body, err := s.get(ctx, url.Values{"limit": {"1"}})
	if err != nil {
		return ""
	}
	defer body.Close()
	d := json.NewDecoder(&boundedReader{r: body})
	if expect(d, '{') != nil {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ""
		}
		if key == "metadata" {
			var meta listMeta
			_ = d.Decode(&meta) // no metadata, no answer
			return meta.ResourceVersion
		}
		if d.Decode(new(json.RawMessage)) != nil {
			return ""
		}
	}
	return ""
}

func (s *stream) items(d *json.Decoder, bounded *boundedReader) error {
	start, err := d.Token()
	if err != nil || start == nil { // null: a list of nothing
		return err
	}
	if start != json.Delim('[') {
		return errors.New("items are not a list")
	}
	for d.More() {
		bounded.read = 0
		var item json.RawMessage
		if err := d.Decode(&item); err != nil {
			return err
		}
		if len(item) == 0 || item[0] != '{' {
			return errors.New("an item is not an object")
		}
		meta, err := scanMetadata(item, s.scope.resource.namespaced)
		if err != nil {
			return err
		}
		if !meta.typed {
			item = typed(s.scope.resource, item)
		}
		if _, err := s.hear(watch.Added, item); err != nil {
			return err
		}
	}
	return expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	switch got, err := d.Token(); {
	case err != nil:
		return fmt.Errorf("read list: %w", noEOF(err))
	case got != want:
		return fmt.Errorf("read list: expected %v", want)
	}
	return nil
}

// noEOF turns the end of the body inside a list into what it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// boundedReader refuses to deliver more than largestText bytes for one object.
type boundedReader struct {
	r    io.Reader
	read int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.read > largestText {
		return 0, fmt.Errorf("%w: more than %d MiB", errTooLarge, largestText>>20)
	}
	n, err := b.r.Read(p)
	b.read += n
	return n, err
}
