// Package audit reads audit logs of kube-apiserver: audit.k8s.io Events as lines
// of JSON, and what clouds and collectors wrap around them.
package audit

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/store/rawjson"
)

// Format reads audit logs.
var Format = importer.Format{
	Name:  "audit",
	Title: "an audit log of kube-apiserver (also from EKS, GKE, AKS, Loki, Elastic)",
	Match: match,
	Read: func(in *importer.Input) error {
		return in.EachUnit(parseUnit)
	},
}

// match looks for what each audit event has; in a wrapper it may be quoted.
func match(_ string, head []byte) bool {
	for _, words := range [][]string{{"audit.k8s.io/"}, {"auditID", "requestURI"}, {"protoPayload", "k8s.io"}, {"auditID", "stage"}} {
		found := true
		for _, word := range words {
			found = found && bytes.Contains(head, []byte(word))
		}
		if found {
			return true
		}
	}
	return false
}

// event is what is read of an audit event. Raw members are parts of the text.
type event struct {
	id, stage, level, verb, uri string
	user, impersonated          string
	addresses                   []string
	agent                       string
	resource, subresource       string
	group, version              string
	namespace, name, uid        string
	hasRef                      bool
	code                        int
	status, reason, message     string
	detailsName                 string
	request, response           []byte
	received, staged            time.Time
	truncated                   bool
	cut                         bool // the line ends in the middle
}

// parseUnit reads one line: an audit event, or something with audit events in it.
func parseUnit(unit []byte, out *importer.Output) {
	unit = bytes.TrimSpace(unit)
	unit = bytes.TrimPrefix(unit, []byte("\ufeff"))
	if len(unit) == 0 {
		return
	}
	if unit[0] != '{' && unit[0] != '[' {
		// syslog and docker put words in front of the JSON.
		if i := bytes.IndexByte(unit, '{'); i > 0 && bytes.Contains(unit, []byte("auditID")) {
			unit = unit[i:]
		} else {
			out.Hole("a line that is no JSON")
			return
		}
	}
	if rawjson.Check(unit) != nil {
		cut(unit, time.Time{}, out)
		return
	}
	if !dig(unit, 0, time.Time{}, out) {
		out.Hole("a line without an audit event in it")
	}
}

// cut reads what there is of a line that ends in the middle: collectors cut long
// lines. What the beginning tells is that something was written; when, only the
// wrapper can tell, as times stand at the end.
func cut(unit []byte, at time.Time, out *importer.Output) {
	out.Hole("a line that is cut off or no JSON")
	var e event
	e.read(unit)
	if e.verb != "" && !writes(e.verb) {
		return
	}
	e.response, e.request, e.truncated, e.cut = nil, nil, true, true
	if e.staged.IsZero() {
		e.staged = at
	}
	if !e.hasRef {
		e.byPath()
	}
	if e.verb == "" {
		e.verb = "update"
	}
	e.hasRef = true
	e.send(out)
}

// byPath takes the resource from the path of the request.
func (e *event) byPath() {
	path, _, _ := strings.Cut(e.uri, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		e.version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		e.group, e.version, parts = parts[1], parts[2], parts[3:]
	default:
		return
	}
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		e.namespace, parts = parts[1], parts[2:]
	}
	for i, to := range []*string{&e.resource, &e.name, &e.subresource} {
		if i < len(parts) {
			*to = parts[i]
		}
	}
}

// lastTime returns the time at the end of an event whose rest was not read.
func lastTime(text []byte) time.Time {
	const key = `"stageTimestamp":"`
	i := bytes.LastIndex(text, []byte(key))
	if i < 0 {
		return time.Time{}
	}
	value, _, _ := bytes.Cut(text[i+len(key):], []byte(`"`))
	t, _ := time.Parse(time.RFC3339Nano, string(value))
	return t.UTC()
}

// deepest is how many wrappers are opened.
const deepest = 8

