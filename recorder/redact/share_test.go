package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"

	"github.com/svcspy/svcspy/recorder/redact/scan"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// plant returns a canary's object with its secret in it.
func plant(t *testing.T, object, secret string) []byte {
	t.Helper()
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	inner := string(quoted[1 : len(quoted)-1])
	if strings.Contains(object, `\"CANARY\"`) { // a string in a string
		inner = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(inner)
	}
	object = strings.ReplaceAll(object, "CANARY", inner)
	return []byte(strings.ReplaceAll(object, "BASE64", base64.StdEncoding.EncodeToString([]byte(secret))))
}

// TestShareCanaries: what was not redacted and is shared has none of the secrets.
func TestShareCanaries(t *testing.T) {
	for _, c := range canaries {
		t.Run(c.where, func(t *testing.T) {
			object := plant(t, c.object, c.secret)
			for _, policy := range SharePolicies {
				gate, err := NewShare(policy)
				if err != nil {
					t.Fatal(err)
				}
				e := store.Event{Type: "ADDED", Resource: c.resource, Name: "x", Object: object}
				gate.Learn(&e)
				if err := gate.Event(&e); err != nil {
					t.Fatal(err)
				}
				if !json.Valid(e.Object) {
					t.Fatalf("%s: not JSON any more: %s", policy, e.Object)
				}
				if form := leaks(e.Object, c.secret); form != "" {
					t.Errorf("%s: %s is in %s", policy, form, e.Object)
				}
				if again, err := scan.New().Object(c.resource, e.Object); err != nil || len(again) > 0 {
					t.Errorf("%s: %+v found in what was shared: %s, %v", policy, again, e.Object, err)
				}
			}
		})
	}
}

