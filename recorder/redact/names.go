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
	secretWords = []string{
		"password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "accountkey", "privatekey",
		"encryptionkey", "signingkey", "masterkey", "sharedkey", "credential", "authorization", "connectionstring",
		"sharedaccesssignature",
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

// longestName bounds how much of a name is looked at: its end, which says what
// it is the name of.
const longestName = 64

// secretName reports whether a name says that its value is a secret.
func secretName(name []byte, c confidence) bool {
	// In lower case and without what separates its words: DB_PASSWORD,
	// db-password and dbPassword are the same two.
	var folded [longestName]byte
	var starts [longestName + 1]int
	name = name[max(0, len(name)-longestName):]
	n, words := 0, 0
	for i, b := range name {
		if !isAlnum(b) {
			continue
		}
		if n == 0 || !isAlnum(name[i-1]) || isUpper(b) && isLower(name[i-1]) {
			starts[words] = n
			words++
		}
		if isUpper(b) {
			b += 'a' - 'A'
		}
		folded[n] = b
		n++
	}
	if n == 0 {
		return false
	}
	starts[words] = n
	word := func(i int) string { return string(folded[starts[i]:starts[i+1]]) }
	if slices.Contains(plainEnds, word(words-1)) {
		return false
	}
	for i := range words {
		if w := word(i); slices.Contains(secretParts, w) || c == likely && slices.Contains(likelyParts, w) {
			return true
		}
	}
	for i := range n {
		for _, w := range wordsByFirst[folded[i]] {
			if len(w) <= n-i && string(folded[i:i+len(w)]) == w {
				return true
			}
		}
	}
	return false
}

var wordsByFirst = func() (byFirst [256][]string) {
	for _, w := range secretWords {
		byFirst[w[0]] = append(byFirst[w[0]], w)
	}
	return byFirst
}()

// sensitive reports whether everything below a member of a custom resource is
// concealed.
func sensitive(key, parent []byte) bool {
	switch string(key) {
	case "values", "valuesObject", "data", "stringData", "binaryData":
		return true
	case "parameters", "fileParameters":
		return string(parent) == "helm"
	case "imagePullSecrets": // names
		return false
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
