package alert

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrUnknown is returned for what none of the three sends.
var ErrUnknown = errors.New("it is no request of Alertmanager (webhook version 4), Grafana alerting or PagerDuty (webhooks v3)")

// webhook is the request of Alertmanager, version 4, and of Grafana, which has the
// same fields and more.
type webhook struct {
	Version string          `json:"version"`
	Title   json.RawMessage `json:"title"` // Grafana only
	Alerts  []struct {
		Status       string            `json:"status"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
		PanelURL     string            `json:"panelURL"`
		DashboardURL string            `json:"dashboardURL"`
		Fingerprint  string            `json:"fingerprint"`
	} `json:"alerts"`
}

// incident is the request of PagerDuty's webhooks v3.
type incident struct {
	Type       string    `json:"event_type"`
	Resource   string    `json:"resource_type"`
	OccurredAt time.Time `json:"occurred_at"`
	Data       struct {
		ID        string    `json:"id"`
		Title     string    `json:"title"`
		Link      string    `json:"html_url"`
		CreatedAt time.Time `json:"created_at"`
		Urgency   string    `json:"urgency"`
		Service   struct {
			Summary string `json:"summary"`
		} `json:"service"`
		Priority struct {
			Summary string `json:"summary"`
		} `json:"priority"`
	} `json:"data"`
}

// Parse reads the body of a request. It returns no Alert and no error for what says
// nothing new of one, such as that somebody acknowledged it. The error is ErrUnknown
// for JSON that none of the three sends.
func Parse(body []byte) ([]Alert, error) {
	var is struct {
		Event  json.RawMessage `json:"event"`
		Alerts json.RawMessage `json:"alerts"`
	}
	if err := json.Unmarshal(body, &is); err != nil {
		return nil, fmt.Errorf("read an alert: %w", err)
	}
	switch {
	case len(is.Alerts) > 0 && is.Alerts[0] == '[':
		return parseWebhook(body)
	case len(is.Event) > 0 && is.Event[0] == '{':
		return parseIncident(is.Event)
	}
	return nil, ErrUnknown
}

func parseWebhook(body []byte) ([]Alert, error) {
	var w webhook
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("read an alert: %w", err)
	}
	source := Alertmanager
	switch {
	case len(w.Title) > 0 || w.Version == "1":
		source = Grafana
	case w.Version != "4":
		return nil, fmt.Errorf("version %q: %w", w.Version, ErrUnknown)
	}
	all := make([]Alert, 0, len(w.Alerts))
	for _, from := range w.Alerts {
		if !plausible(from.StartsAt) {
			return nil, fmt.Errorf("an alert without startsAt: %w", ErrUnknown)
		}
		a := Alert{
			Source: source, Fingerprint: clean(from.Fingerprint, longestKey), Name: clean(from.Labels["alertname"], longestName), Start: from.StartsAt.UTC(),
			Link: cleanLink(cmp.Or(from.PanelURL, from.DashboardURL, from.GeneratorURL)), Summary: clean(cmp.Or(from.Annotations["summary"], from.Annotations["message"], from.Annotations["description"]), longestSummary),
		}
		a.setLabels(from.Labels)
		if a.Fingerprint == "" {
			a.Fingerprint = fingerprint(from.Labels)
		}
		if from.Status == "resolved" {
			a.end(from.EndsAt)
		}
		all = append(all, a.named())
	}
	return all, nil
}

func parseIncident(data []byte) ([]Alert, error) {
	var e incident
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("read an incident: %w", err)
	}
	if e.Type == "" {
		return nil, ErrUnknown
	}
	ended := e.Type == "incident.resolved"
	if e.Resource != "incident" || !ended && e.Type != "incident.triggered" && e.Type != "incident.reopened" {
		return nil, nil
	}
	if clean(e.Data.ID, longestKey) == "" || !plausible(e.Data.CreatedAt) {
		return nil, fmt.Errorf("an incident without id or created_at: %w", ErrUnknown)
	}
	a := Alert{
		Source: PagerDuty, Fingerprint: clean(e.Data.ID, longestKey), Name: clean(e.Data.Title, longestName), Link: cleanLink(e.Data.Link), Start: e.Data.CreatedAt.UTC(),
	}
	labels := map[string]string{}
	for name, value := range map[string]string{"pagerduty_service": e.Data.Service.Summary, "priority": e.Data.Priority.Summary, "urgency": e.Data.Urgency} {
		if value != "" {
			labels[name] = value
		}
	}
	a.setLabels(labels)
	switch {
	case ended:
		a.end(e.OccurredAt)
	case e.Type == "incident.reopened" && e.OccurredAt.After(a.Start) && plausible(e.OccurredAt): // it fires once more
		a.Start = e.OccurredAt.UTC()
	}
	return []Alert{a.named()}, nil
}

// plausible reports whether something can have happened then. What is not can have no
// form in JSON either, in another zone.
func plausible(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 9000 }

// end says when the Alert ended.
func (a *Alert) end(at time.Time) {
	if a.End = at.UTC(); at.Before(a.Start) || !plausible(at) {
		a.End = a.Start
	}
}

// named returns the Alert with a name.
func (a *Alert) named() Alert {
	if a.Name == "" {
		a.Name = "unnamed"
	}
	return *a
}