// TestShareRows goes through the table: what each policy makes of each thing.
func TestShareRows(t *testing.T) {
	apps := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	node := schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	ingress := schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}
	route := schema.GroupVersionResource{Group: gatewayGroup, Version: "v1", Resource: "httproutes"}
	for _, row := range []struct {
		what             string
		resource         schema.GroupVersionResource
		object           string
		standard, strict string // "" as it is; T stands for a token
	}{
		{
			"value of env", pods, `{"spec":{"containers":[{"name":"c","env":[{"name":"MODE","value":"fast"},{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"x"}}}]}]}}`,
			`{"spec":{"containers":[{"name":"c","env":[{"name":"MODE","value":"T"},{"name":"N","valueFrom":{"fieldRef":{"fieldPath":"x"}}}]}]}}`, "standard",
		},
		{"switch in env", pods, `{"spec":{"containers":[{"env":[{"name":"ON","value":"true"},{"name":"U","value":"$(MODE)"}]}]}}`, "", ""},
		{
			"arguments", apps, `{"spec":{"containers":[{"args":["--mode=fast","serve"],"command":["run"]}]}}`,
			`{"spec":{"containers":[{"args":["--mode=T","serve"],"command":["run"]}]}}`, `{"spec":{"containers":[{"args":["T","T"],"command":["T"]}]}}`,
		},
		{
			"query of a URL", pods, `{"spec":{"containers":[{"args":["get","https://a.svc/p?user=7"]}]}}`,
			`{"spec":{"containers":[{"args":["get","https://a.svc/p?T"]}]}}`, `{"spec":{"containers":[{"args":["T","T"]}]}}`,
		},
		{
			"header of a probe", pods, `{"livenessProbe":{"httpGet":{"httpHeaders":[{"name":"Host","value":"a.corp.test"}]}}}`, "",
			`{"livenessProbe":{"httpGet":{"httpHeaders":[{"name":"Host","value":"T"}]}}}`,
		},
		{
			"annotations", pods, `{"metadata":{"annotations":{"team":"red","deployment.kubernetes.io/revision":"2"}}}`, "",
			`{"metadata":{"annotations":{"team":"T","deployment.kubernetes.io/revision":"2"}}}`,
		},
		{
			"long annotation", pods, `{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"` + strings.Repeat("ab ", 90) + `"}}}`,
			`{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"T"}}}`, "standard",
		},
		{
			"name of a Secret", secrets, `{"kind":"Secret","metadata":{"name":"x","namespace":"shop"},"type":"Opaque"}`, "",
			`{"kind":"Secret","metadata":{"name":"T","namespace":"shop"},"type":"Opaque"}`,
		},
		{
			"references to a Secret", pods, `{"spec":{"imagePullSecrets":[{"name":"x"}],"volumes":[{"name":"v","secret":{"secretName":"x"}}],"containers":[{"envFrom":[{"secretRef":{"name":"x"}}]}]}}`, "",
			`{"spec":{"imagePullSecrets":[{"name":"T"}],"volumes":[{"name":"v","secret":{"secretName":"T"}}],"containers":[{"envFrom":[{"secretRef":{"name":"T"}}]}]}}`,
		},
		{"keys of a ConfigMap", configMaps, `{"data":{"mode":"‹r:aaaaaa:4›"}}`, "", `{"data":{"T":"‹r:aaaaaa:4›"}}`},
		{"managedFields", pods, `{"metadata":{"managedFields":[{"manager":"kubectl"}]}}`, "", `{"metadata":{"managedFields":[]}}`},
		{
			"custom resource", custom, `{"kind":"W","metadata":{"name":"w"},"spec":{"size":3,"colour":"red","list":["a",{"b":"c"}]},"status":{"conditions":[{"type":"Ready","message":"is ready"}],"x":"y"}}`, "",
			`{"kind":"W","metadata":{"name":"w"},"spec":{"size":3,"colour":"T","list":["T",{"b":"T"}]},"status":{"conditions":[{"type":"Ready","message":"is ready"}],"x":"T"}}`,
		},
		{"route", route, `{"spec":{"parentRefs":[{"name":"gw"}],"rules":[{"backendRefs":[{"name":"web","port":80}]}]}}`, "", ""},
		{"provider", node, `{"spec":{"providerID":"aws:///eu-1/i-0abc"}}`, `{"spec":{"providerID":"T"}}`, "standard"},
		{
			"account", pods, `{"metadata":{"annotations":{"team":"arn:aws:iam::123456789012:role/x"}},"spec":{"x":"arn:aws:iam::123456789012:role/x"}}`,
			`{"metadata":{"annotations":{"team":"arn:aws:iam::T:role/x"}},"spec":{"x":"arn:aws:iam::T:role/x"}}`,
			`{"metadata":{"annotations":{"team":"T"}},"spec":{"x":"arn:aws:iam::T:role/x"}}`,
		},
		{
			"node", node, `{"kind":"Node","metadata":{"name":"x","labels":{"kubernetes.io/hostname":"x","zone":"z1"}},"status":{"addresses":[{"type":"Hostname","address":"x"}]}}`, "",
			`{"kind":"Node","metadata":{"name":"node-a","labels":{"kubernetes.io/hostname":"node-a","zone":"z1"}},"status":{"addresses":[{"type":"Hostname","address":"node-a"}]}}`,
		},
		{"where a Pod runs", pods, `{"spec":{"nodeName":"n7"},"status":{"message":"Node n7 was lost"}}`, "", `{"spec":{"nodeName":"node-a"},"status":{"message":"Node node-a was lost"}}`},
		{"hosts of an Ingress", ingress, `{"spec":{"rules":[{"host":"shop.corp.test"},{"host":"*.corp.test"}]}}`, "", `{"spec":{"rules":[{"host":"h1.h2.h3.example"},{"host":"*.h2.h3.example"}]}}`},
		{"alias inside the cluster", pods, `{"spec":{"externalName":"web.shop.svc.cluster.local"}}`, "", ""},
		{
			"registry", pods, `{"spec":{"containers":[{"name":"c","image":"reg.corp.test:5000/team/app:1.2"},{"name":"d","image":"registry.k8s.io/pause:3"}]},"status":{"message":"cannot pull reg.corp.test:5000/team/app:1.2"}}`, "",
			`{"spec":{"containers":[{"name":"c","image":"registry-1.example:5000/team/app:1.2"},{"name":"d","image":"registry.k8s.io/pause:3"}]},"status":{"message":"cannot pull registry-1.example:5000/team/app:1.2"}}`,
		},
		{
			"message", pods, `{"metadata":{"name":"web-1"},"status":{"message":"Back-off restarting failed container web-1 of customer Umbrella"}}`,
			`{"metadata":{"name":"web-1"},"status":{"message":"Back-off restarting failed container web-1 of customer T"}}`, "standard",
		},
		{"tokens stay tokens", pods, `{"status":{"message":"password=‹r:7f3a9c:12› was refused"}}`, "", ""},
	} {
		for _, policy := range SharePolicies {
			gate, err := NewShare(policy)
			if err != nil {
				t.Fatal(err)
			}
			want := row.standard
			if policy == "strict" && row.strict != "standard" {
				want = row.strict
			}
			if want == "" {
				want = row.object
			}
			e := store.Event{Type: "ADDED", Resource: row.resource, Name: "x", Namespace: "shop", Object: []byte(row.object)}
			if row.resource == node {
				e.Namespace = ""
			}
			gate.Learn(&e)
			if err := gate.Event(&e); err != nil {
				t.Fatalf("%s: %v", row.what, err)
			}
			if got := withoutTokens(string(e.Object), row.object); got != want {
				t.Errorf("%s, %s:\n got %s\nwant %s", row.what, policy, got, want)
			}
		}
	}
}

