package redact

import (
	"bytes"
	"slices"
)

// confidence says how sure a name must be to stand for a secret.
type confidence int

const (
	// certain: the name alone says so, in any text ("password=").
	certain confidence = iota
	// likely: so it is where values are configured ("STRIPE_KEY").
	likely
)

var (
	// secretWords betray a secret wherever they stand in a name.
	secretWords = [][]byte{
		[]byte("password"), []byte("passwd"), []byte("passphrase"), []byte("secret"), []byte("token"),
		[]byte("apikey"), []byte("accesskey"), []byte("accountkey"), []byte("privatekey"), []byte("encryptionkey"),
		[]byte("signingkey"), []byte("masterkey"), []byte("sharedkey"), []byte("credential"), []byte("authorization"),
		[]byte("connectionstring"), []byte("sharedaccesssignature"),
	}
	// secretParts do as one of the words of a name.
	secretParts = []string{"pwd", "pass", "cookie"}
	// likelyParts too, where values are configured.
	likelyParts = []string{"auth", "dsn", "key", "salt", "otp", "pat", "sig", "creds", "jwt", "license"}
	// plainEnds are the last words of names that speak about a secret: where it
	// lies, how long it holds, what it is called.
	plainEnds = []string{
		"file", "files", "path", "dir", "name", "names", "namespace", "ref", "refs", "ttl", "expiry", "expiration",
		"seconds", "enabled", "issuer", "audience", "audiences", "type", "algorithm", "version", "port", "host",
		"mode", "class", "provider", "count", "size",
	}
)

// secretName reports whether a name says that its value is a secret.
func secretName(name []byte, c confidence) bool {
	words := split(name)
	if len(words) == 0 || slices.Contains(plainEnds, string(words[len(words)-1])) {
		return false
	}
	whole := bytes.Join(words, nil)
	for _, w := range secretWords {
		if bytes.Contains(whole, w) {
			return true
		}
	}
	for _, w := range words {
		if slices.Contains(secretParts, string(w)) || c == likely && slices.Contains(likelyParts, string(w)) {
			return true
		}
	}
	return false
}

// split returns the words of a name in lower case: DB_PASSWORD, db-password
// and dbPassword have the same two.
func split(name []byte) [][]byte {
	var words [][]byte
	lower := bytes.ToLower(name)
	start := 0
	add := func(end int) {
		if end > start {
			words = append(words, lower[start:end])
		}
	}
	if len(lower) != len(name) {
		return [][]byte{lower} // letters that are longer in lower case
	}
	for i, b := range name {
		switch {
		case !isAlnum(b) && b < 0x80:
			add(i)
			start = i + 1
		case isUpper(b) && i > 0 && isLower(name[i-1]):
			add(i)
			start = i
		}
	}
	add(len(name))
	return words
}

// sensitive reports whether everything below a member of a custom resource is
// concealed.
func sensitive(key, parent []byte) bool {
	switch string(key) {
	case "values", "valuesObject", "data", "stringData", "binaryData":
		return true
	case "parameters", "fileParameters":
		return string(parent) == "helm"
	}
	return secretName(key, certain)
}

// harmless reports whether a value gives nothing away, although its name says
// that it is a secret: nothing, a switch, a reference that is not yet resolved,
// or a token.
func harmless(value []byte) bool {
	switch string(value) {
	case "", "true", "false", "null", "nil", "none":
		return true
	}
	if isToken(value) {
		return true
	}
	return reference(value, "$(", ")") || reference(value, "${", "}") || reference(value, "{{", "}}")
}

func reference(value []byte, open, closing string) bool {
	inner, opened := bytes.CutPrefix(value, []byte(open))
	inner, closed := bytes.CutSuffix(inner, []byte(closing))
	return opened && closed && !bytes.ContainsAny(inner, "$(){}")
}
