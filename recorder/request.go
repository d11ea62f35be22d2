package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusal is a Status the API server answered with, either in place of what
// was asked for or as an ERROR event in the middle of a watch.
type refusal struct {
	code       int
	reason     metav1.StatusReason
	message    string
	retryAfter time.Duration // 0: the server did not say
}

// Status returns the refusal as an API server says it
// (k8s.io/apimachinery/pkg/api/errors.APIStatus).
func (r *refusal) Status() metav1.Status {
	return metav1.Status{Status: metav1.StatusFailure, Code: int32(r.code), Reason: r.reason, Message: r.Error()}
}

func (r *refusal) Error() string {
	if r.message == "" {
		return fmt.Sprintf("%d %s", r.code, http.StatusText(r.code))
	}
	return r.message
}

// expired reports whether the resourceVersion that was asked for is no longer
// known to the server.
func (r *refusal) expired() bool {
	return r.code == http.StatusGone || r.reason == metav1.StatusReasonExpired || r.reason == metav1.StatusReasonGone
}

func newRefusal(s *metav1.Status) *refusal {
	r := &refusal{code: int(s.Code), reason: s.Reason, message: s.Message}
	if s.Details != nil {
		r.retryAfter = retryAfter(int64(s.Details.RetryAfterSeconds))
	}
	return r
}

// longestRetryAfter bounds what is obeyed: a number gone wrong must not end a
// stream.
const longestRetryAfter = time.Hour

// retryAfter is what a server asks for in seconds, which may be any number.
func retryAfter(seconds int64) time.Duration {
	return time.Duration(min(max(seconds, 0), int64(longestRetryAfter/time.Second))) * time.Second
}

// largestStatus bounds what is read of a refusal's body.
const largestStatus = 64 << 10

// getAs sends a GET of what a client accepts and returns the body of a 200. It
// compresses lists, which may come from far away, but not watches: a compressed watch
// holds events back until a block is full.
func (a *client) getAs(ctx context.Context, path, accept string, query url.Values) (*http.Response, error) {
	return a.getWith(ctx, path, http.Header{"Accept": {accept}}, query)
}

// getWith is getAs with headers.
func (a *client) getWith(ctx context.Context, path string, header http.Header, query url.Values) (*http.Response, error) {
	u := *a.base
	u.Path = a.base.JoinPath(path).Path
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header = header
	if query.Get("watch") != "" {
		request.Header.Set("Accept-Encoding", "identity")
	}
	response, err := a.http.Do(request)
	if err != nil {
		// The URL says nothing that the ledger does not, and hides the reason.
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	return nil, readRefusal(response)
}

func readRefusal(response *http.Response) error {
	refused := &refusal{code: response.StatusCode}
	body, err := io.ReadAll(io.LimitReader(response.Body, largestStatus))
	if err != nil {
		return fmt.Errorf("read answer %s: %w", response.Status, err)
	}
	// A proxy or an overloaded server answers in plain text.
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" {
		refused = newRefusal(&status)
		refused.code = response.StatusCode
	}
	if s, err := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 64); err == nil {
		refused.retryAfter = retryAfter(s)
	}
	return refused
}