// withoutTokens puts T in the place of tokens that were not there before.
func withoutTokens(text, before string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		if n := tokenLen([]byte(text[i:])); n > 0 && !strings.Contains(before, text[i:i+n]) {
			out.WriteByte('T')
			i += n
			continue
		}
		out.WriteByte(text[i])
		i++
	}
	return out.String()
}

// TestAddressesKeepTheirNetwork: what lies in a CIDR still does, what does not
// still does not, and different addresses stay different.
func TestAddressesKeepTheirNetwork(t *testing.T) {
	gate, err := NewShare("strict")
	if err != nil {
		t.Fatal(err)
	}
	p := gate.names
	seen := map[netip.Addr]netip.Addr{}
	rapid.Check(t, func(rt *rapid.T) {
		class := rapid.SampledFrom([]string{"10.", "192.168.", "172.16.", "100.64."}).Draw(rt, "class")
		parts := []string{}
		for range 4 - strings.Count(class, ".") {
			parts = append(parts, rapid.SampledFrom([]string{"0", "1", "2", "17", "128", "255"}).Draw(rt, "octet"))
		}
		a := netip.MustParseAddr(class + strings.Join(parts, "."))
		mapped := p.address(a)
		if was, ok := seen[mapped]; ok && was != a {
			rt.Fatalf("%s and %s both become %s", was, a, mapped)
		}
		seen[mapped] = a
		if mapped.Is4() != a.Is4() || mapped.IsPrivate() != a.IsPrivate() {
			rt.Fatalf("%s becomes %s", a, mapped)
		}
		bits := rapid.IntRange(0, 32).Draw(rt, "bits")
		c := netip.PrefixFrom(a, bits).Masked()
		for other := range seen {
			original := seen[other]
			if c.Contains(original) != p.prefix(c).Contains(other) {
				rt.Fatalf("%s contains %s: %t; %s contains %s: %t", c, original, c.Contains(original), p.prefix(c), other, p.prefix(c).Contains(other))
			}
		}
	})
	for _, stays := range []string{"127.0.0.1", "0.0.0.0", "::", "::1", "169.254.169.254", "fe80::1"} {
		if a := netip.MustParseAddr(stays); p.address(a) != a {
			t.Errorf("%s becomes %s", a, p.address(a))
		}
	}
	for from, into := range map[string]netip.Prefix{"8.8.8.8": nobodys4, "2a00:1450::1": nobodys6} {
		if a := p.address(netip.MustParseAddr(from)); !into.Contains(a) {
			t.Errorf("%s becomes %s", from, a)
		}
	}
}

