package audit

import (
	"encoding/json"
	"strings"

	"github.com/svcspy/svcspy/store/rawjson"
)

// quote returns a text as JSON.
func quote(s string) string {
	quoted, _ := json.Marshal(s) // a text can be encoded
	return string(quoted)
}

// googleEntry reads an entry of Cloud Logging, whose payload has the same facts
// under other names: methodName io.k8s.core.v1.pods.create, resourceName
// core/v1/namespaces/NS/pods/NAME/SUBRESOURCE. There is one entry for a request.
func googleEntry(raw []byte) (*event, bool) {
	c := rawjson.Cursor{Text: raw}
	e := &event{stage: "ResponseComplete", hasRef: true, code: 200}
	var method, resource, service string
	payload := false
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "insertId":
			e.id = text(&c)
		case "timestamp":
			e.staged = instant(&c)
		case "protoPayload":
			if c.Peek() != '{' {
				c.Skip()
				continue
			}
			payload = true
			for c.Enter('{'); c.More('}'); {
				switch string(c.Key()) {
				case "serviceName":
					service = text(&c)
				case "methodName":
					method = text(&c)
				case "resourceName":
					resource = text(&c)
				case "authenticationInfo":
					e.user = member(&c, "principalEmail")
				case "requestMetadata":
					e.caller(&c)
				case "request":
					e.request = value(&c)
				case "response":
					e.response = value(&c)
				case "status":
					e.google(&c)
				default:
					c.Skip()
				}
			}
		default:
			c.Skip()
		}
	}
	if c.Err() != nil || !payload || service != "k8s.io" && !strings.HasPrefix(method, "io.k8s.") && !strings.Contains(method, ".k8s.") {
		return nil, false
	}
	e.method(method, resource)
	return e, true
}

func (e *event) caller(c *rawjson.Cursor) {
	if c.Peek() != '{' {
		c.Skip()
		return
	}
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "callerIp":
			e.addresses = []string{text(c)}
		case "callerSuppliedUserAgent":
			e.agent = text(c)
		default:
			c.Skip()
		}
	}
}

// google reads a google.rpc.Status, whose code is one of gRPC's.
func (e *event) google(c *rawjson.Cursor) {
	if c.Peek() != '{' {
		c.Skip()
		return
	}
	code := 0
	for c.Enter('{'); c.More('}'); {
		switch string(c.Key()) {
		case "code":
			code = number(c)
		case "message":
			e.message = text(c)
		default:
			c.Skip()
		}
	}
	// https://cloud.google.com/apis/design/errors has the pairs.
	codes := map[int]int{0: 200, 3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 422, 10: 409, 13: 500, 14: 503, 16: 401}
	var known bool
	if e.code, known = codes[code]; !known {
		e.code = 500
	}
}

// method takes verb, resource and names apart.
func (e *event) method(method, resource string) {
	if i := strings.LastIndexByte(method, '.'); i >= 0 {
		e.verb = method[i+1:]
	}
	parts := strings.Split(resource, "/")
	if len(parts) < 3 {
		e.hasRef = false
		return
	}
	if e.group, e.version = parts[0], parts[1]; e.group == "core" {
		e.group = ""
	}
	parts = parts[2:]
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "finalize" && parts[2] != "status" {
		e.namespace, parts = parts[1], parts[2:]
	}
	for i, to := range []*string{&e.resource, &e.name, &e.subresource} {
		if i < len(parts) {
			*to = parts[i]
		}
	}
}
