package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// canaries are secrets planted in every place that gate A looks at. CANARY in
// the object is replaced by the secret as a JSON string without its quotes,
// BASE64 by the same in base64.
var canaries = []struct {
	where    string
	resource schema.GroupVersionResource
	object   string
	secret   string
}{
	{"Secret data", secrets, `{"metadata":{"name":"s"},"data":{"k":"BASE64"}}`, "hunter2"},
	{"Secret data, several lines", secrets, `{"metadata":{"name":"s"},"data":{"a":"YQ==","tls.key":"BASE64"}}`, "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n"},
	{"Secret stringData", secrets, `{"stringData":{"k":"CANARY"}}`, `a "quoted" \ secret` + "\n"},
	{"Secret data before kind", secrets, `{"apiVersion":"v1","data":{"k":"BASE64"},"kind":"Secret"}`, "order-17"},
	{"Secret, copied by kubectl apply", secrets, `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"k\":\"BASE64\"}}"}}}`, "applied-18"},
	{"Secret, copied by kapp", secrets, `{"metadata":{"annotations":{"kapp.k14s.io/original":"{\"stringData\":{\"k\":\"CANARY\"}}"}}}`, "original-19"},
	{"Secret, name of a dropped key", secrets, `{"metadata":{"managedFields":[{"manager":"m","fieldsV1":{"f:data":{"f:CANARY":{}}}}]}}`, "key-20"},
	{"last-applied-configuration elsewhere", pods, `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"env\":\"CANARY\"}"}}}`, "applied-21"},
	{"ConfigMap data", configMaps, `{"data":{"app.conf":"listen=80\nkey CANARY\n"}}`, "plain-22"},
	{"ConfigMap binaryData", configMaps, `{"binaryData":{"k":"BASE64"}}`, "binary-23"},
	{"ConfigMap, name of a dropped key", configMaps, `{"metadata":{"managedFields":[{"fieldsV1":{"f:binaryData":{"f:CANARY":{}}}}]}}`, "key-24"},
	{"annotation whose name says so", pods, `{"metadata":{"annotations":{"example.com/api-token":"CANARY"}}}`, "lower-case-25"},
	{"annotation with a JSON Web Token", pods, `{"metadata":{"annotations":{"a":"see CANARY"}}}`, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLTI2"},
	{"annotation with JSON in it", pods, `{"metadata":{"annotations":{"a":"{\"db\":{\"password\":\"CANARY\"}}"}}}`, "in-json-27"},
	{"annotation of a template", pods, `{"spec":{"template":{"metadata":{"annotations":{"x":"postgres://app:CANARY@db/app"}}}}}`, "p%40ss-28"},
	{"env whose name says so", pods, `{"spec":{"containers":[{"env":[{"name":"DB_PASSWORD","value":"CANARY"}]}]}}`, "correct horse battery"},
	{"env whose name suggests it", pods, `{"spec":{"containers":[{"env":[{"name":"STRIPE_KEY","value":"CANARY"}]}]}}`, "stripe-30"},
	{"env with the value first", pods, `{"spec":{"containers":[{"env":[{"value":"CANARY","name":"apiToken"}]}]}}`, "value-first-31"},
	{"env whose shape says so", pods, `{"spec":{"containers":[{"env":[{"name":"X","value":"CANARY"}]}]}}`, "ghp_abcdefghijklmnopqrstuvwxyz012345"},
	{"env with a random value", pods, `{"spec":{"initContainers":[{"env":[{"name":"X","value":"CANARY"}]}]}}`, "Zm9vYmFyQmF6UXV4MTIzNDU2Nzg5MGFC"},
	{"env with a URL", pods, `{"spec":{"containers":[{"env":[{"name":"DATABASE","value":"mysql://root:CANARY@db:3306/x"}]}]}}`, "r00t34"},
	{"env of a workload", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, `{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"SECRET","value":"CANARY"}]}]}}}}`, "template-35"},
	{"env in a ControllerRevision", schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "controllerrevisions"}, `{"data":{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"AUTH","value":"CANARY"}]}]}}}}}`, "revision-36"},
	{"argument of a flag", pods, `{"spec":{"containers":[{"args":["--password=CANARY"]}]}}`, `we"ird,&;37`},
	{"argument after a flag", pods, `{"spec":{"containers":[{"command":["run","--api-key","CANARY"]}]}}`, "after-38"},
	{"argument of a shell", pods, `{"spec":{"containers":[{"args":["-c","export TOKEN=CANARY; exec app"]}]}}`, "shell-39"},
	{"header on a command line", pods, `{"spec":{"containers":[{"command":["sh","-c","curl -H 'Authorization: Bearer CANARY' x"]}]}}`, "opaque-40"},
	{"header of a probe", pods, `{"spec":{"containers":[{"livenessProbe":{"httpGet":{"httpHeaders":[{"name":"Authorization","value":"CANARY"}]}}}]}}`, "Basic dTpwNDE="},
	{"command of a probe", pods, `{"spec":{"containers":[{"readinessProbe":{"exec":{"command":["redis-cli","--pass","CANARY","ping"]}}}]}}`, "redis-42"},
	{"path of a probe", pods, `{"spec":{"containers":[{"readinessProbe":{"httpGet":{"path":"/h?token=CANARY"}}}]}}`, "query-43"},
	{"driver options of a volume", pods, `{"spec":{"volumes":[{"flexVolume":{"options":{"cifsPassword":"CANARY"}}}]}}`, "cifs-44"},
	{"parameters of a StorageClass", schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, `{"parameters":{"restuserkey":"x","adminSecretValue":"CANARY"}}`, "storage-45"},
	{"message of an Event", events, `{"message":"login failed for password=CANARY on db"}`, "event-46"},
	{"note of an Event", events, `{"note":"token CANARY expired"}`, "xoxb-1234567890-abcdef"},
	{"message of a condition", pods, `{"status":{"conditions":[{"message":"pull https://u:CANARY@registry/x: denied"}]}}`, "pull48"},
	{"message of a termination", pods, `{"status":{"containerStatuses":[{"lastState":{"terminated":{"message":"panic: key CANARY"}}}]}}`, "AKIAIOSFODNN7EXAMPLE"},
	{"values of a custom resource", custom, `{"spec":{"values":{"db":{"pw":["CANARY"]}}}}`, "values-50"},
	{"values of a chart as text", custom, `{"spec":{"source":{"helm":{"values":"db: CANARY"}}}}`, "chart-51"},
	{"parameters of a chart", custom, `{"spec":{"source":{"helm":{"parameters":[{"name":"pw","value":"CANARY"}]}}}}`, "parameter-52"},
	{"secret something in a custom resource", custom, `{"spec":{"secretThing":{"inner":"CANARY"}}}`, "thing-53"},
	{"data of a custom resource", custom, `{"spec":{"template":{"data":{"x":"CANARY"}}}}`, "data-54"},
	{"password of a custom resource", custom, `{"spec":{"adminPassword":"CANARY"}}`, "custom-55"},
	{"set of a custom resource", custom, `{"metadata":{"managedFields":[{"fieldsV1":{"f:spec":{"f:secretTokens":{"v:\"CANARY\"":{}}}}}]}}`, "set-56"},
	{"private key in base64", custom, `{"spec":{"tls":{"blob":"BASE64"}}}`, "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA57\n-----END RSA PRIVATE KEY-----\n"},
	{"message of a Status", pods, `{"kind":"Status","status":"Failure","message":"dial: Bearer CANARY","code":500}`, "abc.def-58"},
	{"Secret, copied by somebody else", secrets, `{"metadata":{"annotations":{"example.com/before":"{\"data\":{\"k\":\"BASE64\"}}"}}}`, "before-60"},
	{"copied by kopf", custom, `{"metadata":{"annotations":{"kopf.zalando.org/last-handled-configuration":"{\"spec\":{\"pw\":\"CANARY\"}}"}}}`, "handled-61"},
	{"parameter of a pipeline", custom, `{"spec":{"params":[{"name":"github-token","value":"CANARY"}]}}`, "pipeline-62"},
	{"key on a line of a text in JSON in an annotation", pods, `{"metadata":{"annotations":{"a":"{\"script\":\"cd /\\nCANARY\"}"}}}`, "AKIAIOSFODNN7EXAMPLE"},
	{"short name on a line of a text in JSON in an annotation", pods, `{"metadata":{"annotations":{"a":"{\"script\":\"cd /\\npwd=CANARY\"}"}}}`, "line-64"},
	{"key behind a bracket in JSON in an annotation", pods, `{"metadata":{"annotations":{"a":"{\"v\":\"\\u003cCANARY\\u003e\"}"}}}`, "ghp_abcdefghijklmnopqrstuvwxyz065065"},
	{"JSON in JSON in JSON", pods, `{"metadata":{"annotations":{"a":"{\"v\":\"{\\\"w\\\":\\\"{\\\\\\\"password\\\\\\\":\\\\\\\"CANARY\\\\\\\"}\\\"}\"}"}}}`, "deep-66"},
	{"quote within a password in JSON in a message", events, `{"message":"sent {\\\"password\\\":\\\"a\\\\\\\"CANARY\\\"}"}`, "quoted-67"},
	{"YAML in an annotation", pods, `{"metadata":{"annotations":{"a":"db:\n  client_secret: CANARY\n  host: db\n"}}}`, "swordfish"},
	{"words in YAML in an annotation", pods, `{"metadata":{"annotations":{"a":"db:\n  password: correct CANARY\n  host: db\n"}}}`, "horse battery"},
	{"block of YAML in an annotation", pods, `{"metadata":{"annotations":{"a":"db:\n  password: |-\n    CANARY\n\n    CANARY\n  host: db\n"}}}`, "block-70"},
	{"password that is no part of a URL", events, `{"message":"parse \"postgres://app:pa#CANARY@db/x\": invalid port"}`, "s71"},
	{"password with its hash", pods, `{"metadata":{"annotations":{"a":"password={noop}CANARY"}}}`, "hashed-72"},
	{"webhook", pods, `{"spec":{"containers":[{"env":[{"name":"NOTIFY","value":"https://hooks.slack.com/services/T01234567/CANARY"}]}]}}`, "B01234567/abcdefghijklmnop"},
	{"long word behind its name", events, `{"message":"wrong token: CANARY"}`, strings.Repeat("correcthorsebattery", 4)},
	{"escaped name", secrets, `{"d\u0061ta":{"k":"BASE64"}}`, "escaped-59"},
}

