package redact

import (
	"strings"
	"testing"
	"time"
)

// kept are texts that Kubernetes writes and diagnoses read: none of them holds
// a secret, although some look as if.
var kept = []string{
	"",
	`Back-off restarting failed container main in pod web-7d9f8b6c5d-x2x4z_shop(2d85e5d3-1cd3-4085-be7e-a4135553fef6)`,
	`Failed to pull image "registry.example.com/team/app:1.2.3": rpc error: code = NotFound desc = failed to pull and unpack image "registry.example.com/team/app:1.2.3": not found`,
	`Successfully pulled image "a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" in 1.2s (1.2s including waiting). Image size: 29125 bytes.`,
	`Readiness probe failed: Get "http://10.0.1.17:8080/healthz?verbose=true": dial tcp 10.0.1.17:8080: connect: connection refused`,
	`MountVolume.SetUp failed for volume "kube-api-access-x2x4z" : failed to fetch token: serviceaccounts "web" not found`,
	`Error: couldn't find key password in Secret shop/db-credentials`,
	`secret "db-credentials" not found`,
	`references non-existent secret key: username`,
	`0/22 nodes are available: 3 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 19 Insufficient cpu. preemption: 0/22 nodes are available.`,
	`Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to the latest version and try again`,
	`pods "web" is forbidden: exceeded quota: compute, requested: requests.cpu=1, used: requests.cpu=9500m, limited: requests.cpu=10`,
	`Error creating: admission webhook "policy.example.com" denied the request: image must come from registry.example.com`,
	`AttachVolume.Attach succeeded for volume "pvc-2d85e5d3-1cd3-4085-be7e-a4135553fef6"`,
	`Created pod: web-7d9f8b6c5d-x2x4z`,
	`container has runAsNonRoot and image will run as root (pod: "web_shop(2d85e5d3-1cd3-4085-be7e-a4135553fef6)", container: main)`,
	`containerd://0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`,
	`--tls-private-key-file=/var/run/secrets/tls.key`,
	`--enable-bootstrap-token-auth=true`,
	`ssh://git@git.example.com/team/app.git`,
	`$(DB_PASSWORD)`,
	`password=$(DB_PASSWORD) password=${DB_PASSWORD} token={{token}}`,
	`2026-11-23T14:02:00Z`,
	`{"error":"token: timeout","other":"secret: none"}`,
	"cannot log in:\n  token: true\n  password:\n    from: db\n  imagePullSecrets: [pull]\n  secret: {name: db}\n",
	`Get "http://web:8080/a?mail=me@example.com": EOF; docker://sha256:0123/a@b; http://[fd00::1]/a@b`,
	`password=‹r:7f3a9c:12› Bearer ‹r:7f3a9c:12› postgres://u:‹r:7f3a9c:12›@db ‹r:7f3a9c:12›`,
}

func TestKept(t *testing.T) {
	patterns := fixed()
	patterns.patterns = true
	for _, p := range []*Policy{fixed(), patterns} {
		for _, s := range kept {
			if got := p.Text(s); got != s {
				t.Errorf("%s: Text(%q) = %q", p.Redaction().Policy, s, got)
			}
		}
	}
	for _, s := range keptByPatterns {
		if got := patterns.Text(s); got != s {
			t.Errorf("Text(%q) = %q", s, got)
		}
	}
}

// keptByPatterns are no messages: the policy "shape" does not know ids of clouds.
var keptByPatterns = []string{
	`aws:///eu-west-1a/i-0abc123def4567890`,
	`/subscriptions/2d85e5d3-1cd3-4085-be7e-a4135553fef6/resourceGroups/MC_shop_aks1_westeurope/providers/Microsoft.Compute/virtualMachineScaleSets/aks-pool1-12345678-vmss/virtualMachines/0`,
}

// TestLongTexts: the time that a text takes grows with its length, whatever stands
// in it: everybody who may write one could stop the recorder otherwise.
func TestLongTexts(t *testing.T) {
	took := func(text string) time.Duration {
		began := time.Now()
		fixed().Text(text)
		return time.Since(began)
	}
	const size = 512 << 10
	plain := max(took(strings.Repeat("plain text ", size/11)), time.Millisecond)
	for _, part := range []string{
		"token={", "token=[", "token:", "token=", "eyJ_", "sk-", "eyJ/", "eyJ.", "Bearer ", "://u:a/", "://u:a@", "://u:", "secret: |\n", " token: a",
		`secret:"{`, `secret:\"{`, `secret:\\\"`, "-----BEGIN ", "password: $(a", `\n`, `\u0000`, "‹r:", "- token: a\n",
		`\ntoken: a`, `\\ntoken: |`, `"token: a`, `\"token: \"`, `\n- token: |`,
	} {
		for _, text := range []string{strings.Repeat(part, size/len(part)), part + strings.Repeat(part[len(part)-1:], size)} {
			if d := took(text); d > 200*plain {
				t.Errorf("%q, again and again, takes %s; other texts of that length %s", part, d, plain)
			}
		}
	}
	for _, end := range []string{"}", ")", "])", "}.", "/"} {
		if d := took("password:" + strings.Repeat(end, size/len(end)) + " eyJ" + strings.Repeat(end, size/len(end))); d > 200*plain {
			t.Errorf("a text that ends with %q again and again takes %s; other texts of that length %s", end, d, plain)
		}
	}
}

func TestSecretName(t *testing.T) {
	for _, tt := range []struct {
		name            string
		certain, likely bool
	}{
		{"DB_PASSWORD", true, true},
		{"dbPassword", true, true},
		{"DBPASSWORD", true, true},
		{"--api-key", true, true},
		{"X-Api-Key", true, true},
		{"AWS_SECRET_ACCESS_KEY", true, true},
		{"mysql-pass", true, true},
		{"STRIPE_KEY", false, true},
		{"SENTRY_DSN", false, true},
		{"Authorization", true, true},
		{"PASSWORD_FILE", false, false},
		{"secretName", false, false},
		{"secretRef", false, false},
		{"TOKEN_TTL", false, false},
		{"LOG_LEVEL", false, false},
		{"COMPASS", false, false},
		{"KEYBOARD", false, false},
		{"", false, false},
		{"---", false, false},
		{"x" + string(make([]byte, 100)) + "password", true, true},
	} {
		if got := secretName([]byte(tt.name), certain); got != tt.certain {
			t.Errorf("secretName(%q, certain) = %t", tt.name, got)
		}
		if got := secretName([]byte(tt.name), likely); got != tt.likely {
			t.Errorf("secretName(%q, likely) = %t", tt.name, got)
		}
	}
}
