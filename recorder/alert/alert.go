// Package alert reads what Alertmanager, Grafana and PagerDuty send when something
// fires. There is one type, Alert; Parse reads a request of any of the three.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Sources of an Alert.
const (
	Alertmanager = "Alertmanager"
	Grafana      = "Grafana"
	PagerDuty    = "PagerDuty"
)

// Alert is something that fires, or did. Its texts are bounded, have no line breaks
// and are valid UTF-8, but they are hostile: whoever can write a rule or an object
// chooses them.
type Alert struct {
	Source string `json:"source"` // Alertmanager, Grafana or PagerDuty
	// Fingerprint and Start identify the Alert: it is the digest of the labels, or
	// the ID of the incident.
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"` // of the object that it is about, as far as labels say
	Service     string            `json:"service,omitempty"`   // that it is about, with Namespace
	Labels      map[string]string `json:"labels,omitempty"`
	Summary     string            `json:"summary,omitempty"`
	Link        string            `json:"link,omitempty"` // http or https, without credentials
	Start       time.Time         `json:"start"`
	End         time.Time         `json:"end,omitzero"` // zero while it fires
}

// Key is equal for the same Alert, however often and by whomever it is sent.
func (a *Alert) Key() string { return a.Fingerprint + "@" + a.Start.UTC().Format(time.RFC3339Nano) }

// Bounds of texts, in bytes.
const (
	longestName, longestValue, longestSummary, longestLink = 128, 256, 400, 512
	// mostLabels bounds the labels together: an Alert stands in the summary of each
	// segment during which it fires.
	mostLabels = 1536
	longestKey = 64
)

// clean bounds a text and takes line breaks out of it.
func clean(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= most {
		return text
	}
	end := most - len("...")
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

// object is the form of names of Namespaces and Services.
var object = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) })

// Labels that name the namespace and the Service, the best first. Prometheus puts
// exported_ before a label of the target that its own label would hide: then the
// target, which knows what it talks about, means the former.
var (
	namespaceLabels = []string{"exported_namespace", "namespace", "k8s_namespace_name", "kubernetes_namespace", "kube_namespace"}
	serviceLabels   = []string{"exported_service", "service", "k8s_service_name", "kubernetes_service", "kube_service", "svc"}
)

// exporters are Services whose metrics are about other objects. What they report has
// the namespace of the object, but their own name as the label service.
var exporters = []string{"kube-state-metrics", "prometheus-node-exporter", "node-exporter", "kubelet", "blackbox-exporter"}

// subject returns the namespace and the Service that labels are about, "" for what
// they do not say.
func subject(labels map[string]string) (namespace, service string) {
	first := func(names []string) string {
		for _, name := range names {
			if object().MatchString(labels[name]) {
				return labels[name]
			}
		}
		return ""
	}
	namespace = first(namespaceLabels)
	if namespace == "" {
		return "", ""
	}
	service = first(serviceLabels)
	if service == labels["service"] && slices.ContainsFunc(exporters, func(e string) bool {
		return service == e || strings.HasSuffix(service, "-"+e) || labels["job"] == e
	}) {
		service = ""
	}
	return namespace, service
}

// setLabels takes over labels, as many as fit, by name.
func (a *Alert) setLabels(labels map[string]string) {
	a.Namespace, a.Service = subject(labels)
	room := mostLabels
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		key, value := clean(name, longestKey), clean(labels[name], longestValue)
		if room -= len(key) + len(value); room < 0 || key == "" || name == "alertname" {
			continue
		}
		if a.Labels == nil {
			a.Labels = map[string]string{}
		}
		a.Labels[key] = value
	}
}

// harmless are the parameters of links that name what is to be seen.
var harmless = []string{"g0.expr", "g0.tab", "orgId", "viewPanel"}

// cleanLink returns an address without credentials and without parameters that could
// be such; "" for what is none.
func cleanLink(text string) string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(text) > 4*longestLink {
		return ""
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	query := url.Values{}
	for name, values := range u.Query() {
		if slices.Contains(harmless, name) {
			query[name] = values[:1]
		}
	}
	u.RawQuery = query.Encode()
	if link := u.String(); len(link) <= longestLink {
		return link
	}
	u.RawQuery = ""
	if link := u.String(); len(link) <= longestLink {
		return link
	}
	return ""
}

// fingerprint stands for labels where the sender has none.
func fingerprint(labels map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(h, "%d %s %d %s\n", len(name), name, len(labels[name]), labels[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Redact replaces in all texts what looks like a secret. text gets one text at a
// time, a label as NAME=VALUE. Names of objects stay.
func (a *Alert) Redact(text func(string) string) {
	a.Name, a.Summary, a.Link = clean(text(a.Name), longestName), clean(text(a.Summary), longestSummary), cleanLink(text(a.Link))
	for name, value := range a.Labels {
		if slices.Contains(objectLabels, name) && subdomain().MatchString(value) {
			continue
		}
		value, whole := strings.CutPrefix(text(name+"="+value), name+"=")
		if !whole {
			delete(a.Labels, name)
			continue
		}
		a.Labels[name] = clean(value, longestValue)
	}
}

var (
	subdomain    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`) })
	objectLabels = slices.Concat(namespaceLabels, serviceLabels, []string{
		"pod", "exported_pod", "container", "exported_container", "node", "deployment", "statefulset", "daemonset", "replicaset", "job_name",
		"cronjob", "persistentvolumeclaim", "persistentvolume", "endpoint", "job", "ingress", "horizontalpodautoscaler", "poddisruptionbudget",
	})
)

// Words says in one line that the Alert fires, as the text of a mark.
func (a *Alert) Words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "alert %s fires since %s", a.Name, a.Start.UTC().Format(time.RFC3339))
	if a.Service != "" {
		fmt.Fprintf(&b, ": Service %s/%s", a.Namespace, a.Service)
	} else if a.Namespace != "" {
		fmt.Fprintf(&b, ": namespace %s", a.Namespace)
	}
	if a.Summary != "" {
		fmt.Fprintf(&b, "; %s", a.Summary)
	}
	if len(a.Labels) > 0 {
		b.WriteString("; labels")
		for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
			fmt.Fprintf(&b, " %s=%q", name, a.Labels[name])
		}
	}
	fmt.Fprintf(&b, "; %s fingerprint %s", a.Source, a.Fingerprint)
	if a.Link != "" {
		fmt.Fprintf(&b, "; %s", a.Link)
	}
	return clean(b.String(), longestWords)
}

// longestWords is the longest text of a mark.
const longestWords = 4096

// EndWords says that the Alert is resolved.
func (a *Alert) EndWords() string {
	return fmt.Sprintf("alert %s is resolved, fired since %s; %s fingerprint %s", a.Name, a.Start.UTC().Format(time.RFC3339), a.Source, a.Fingerprint)
}