func TestCanaries(t *testing.T) {
	for _, c := range canaries {
		t.Run(c.where, func(t *testing.T) {
			quoted, err := json.Marshal(c.secret)
			if err != nil {
				t.Fatal(err)
			}
			inner := string(quoted[1 : len(quoted)-1])
			if strings.Contains(c.object, `\"CANARY\"`) { // a string in a string
				inner = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(inner)
			}
			object := strings.ReplaceAll(c.object, "CANARY", inner)
			object = strings.ReplaceAll(object, "BASE64", base64.StdEncoding.EncodeToString([]byte(c.secret)))
			if !json.Valid([]byte(object)) {
				t.Fatalf("not JSON: %s", object)
			}
			p := Standard(false)
			out, err := p.Object(nil, c.resource, []byte(object))
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(out) {
				t.Fatalf("not JSON any more: %s", out)
			}
			if found := leaks(out, c.secret); found != "" {
				t.Errorf("%s is in %s", found, out)
			}
			if strings.Contains(string(out), "{}") && strings.Contains(c.object, "managedFields") {
				return // dropped, not replaced
			}
			other, err := Standard(false).Object(nil, c.resource, []byte(object))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(out, other) {
				t.Errorf("two keys give the same tokens: %s", out)
			}
		})
	}
	if len(canaries) < 40 {
		t.Errorf("%d canaries, want 40", len(canaries))
	}
}

