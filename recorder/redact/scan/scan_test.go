package scan

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/fixtures/canary"
	"github.com/svcspy/svcspy/store"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		`style-src &#39;sha256-UW52hq9Tm901o&#43;7eelJNrZSNTYhcrLO2EkT7&#43;r0wLig=&#39;`: "",
		`"tokens": 0`:  "",
		"nothing here": "",
		"uid 78c8714b-5c40-4474-826f-2cb449faaae1":                                                                       "",
		"sha256 63664dcd49331d992e2dfa8f6af94f82d03ad0b3":                                                                "",
		`script-src 'sha256-7Bx0gk1nTqE9x2mA0cVJ4u8QpLr5sWzYfHdKtOiXbNM='`:                                               "",
		"password=‹r:7f3a9c2b41d05e68:12› token: ‹r:7f3a9c:12›":                                                          "",
		"secretName: web-tls, secretKeyRef: {name: db, key: password}":                                                   "",
		"MountVolume.SetUp failed: secret: not found":                                                                    "",
		"password: $(DB_PASSWORD)":                                                                                       "",
		"x eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJjYW5hcnktMTIzNDU2Nzg5MCJ9.c2lnbmF0dXJlLTI2LWFuZC1tb3JlLXNpZw": "jwt",
		"https://user:hunter2@example.com/":                                                                              "credentials in a URL",
		"root:hunter2@tcp(db:3306)/orders":                                                                               "credentials in a URL",
		"mysqldump --password hunter2 -h db":                                                                             "value of a flag with the name of a secret",
		"<password>hunter2</password>":                                                                                   "element with the name of a secret",
		"X: Bearer 0123456789abcdef":                                                                                     "authorization header",
		"x Zm9vYmFyQmF6UXV4MTIzNDU2Nzg5MGFC":                                                                             "random string",
		"ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5":                                                                       "github pat",
		"AKIAQYLPMN5HHHFPZAM2":                                                                                           "aws access token",
		"password=hunter2":                                                                                               "value with the name of a secret",
		"a\n-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----":                                           "private key",
	} {
		got := ""
		for _, l := range New().Text([]byte(text)) {
			got = l.What
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if l := New().Text([]byte("a\nb\npassword=hunter2\n")); len(l) != 1 || l[0].Line != 3 {
		t.Errorf("found %+v, want one on line 3", l)
	}
}

// TestDecoded: what is encoded, and encoded again, is found.
func TestDecoded(t *testing.T) {
	const secret = "export DB_PASSWORD=hunter2-and-more"
	zip := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(s))
		w.Close()
		return b.String()
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, text := range map[string]string{
		"base64": b64(secret), "url-safe base64": base64.RawURLEncoding.EncodeToString([]byte(secret)), "hex": hex.EncodeToString([]byte(secret)),
		"URL": url.QueryEscape(secret + "&"), "gzip in base64": b64(zip(secret)), "base64 in base64": b64(b64(secret)),
		"base64 in JSON": `{"a":"` + b64(secret) + `"}`, "gzip in base64 in base64": b64(b64(zip(secret))),
	} {
		if len(New().Text([]byte(text))) == 0 {
			t.Errorf("%s: nothing found in %s", name, text)
		}
	}
}

// TestBounds: no text makes the scanner decode without end.
func TestBounds(t *testing.T) {
	bomb := strings.Repeat("\x00", 64<<20)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(bomb))
	w.Close()
	New().Text([]byte(base64.StdEncoding.EncodeToString(b.Bytes())))
	deep := "x"
	for range 12 {
		deep = base64.StdEncoding.EncodeToString([]byte("secret " + deep))
	}
	New().Text([]byte(deep))
}

// TestCanaries prints how many of the planted secrets the scanner finds where
// nothing was taken out. It knows less than the gates: they replace what they do
// not know to be harmless.
func TestCanaries(t *testing.T) {
	objects, err := canary.Objects(7)
	if err != nil {
		t.Fatal(err)
	}
	found, all := 0, 0
	for _, o := range objects {
		leaks, err := New().Object(o.Resource, o.Text)
		if err != nil {
			t.Fatal(err)
		}
		if len(leaks) == 0 && len(o.Secrets) > 4 {
			t.Errorf("nothing found in %s %s", o.Kind, o.Name)
		}
		all += len(o.Secrets)
		found += min(len(leaks), len(o.Secrets))
		for _, l := range leaks {
			if hits := canary.NewFinder(o.Secrets).Find([]byte(l.What + l.Path + l.Token)); len(hits) > 0 || l.Path == "" {
				t.Errorf("%s: %+v", o.Name, l)
			}
		}
	}
	t.Logf("%d leaks in objects with %d secrets", found, all)
	if found*2 < all {
		t.Errorf("only %d leaks in objects with %d secrets", found, all)
	}
}

// TestIncidents: nothing is found in what holds no secret.
func TestIncidents(t *testing.T) {
	paths, err := filepath.Glob("../../../fixtures/incidents/*.db")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	s := New()
	for _, path := range paths {
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range r.Events(1, r.Info().Last) {
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Object) == 0 {
				continue
			}
			leaks, err := s.Object(e.Resource, e.Object)
			if err != nil || len(leaks) > 0 {
				t.Errorf("%s #%d %s %s: %+v, %v", filepath.Base(path), e.Seq, e.Resource.Resource, e.Name, leaks, err)
			}
		}
		r.Close()
	}
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"spec":{"env":[{"name":"PASSWORD","value":"hunter2"}],"a":[1,null,"x"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = New().Object(schema.GroupVersionResource{Resource: "pods"}, text)
		New().Text(text)
	})
}
