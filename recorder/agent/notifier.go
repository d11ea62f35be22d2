package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
)

// Notifier tells others about segments that were cut because a verdict broke or an
// alert fired: a summary of three lines to a webhook, and an annotation to Grafana.
// It tries again for some minutes, holds a bounded number of messages, and nothing
// waits for it. Texts come from the recording, which is redacted.
type Notifier struct {
	Webhook string // gets {"text": ...}, as Slack and Mattermost take it; it may be a secret, and stands in no message
	Grafana string // the address of Grafana
	Token   string // of a service account of Grafana that may write annotations
	Fetch   string // what svcspy fetch reads the cluster from
	Client  *http.Client
	Metric  *Metrics
	Warn    func(format string, args ...any)
	Pause   func(attempt int) time.Duration // before the next attempt; nil for the usual

	webhook, grafana chan message
}

// message is a request that is to be sent.
type message struct {
	target, url, token string
	body               []byte
}

const (
	mostMessages    = 32 // that wait for a target
	messageAttempts = 8
	messageTimeout  = 10 * time.Second
)

// open makes the Notifier ready for messages.
func (n *Notifier) open() {
	n.webhook, n.grafana = make(chan message, mostMessages), make(chan message, mostMessages)
	if n.Client == nil {
		n.Client = &http.Client{Timeout: messageTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if n.Pause == nil {
		n.Pause = func(attempt int) time.Duration {
			d := min(time.Second<<attempt, time.Minute)
			return d/2 + rand.N(d)
		}
	}
}

// run sends messages until ctx ends. Each target has its own order.
func (n *Notifier) run(ctx context.Context) {
	var sending sync.WaitGroup
	for _, queue := range []chan message{n.webhook, n.grafana} {
		sending.Go(func() {
			for {
				select {
				case m := <-queue:
					n.deliver(ctx, m)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	sending.Wait()
}

// segment has the targets told about a segment. It does not wait.
func (n *Notifier) segment(s *segment.Summary) {
	lines := summaryLines(s, n.Fetch)
	if n.Webhook != "" {
		n.queue(n.webhook, message{target: "webhook", url: n.Webhook}, map[string]any{"text": strings.Join(lines, "\n")})
	}
	if n.Grafana != "" {
		tags := []string{"svcspy", s.Cluster}
		for i := range s.Services {
			if c := &s.Services[i]; len(tags) < 12 && bad(c) {
				tags = append(tags, c.Namespace+"/"+c.Name)
			}
		}
		n.queue(n.grafana, message{target: "grafana", url: strings.TrimSuffix(n.Grafana, "/") + "/api/annotations", token: n.Token},
			map[string]any{"time": noticed(s).UnixMilli(), "tags": tags, "text": strings.Join(lines, "\n")})
	}
}

func (n *Notifier) queue(to chan message, m message, body any) {
	var err error
	if m.body, err = json.Marshal(body); err == nil {
		select {
		case to <- m:
			return
		default:
		}
	}
	n.Metric.notified(m.target, "dropped")
}

// deliver sends one message, again and again while that can help.
func (n *Notifier) deliver(ctx context.Context, m message) {
	for attempt := 0; ; attempt++ {
		again, err := n.send(ctx, m)
		if err == nil {
			n.Metric.notified(m.target, "sent")
			return
		}
		if !again || attempt+1 == messageAttempts || ctx.Err() != nil {
			n.Metric.notified(m.target, "failed")
			if ctx.Err() == nil {
				n.Warn("%s was not told about a segment: %v", m.target, err)
			}
			return
		}
		pause(ctx, n.Pause(attempt))
	}
}

// send reports, with the error, whether another attempt can help.
func (n *Notifier) send(ctx context.Context, m message) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, messageTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return false, errors.New("its address is not valid") // the address may be a secret
	}
	q.Header.Set("Content-Type", "application/json")
	if m.token != "" {
		q.Header.Set("Authorization", "Bearer "+m.token)
	}
	answer, err := n.Client.Do(q)
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if err != nil {
		return true, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection is used again
	_ = answer.Body.Close()
	switch code := answer.StatusCode; {
	case code/100 == 2:
		return false, nil
	default:
		return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout, fmt.Errorf("it answered %d", code)
	}
}

// bad reports whether traffic to a Service was lost at the end of a segment.
func bad(c *segment.Course) bool {
	rank := verdict.Rank(analyzer.State(c.Verdicts[len(c.Verdicts)-1].State))
	return rank >= 0 && rank <= verdict.Rank(analyzer.PartiallyServing)
}

// noticed is when what a segment was cut for began.
func noticed(s *segment.Summary) time.Time {
	at := time.Time{}
	earlier := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	for i := range s.Services {
		if c := &s.Services[i]; bad(c) {
			earlier(c.Verdicts[len(c.Verdicts)-1].From)
		}
	}
	if at.IsZero() {
		for i := range s.Alerts {
			if s.Alerts[i].End.IsZero() {
				earlier(s.Alerts[i].Start)
			}
		}
	}
	if at.IsZero() || at.After(s.End) {
		return s.End
	}
	return at
}

// around is how much of the time before what was noticed the command to run fetches.
const around = 10 * time.Minute

// summaryLines says in three lines what a segment was cut for: what does not serve,
// which alerts fire, and what to run.
func summaryLines(s *segment.Summary, fetch string) []string {
	// Chats read <...> as a command or a link.
	plain := strings.NewReplacer("<", "‹", ">", "›").Replace
	services := fmt.Sprintf("%s: all %d Services serve", s.Cluster, s.Healthy)
	count := 0
	for i := range s.Services {
		c := &s.Services[i]
		if !bad(c) {
			continue
		}
		if count++; count == 1 {
			v := c.Verdicts[len(c.Verdicts)-1]
			services = fmt.Sprintf("%s: %s/%s %s since %s: %s", s.Cluster, c.Namespace, c.Name, v.State, when.Format(v.From.Truncate(time.Second)), v.Headline)
		}
	}
	if count > 1 {
		services += fmt.Sprintf(" (and %d more Services)", count-1)
	}
	alerts, count := "no alert fires", 0
	for i := range s.Alerts {
		if a := &s.Alerts[i]; a.End.IsZero() {
			if count++; count == 1 {
				alerts = "alert " + a.Name + " fires since " + when.Format(a.Start.Truncate(time.Second))
				if a.Link != "" {
					alerts += " " + a.Link
				}
			}
		}
	}
	if count > 1 {
		alerts += fmt.Sprintf(" (and %d more)", count-1)
	}
	at := noticed(s)
	return []string{plain(services), plain(alerts), fmt.Sprintf("svcspy fetch %s --since %s -f incident.db", fetch, at.Add(-around).UTC().Truncate(time.Second).Format(time.RFC3339))}
}