// leaks returns the form in which a secret is in the text, "" if it is not.
func leaks(text []byte, secret string) string {
	quoted, _ := json.Marshal(secret)
	forms := []string{secret, string(quoted[1 : len(quoted)-1]), url.QueryEscape(secret), url.PathEscape(secret)}
	for shift := range 3 { // as a part of something larger
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		encoded = encoded[(8*shift+5)/6 : len(encoded)-1]
		forms = append(forms, encoded, strings.NewReplacer("+", "-", "/", "_").Replace(encoded))
	}
	for _, form := range forms {
		if bytes.Contains(text, []byte(form)) {
			return form
		}
	}
	return ""
}

func TestLeaksFindsThem(t *testing.T) {
	const secret = "hunter2-and-more"
	for _, text := range []string{
		secret, "x" + secret + "y", url.QueryEscape("a b" + secret),
		base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("a" + secret + "b")),
		base64.URLEncoding.EncodeToString([]byte("ab" + secret)),
	} {
		if leaks([]byte(text), secret) == "" {
			t.Errorf("no leak found in %q: the test is broken", text)
		}
	}
}

// TestPlaces: a token of a Secret is that of no other value, however equal, so that
// nobody finds out by trying; nor is one of another namespace.
func TestPlaces(t *testing.T) {
	p := Standard(false)
	const value = `hunter2-and-more`
	encoded := base64.StdEncoding.EncodeToString([]byte(value))
	token := regexp.MustCompile("‹r:[0-9a-f]{16}:16›")
	seen := map[string]int{}
	for i, o := range []struct {
		resource schema.GroupVersionResource
		object   string
	}{
		{secrets, `{"metadata":{"name":"a","namespace":"shop"},"data":{"k":"` + encoded + `"}}`},
		{secrets, `{"metadata":{"name":"b","namespace":"shop"},"data":{"k":"` + encoded + `"}}`},
		{secrets, `{"metadata":{"name":"a","namespace":"mine"},"data":{"k":"` + encoded + `"}}`},
		{configMaps, `{"metadata":{"name":"a","namespace":"shop"},"data":{"k":"` + value + `"}}`},
		{configMaps, `{"metadata":{"name":"a","namespace":"mine"},"data":{"k":"` + value + `"}}`},
		{pods, `{"metadata":{"name":"a","namespace":"shop"},"spec":{"containers":[{"env":[{"name":"K","value":"` + value + `9a"}]}]}}`},
		{pods, `{"metadata":{"name":"a","namespace":"mine"},"spec":{"containers":[{"env":[{"name":"K","value":"` + value + `9a"}]}]}}`},
	} {
		out, err := p.Object(nil, o.resource, []byte(o.object))
		if err != nil {
			t.Fatal(err)
		}
		text := string(out)
		if o.resource == secrets {
			var s struct{ Data map[string][]byte }
			if err := json.Unmarshal(out, &s); err != nil {
				t.Fatal(err)
			}
			text = string(s.Data["k"])
		}
		found := token.FindString(strings.ReplaceAll(text, ":18›", ":16›"))
		if found == "" {
			t.Fatalf("no token in %s", out)
		}
		if other, ok := seen[found]; ok {
			t.Errorf("objects %d and %d have the token %s both", other, i, found)
		}
		seen[found] = i
	}
}

