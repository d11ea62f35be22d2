package redact

import (
	"bytes"
	"slices"
	"strings"
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
	return opened && closed && len(inner) <= longestName && isIdentifier(bytes.TrimLeft(bytes.TrimSpace(inner), "."))
}

// isIdentifier reports whether a text can be the name of a variable, and no more:
// what stands beside the name may be its default.
func isIdentifier(v []byte) bool {
	for _, b := range v {
		if !isAlnum(b) && b != '_' && b != '.' && b != '-' {
			return false
		}
	}
	return true
}

var (
	// suspectParts are words of a name that betray a secret where values are
	// configured, beyond secretParts and likelyParts.
	suspectParts = wordSet(`pw pswd passwd psk pin passcode pincode otp totp mfa mnemonic pepper cred creds hmac bearer sas signature luks wpa wep
		licence unseal tok cipherpass keypass storepass community cookie sid`)
	// suspectEnds are how a word ends that was written without separators, as in
	// DBPASS and restuserkey.
	suspectEnds = []string{"pass", "pw", "pwd", "psk", "passwd", "passcode", "auth", "key", "pin"}
	// plainWords end so and mean something else.
	plainWords = wordSet(`compass bypass trespass surpass encompass pass-through hotkey monkey turkey donkey jockey hockey whiskey apikeyname publickey
		spin ping pin-threads keypair nonpass allpass lowpass highpass grepin mapin`)
	// suspectPairs are two words that do together.
	suspectPairs = [][2]string{
		{"access", "code"},
		{"auth", "code"},
		{"door", "code"},
		{"unlock", "code"},
		{"security", "code"},
		{"verification", "code"},
		{"invite", "code"},
		{"recovery", "code"},
		{"recovery", "phrase"},
		{"seed", "phrase"},
		{"encryption", "phrase"},
		{"pass", "phrase"},
		{"private", "pem"},
		{"basic", "info"},
	}
)

// suspicious reports whether a name says that its value may be a secret, where
// values are configured: in env, flags, annotations, settings and parameters.
func suspicious(name []byte) bool {
	if len(name) < 2 {
		return false
	}
	if at := bytes.LastIndexByte(name, '/'); at >= 0 { // the domain of an annotation says nothing
		name = name[at+1:]
	}
	if secretName(name, likely) {
		return true
	}
	var last string
	plain := false
	found := false
	eachWord(name, func(word string) {
		switch {
		case suspectParts[word], suspectParts[strings.TrimSuffix(word, "s")]:
			found = true
		case !plainWords[word] && endsSuspect(word):
			found = true
		}
		for _, pair := range suspectPairs {
			if last == pair[0] && word == pair[1] {
				found = true
			}
		}
		plain = slices.Contains(plainEnds, word)
		last = word
	})
	return found && !plain
}

// endsSuspect reports whether a word is written together with that for a secret.
func endsSuspect(word string) bool {
	for _, end := range suspectEnds {
		if len(word) > len(end) && word[len(word)-len(end):] == end && !(end == "pin" && len(word) < 6) {
			return true
		}
	}
	return false
}

// eachWord calls f for the words of a name, in lower case.
func eachWord(name []byte, f func(string)) {
	name = name[max(0, len(name)-longestName):]
	var folded [longestName]byte
	n := 0
	for i, b := range name {
		ends := i > 0 && isUpper(b) && isLower(name[i-1])
		if (ends || !isAlnum(b)) && n > 0 {
			f(string(folded[:n]))
			n = 0
		}
		if !isAlnum(b) {
			continue
		}
		if isUpper(b) {
			b += 'a' - 'A'
		}
		folded[n] = b
		n++
	}
	if n > 0 {
		f(string(folded[:n]))
	}
}