// dig looks for audit events in a value, at any depth, also in quoted JSON. Time
// is that of the wrapper.
func dig(text []byte, depth int, at time.Time, out *importer.Output) bool {
	if depth > deepest {
		return false
	}
	c := rawjson.Cursor{Text: text}
	switch c.Peek() {
	case '{':
	case '[':
		found := false
		for c.Enter('['); c.More(']'); {
			if v := value(&c); dig(v, depth+1, at, out) {
				found = true
			}
		}
		return found
	case '"':
		quoted, _ := c.Quoted()
		if !bytes.Contains(quoted, []byte("auditID")) && !bytes.Contains(quoted, []byte("audit.k8s.io")) && !bytes.Contains(quoted, []byte("k8s.io")) {
			return false
		}
		c = rawjson.Cursor{Text: text}
		inner := []byte(strings.TrimSpace(c.String()))
		if len(inner) == 0 || inner[0] != '{' && inner[0] != '[' {
			return false
		}
		if rawjson.Check(inner) != nil {
			cut(inner, at, out)
			return true
		}
		return dig(inner, depth+1, at, out)
	default:
		return false
	}
	var e event
	if e.read(text) {
		if e.staged.IsZero() {
			e.staged = lastTime(text)
		}
		if e.staged.IsZero() {
			e.staged = at
		}
		out.Alive(e.staged)
		e.send(out)
		return true
	}
	if entry, is := googleEntry(text); is {
		out.Alive(entry.staged)
		entry.send(out)
		return true
	}
	found := false
	for c.Enter('{'); c.More('}'); {
		switch key := string(c.Key()); key {
		case "time", "timestamp", "@timestamp":
			if n := c.Peek(); n >= '0' && n <= '9' { // of CloudWatch, in milliseconds
				if ms, err := strconv.ParseInt(string(value(&c)), 10, 64); err == nil && ms > 1e12 && ms < 1e13 {
					at = time.UnixMilli(ms).UTC()
				}
				continue
			}
			if c.Peek() == '"' {
				if t, err := time.Parse(time.RFC3339Nano, c.String()); err == nil {
					at = t
				}
				continue
			}
		}
		switch c.Peek() {
		case '{', '[', '"':
			if dig(value(&c), depth+1, at, out) {
				found = true
			}
		default:
			c.Skip()
		}
	}
	return found
}

// value consumes a value and returns it as it stands.
func value(c *rawjson.Cursor) []byte {
	c.Peek()
	at := c.At
	c.Skip()
	if c.Err() != nil {
		return nil
	}
	return c.Text[at:c.At]
}

func texts(c *rawjson.Cursor) []string {
	if c.Peek() != '[' {
		c.Skip()
		return nil
	}
	var all []string
	for c.Enter('['); c.More(']'); {
		if c.Peek() == '"' && len(all) < 16 {
			all = append(all, c.String())
		} else {
			c.Skip()
		}
	}
	return all
}

func text(c *rawjson.Cursor) string {
	if c.Peek() != '"' {
		c.Skip()
		return ""
	}
	return c.String()
}

func instant(c *rawjson.Cursor) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text(c))
	return t.UTC()
}

// read reads an audit event and reports whether the text is one. Of a text that
// is cut off it reads what there is.
func (e *event) read(unit []byte) bool {
	c := rawjson.Cursor{Text: unit}
	kind, version := "", ""
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "kind":
			kind = text(&c)
		case "apiVersion":
			version = text(&c)
		case "auditID":
			e.id = text(&c)
		case "level":
			e.level = text(&c)
		case "stage":
			e.stage = text(&c)
		case "verb":
			if e.verb = text(&c); !writes(e.verb) && e.id != "" && (kind == "Event" || e.stage != "") {
				return true // the rest does not matter
			}
		case "requestURI":
			e.uri = text(&c)
		case "user":
			e.user = member(&c, "username")
		case "impersonatedUser":
			e.impersonated = member(&c, "username")
		case "sourceIPs":
			e.addresses = texts(&c)
		case "userAgent":
			e.agent = text(&c)
		case "objectRef":
			e.reference(&c)
		case "responseStatus":
			e.answer(&c)
		case "requestObject":
			e.request = value(&c)
		case "responseObject":
			e.response = value(&c)
		case "requestReceivedTimestamp":
			e.received = instant(&c)
		case "stageTimestamp":
			e.staged = instant(&c)
		case "timestamp": // of v1alpha1 and v1beta1 before stageTimestamp
			if t := instant(&c); e.staged.IsZero() {
				e.staged = t
			}
		case "annotations":
			e.truncated = e.truncated || member(&c, "audit.k8s.io/truncated") == "true"
		default:
			c.Skip()
		}
	}
	if c.Err() != nil {
		return false
	}
	return e.id != "" && e.verb != "" && (kind == "Event" || strings.HasPrefix(version, "audit.k8s.io/") || e.stage != "")
}