func TestAddressesInTexts(t *testing.T) {
	gate, err := NewShare("strict")
	if err != nil {
		t.Fatal(err)
	}
	a := gate.names.address(netip.MustParseAddr("10.1.2.3")).String()
	b := gate.names.address(netip.MustParseAddr("fd00::7")).String()
	for text, want := range map[string]string{
		"10.1.2.3": a,
		"dial tcp 10.1.2.3:8080: connect: refused": "dial tcp " + a + ":8080: connect: refused",
		"http://10.1.2.3/x":                        "http://" + a + "/x",
		"from 10.1.2.3.":                           "from " + a + ".",
		"[fd00::7]:80":                             "[" + b + "]:80",
		"fd00::7,10.1.2.3":                         b + "," + a,
		"2026-11-24T00:05:04Z":                     "2026-11-24T00:05:04Z",
		"00:05:04":                                 "00:05:04",
		"v1.2.3.4":                                 "v1.2.3.4",
		"web-10.1.2.3":                             "web-10.1.2.3",
		"10.1.2.3-rc1":                             "10.1.2.3-rc1",
		"‹r:abcdef:12›":                            "‹r:abcdef:12›",
		"sha256:7f3a9c7f3a9c7f3a9c7f3a9c7f3a9c7f3a9c7f3a": "sha256:7f3a9c7f3a9c7f3a9c7f3a9c7f3a9c7f3a9c7f3a",
		"0.0.0.0/0": "0.0.0.0/0",
	} {
		if got := string(gate.addresses([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestNodeNames(t *testing.T) {
	for n, want := range map[int]string{0: "a", 25: "z", 26: "aa", 27: "ab", 51: "az", 52: "ba", 701: "zz", 702: "aaa"} {
		if got := letters(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// FuzzShare: whatever the object, the gate ends, makes JSON of JSON, and what
// went through it once is not changed by going through gate A again.
func FuzzShare(f *testing.F) {
	for _, c := range canaries {
		f.Add([]byte(c.object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		if len(object) == 0 {
			return // a list has none
		}
		for _, policy := range SharePolicies {
			gate, err := NewShare(policy)
			if err != nil {
				t.Fatal(err)
			}
			e := store.Event{Type: "ADDED", Resource: pods, Name: "x", Object: object}
			gate.Learn(&e)
			if gate.Event(&e) != nil {
				if json.Valid(object) {
					t.Fatalf("refused %q", object)
				}
				continue
			}
			if !json.Valid(e.Object) {
				t.Fatalf("%q became %q", object, e.Object)
			}
		}
	})
}

// TestShareLogs: what containers said is shared only if it is asked for, and redacted.
func TestShareLogs(t *testing.T) {
	const log = `{"apiVersion":"svcspy.dev/v1","kind":"ContainerLog","metadata":{"name":"a.b","namespace":"n"},"container":"b","lines":["started","connect postgres://app:hunter2@db/x: connection refused"]}`
	for _, policy := range SharePolicies {
		for _, logs := range []bool{false, true} {
			gate, err := NewShare(policy)
			if err != nil {
				t.Fatal(err)
			}
			gate.Logs = logs
			e := store.Event{Type: "ADDED", Resource: kinds.ContainerLogs, Namespace: "n", Name: "a.b", Object: []byte(log)}
			gate.Learn(&e)
			if err := gate.Event(&e); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(e.Object, []byte("hunter2")) {
				t.Errorf("%s, logs %v: %s", policy, logs, e.Object)
			}
			said := bytes.Contains(e.Object, []byte("connection refused"))
			if !logs && said || logs && policy == "standard" && !said {
				t.Errorf("%s, logs %v: %s", policy, logs, e.Object)
			}
		}
	}
}
