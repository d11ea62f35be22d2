package agent

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/svcspy/svcspy/recorder/alert"
)

// Receiver takes alerts over HTTP: POST with what Alertmanager, Grafana or PagerDuty
// sends. It answers when the alerts outlive a crash, and never waits for a segment.
// Until an Agent has it, it answers 503, and senders try again. Every request must
// carry a secret; without Token and PagerDuty it answers 404.
type Receiver struct {
	Token     string              // of Authorization: Bearer
	PagerDuty string              // the secret with which PagerDuty signs
	Redact    func(string) string // takes secrets out of texts; nil leaves them

	agent   atomic.Pointer[Agent]
	working atomic.Int64
}

const (
	// largestAlerts bounds the body of a request.
	largestAlerts = 4 << 20
	// mostRequests is how many are read at a time.
	mostRequests = 4
)

// ServeHTTP answers one request.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	code, text, fresh, all := r.take(w, q)
	if a := r.agent.Load(); a != nil {
		a.Metric.received(code, fresh, all-fresh)
	}
	switch code {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "30")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	var answer any = map[string]int{"alerts": all, "new": fresh}
	if text != "" {
		answer = map[string]string{"error": text}
	}
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may have gone
}

// take does what a request asks for. It returns the status and, unless that is 200,
// why; fresh of all alerts were not known.
func (r *Receiver) take(w http.ResponseWriter, q *http.Request) (code int, text string, fresh, all int) {
	a := r.agent.Load()
	switch {
	case r.Token == "" && r.PagerDuty == "":
		return http.StatusNotFound, "this agent takes no alerts: it was given neither alert-token nor pagerduty-secret", 0, 0
	case q.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "alerts are sent by POST", 0, 0
	case a == nil:
		return http.StatusServiceUnavailable, "the agent is starting", 0, 0
	}
	defer r.working.Add(-1)
	if r.working.Add(1) > mostRequests {
		return http.StatusServiceUnavailable, "too many requests at a time", 0, 0
	}
	signature := q.Header.Get("X-PagerDuty-Signature")
	if signature == "" && !r.bearer(q.Header.Get("Authorization")) {
		return http.StatusUnauthorized, "the token is missing or wrong", 0, 0
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, largestAlerts))
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge, "the request is larger than 4 MiB", 0, 0
	}
	if err != nil {
		return http.StatusBadRequest, "the request ends too early", 0, 0
	}
	if signature != "" && !r.signed(signature, body) {
		return http.StatusUnauthorized, "the signature is wrong", 0, 0
	}
	alerts, err := alert.Parse(body)
	if err != nil {
		return http.StatusBadRequest, err.Error(), 0, 0
	}
	fires := false
	for i := range alerts {
		if fires = fires || alerts[i].End.IsZero(); r.Redact != nil {
			alerts[i].Redact(r.Redact)
		}
	}
	fresh, err = a.inbox.take(alerts)
	if fresh > 0 && fires {
		a.ask(alerted)
	}
	if err != nil {
		if !errors.Is(err, errFull) {
			a.Warn("alerts could not be taken, and their sender tries again: %v", err)
			return http.StatusServiceUnavailable, "the alerts cannot be written", 0, len(alerts)
		}
		return http.StatusServiceUnavailable, err.Error(), fresh, len(alerts)
	}
	return http.StatusOK, "", fresh, len(alerts)
}

// bearer reports whether a header has the token.
func (r *Receiver) bearer(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	if r.Token == "" || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	got, want := sha256.Sum256([]byte(strings.TrimSpace(token))), sha256.Sum256([]byte(r.Token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// signed reports whether one of the signatures of a header is PagerDuty's of the body:
// while its secret is replaced there are two.
func (r *Receiver) signed(header string, body []byte) bool {
	if r.PagerDuty == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(r.PagerDuty))
	mac.Write(body)
	want := mac.Sum(nil)
	for one := range strings.SplitSeq(header, ",") {
		text, is := strings.CutPrefix(strings.TrimSpace(one), "v1=")
		if got, err := hex.DecodeString(text); is && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}