// member returns a text in an object.
func member(c *rawjson.Cursor, name string) string {
	if c.Peek() != '{' {
		c.Skip()
		return ""
	}
	found := ""
	for c.Enter('{'); c.More('}'); {
		if string(c.Key()) == name {
			found = text(c)
		} else {
			c.Skip()
		}
	}
	return found
}

func (e *event) reference(c *rawjson.Cursor) {
	if c.Peek() != '{' {
		c.Skip()
		return
	}
	e.hasRef = true
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "resource":
			e.resource = text(c)
		case "subresource":
			e.subresource = text(c)
		case "apiGroup":
			e.group = text(c)
		case "apiVersion":
			e.version = text(c)
		case "namespace":
			e.namespace = text(c)
		case "name":
			e.name = text(c)
		case "uid":
			e.uid = text(c)
		default:
			c.Skip()
		}
	}
	if group, version, both := strings.Cut(e.version, "/"); both { // v1alpha1
		e.group, e.version = group, version
	}
}

// answer reads a metav1.Status.
func (e *event) answer(c *rawjson.Cursor) {
	if c.Peek() != '{' {
		c.Skip()
		return
	}
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "code":
			e.code = number(c)
		case "status":
			e.status = text(c)
		case "reason":
			e.reason = text(c)
		case "message":
			e.message = text(c)
		case "details":
			e.detailsName = member(c, "name")
		default:
			c.Skip()
		}
	}
}

func number(c *rawjson.Cursor) int {
	n := 0
	for _, d := range value(c) {
		if d < '0' || d > '9' || n > 1e6 {
			return 0
		}
		n = n*10 + int(d-'0')
	}
	return n
}

func writes(verb string) bool {
	switch verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return true
	}
	return false
}

// passing are resources whose requests store nothing.
var passing = map[string]bool{
	"subjectaccessreviews": true, "selfsubjectaccessreviews": true, "localsubjectaccessreviews": true, "selfsubjectrulesreviews": true,
	"selfsubjectreviews": true, "tokenreviews": true,
}

// send sends what the event says.
func (e *event) send(out *importer.Output) {
	switch {
	case !writes(e.verb), !e.hasRef || e.resource == "" && !e.cut, passing[e.resource]:
		return
	case e.stage != "" && e.stage != "ResponseComplete" && e.stage != "Panic":
		return
	case dry(e.uri):
		return
	}
	switch e.subresource {
	case "token", "exec", "attach", "portforward", "proxy", "log":
		return // nothing is stored, or nothing that may be seen
	}
	r := importer.Record{
		Time: e.staged, Received: e.received, Resource: schema.GroupVersionResource{Group: e.group, Version: e.version, Resource: e.resource},
		Namespace: e.namespace, Name: e.name, UID: e.uid,
	}
	if e.resource == "namespaces" && r.Name == "" {
		r.Name = r.Namespace
	}
	if e.resource == "namespaces" {
		r.Namespace = ""
	}
	if r.Time.IsZero() {
		if r.Time = e.received; r.Time.IsZero() && !e.cut {
			out.Hole("an audit event without a time")
			return
		}
	}
	request := importer.Request{
		AuditID: e.id, Verb: e.verb, Subresource: e.subresource, User: e.user, Impersonated: e.impersonated,
		Addresses: e.addresses, Agent: e.agent, Code: e.code, Reason: e.reason,
	}
	if e.code >= 300 || e.code == 0 && e.status == "Failure" {
		if refusal(e) {
			if r.Name == "" {
				r.Name = e.detailsName
			}
			request.Message = e.message
			r.Kind, r.Request = importer.Refused, &request
			out.Record(r)
		}
		return
	}
	if loud := e.resource != "events" && e.resource != "leases"; loud {
		r.Request = &request
	}
	if e.truncated {
		e.response = nil
	}
	e.written(r, out)
}

// refusal reports whether a refused request says something about the cluster. A
// conflict, an object that is there already or not any more are everyday.
func refusal(e *event) bool {
	return e.code != 409 && !(e.code == 404 && e.verb != "create") && e.resource != "events" && e.resource != "leases"
}

func dry(uri string) bool {
	_, query, found := strings.Cut(uri, "?")
	if !found || !strings.Contains(query, "dryRun") {
		return false
	}
	values, err := url.ParseQuery(query)
	return err == nil && (values.Get("dryRun") != "")
}