func TestChangeStaysVisible(t *testing.T) {
	p := Standard(false)
	redact := func(resource schema.GroupVersionResource, object string) string {
		out, err := p.Object(nil, resource, []byte(object))
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first := redact(secrets, `{"data":{"a":"aHVudGVyMg==","b":"aHVudGVyMg=="}}`)
	if again := redact(secrets, `{"data":{"a":"aHVudGVyMg==","b":"aHVudGVyMg=="}}`); again != first {
		t.Errorf("the same Secret twice: %s and %s", first, again)
	}
	if changed := redact(secrets, `{"data":{"a":"aHVudGVyMw==","b":"aHVudGVyMg=="}}`); changed == first {
		t.Errorf("a changed Secret is still %s", changed)
	}
	var secret struct{ Data map[string][]byte }
	if err := json.Unmarshal([]byte(first), &secret); err != nil {
		t.Fatalf("a redacted Secret must stay one: %v", err)
	}
	if !bytes.Equal(secret.Data["a"], secret.Data["b"]) {
		t.Errorf("the same value has different tokens in one Secret: %s", secret.Data)
	}
	env := `{"metadata":{"name":"x","namespace":"shop"},"spec":{"containers":[{"env":[{"name":"PASSWORD","value":"hunter2"}]}]}}`
	other := strings.Replace(env, `"x"`, `"y"`, 1)
	if strings.Replace(redact(pods, env), `"x"`, `"y"`, 1) != redact(pods, other) {
		t.Errorf("the same value has different tokens in one namespace: %s and %s", redact(pods, env), redact(pods, other))
	}
	// A Secret applied with another value changes its hash only.
	a := redact(secrets, `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{1}"}}}`)
	b := redact(secrets, `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{2}"}}}`)
	if a == b {
		t.Errorf("applied twice, with a change: %s", a)
	}
}
