package redact

import (
	"bytes"
	"encoding/base64"
)

// scan replaces what looks like a secret in a text. out is s where nothing
// changed.
func (p *Policy) scan(s []byte, entropy bool) (out []byte, changed bool) {
	copied := 0
	suspects(s, entropy, func(_ string, start, end int) {
		out = append(out, s[copied:start]...)
		out = append(out, p.token(s[start:end])...)
		copied, changed = end, true
	})
	if !changed {
		return s, false
	}
	return append(out, s[copied:]...), true
}

// suspects finds what looks like a secret in a text: keys of known services,
// JSON Web Tokens, PEM, credentials in URLs and headers, and values that their
// names give away ("password=..."). With entropy, which is for texts made of
// words, it finds random strings too. It calls found with what it is and where,
// in order.
func suspects(s []byte, entropy bool, found func(what string, start, end int)) {
	if len(s) < shortestKey && !assigns(s) || isTime(s) {
		return
	}
	tested := 0   // how far random strings were looked for
	word := false // the byte before belongs to a word
	for i := 0; i < len(s); {
		b := s[i]
		start, end, what := 0, 0, ""
		switch {
		case b == tokenOpen[0]:
			if n := tokenLen(s[i:]); n > 0 {
				i += n
				word = false
				continue
			}
		case b == ':' || b == '=':
			what = "credentials in a URL"
			if start, end = userinfo(s, i); end == 0 {
				what = "value that its name gives away"
				start, end = assigned(s, i)
			}
		case b == '-' && i+1 < len(s) && s[i+1] == '-':
			what = "PEM"
			start, end = armoured(s, i)
		case !word && isAlnum(b):
			start, end, what = keyShape(s, i)
			if end == 0 && entropy && i >= tested {
				if tested = randomEnd(s, i); isRandom(s[i:tested]) {
					start, end, what = i, tested, "random string"
				}
			}
		}
		if end > start && !isToken(s[start:end]) {
			found(what, start, end)
			i, word = end, false
			continue
		}
		word = isAlnum(b)
		i++
	}
}

// assigns reports whether a short text may say name=value or name: value.
func assigns(s []byte) bool {
	for _, b := range s {
		if b == ':' || b == '=' {
			return true
		}
	}
	return false
}

// isTime reports whether a text is a time as Kubernetes writes it, such as
// 2026-11-25T23:54:52Z. Many texts are, and their colons look like much.
func isTime(s []byte) bool {
	const like = "0000-00-00T00:00:00Z"
	if len(s) != len(like) || s[len(like)-1] != 'Z' {
		return false
	}
	for i, b := range s {
		if like[i] == '0' && !isDigit(b) || like[i] != '0' && b != like[i] {
			return false
		}
	}
	return true
}

// userinfo finds the password in scheme://user:password@host, whose colon is
// at i, or a token in the user's place.
func userinfo(s []byte, i int) (start, end int) {
	if !bytes.HasPrefix(s[i:], []byte("://")) {
		return 0, 0
	}
	authority := s[i+3:]
	if n := bytes.IndexAny(authority, "/?# \t\r\n\"'`<>"); n >= 0 {
		authority = authority[:n]
	}
	at := bytes.LastIndexByte(authority, '@')
	if at < 0 {
		return 0, 0
	}
	start, end = i+3, i+3+at
	if colon := bytes.IndexByte(authority[:at], ':'); colon >= 0 {
		return start + colon + 1, end
	}
	if at < 16 { // a name, as in ssh://git@host
		return 0, 0
	}
	return start, end
}

// assigned finds the value of name=value, name: value, "name":"value" and the
// like, whose = or : is at i, if the name is that of a secret.
func assigned(s []byte, i int) (start, end int) {
	stop := i
	for stop > 0 && i-stop < 4 && bytes.IndexByte([]byte(` "'\`), s[stop-1]) >= 0 {
		stop--
	}
	first := stop
	for first > 0 && stop-first < longestName && (isAlnum(s[first-1]) || bytes.IndexByte([]byte("_-."), s[first-1]) >= 0) {
		first--
	}
	name := s[first:stop]
	if len(name) < 3 || !secretName(name, certain) {
		return 0, 0
	}
	start, end, quoted := valueAfter(s, i+1)
	value := s[start:end]
	if harmless(value) || bytes.HasPrefix(value, []byte("{")) || bytes.HasPrefix(value, []byte("[")) {
		return 0, 0
	}
	if s[i] == ':' && !quoted && stop == i && inProse(name, value) {
		return 0, 0
	}
	return start, end
}

// inProse reports whether name: value is more likely a sentence, as in
// "cannot fetch token: timeout".
func inProse(name, value []byte) bool {
	for _, word := range []string{"token", "secret", "credential"} {
		if bytes.Contains(bytes.ToLower(name), []byte(word)) {
			return !bytes.ContainsAny(value, "0123456789") || len(value) < 8
		}
	}
	return false
}

// valueAfter finds the value that begins at or after i.
func valueAfter(s []byte, i int) (start, end int, quoted bool) {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	for _, quote := range []string{`"`, `'`, `\"`, `\'`, "`"} {
		if !bytes.HasPrefix(s[i:], []byte(quote)) {
			continue
		}
		start = i + len(quote)
		for end = start; end < len(s) && !bytes.HasPrefix(s[end:], []byte(quote)); end++ {
			if len(quote) == 1 && s[end] == '\\' {
				end++ // what is escaped does not end it
			}
		}
		return start, min(end, len(s)), true
	}
	end = wordEnd(s, i)
	switch string(bytes.ToLower(s[i:end])) {
	case "basic", "bearer", "digest", "negotiate", "token":
		if end < len(s) && s[end] == ' ' {
			i = end + 1
			end = wordEnd(s, i)
		}
	}
	return i, end, false
}

// wordEnd returns the end of an unquoted value, without the punctuation of the
// text around.
func wordEnd(s []byte, i int) int {
	end := i
	for end < len(s) && bytes.IndexByte([]byte(" \t\r\n\"'`&<>"), s[end]) < 0 {
		end++
	}
	for end > i && trailing(s[i:end]) {
		end--
	}
	return end
}

// trailing reports whether the last byte of a value belongs to the text around.
func trailing(value []byte) bool {
	switch value[len(value)-1] {
	case ',', ';', ':', '.', '\\':
		return true
	case ')':
		return bytes.IndexByte(value, '(') < 0
	case ']':
		return bytes.IndexByte(value, '[') < 0
	case '}':
		return bytes.IndexByte(value, '{') < 0
	}
	return false
}

// armoured finds a PEM block, to the end of the text if it was cut off.
func armoured(s []byte, i int) (start, end int) {
	if !bytes.HasPrefix(s[i:], []byte("-----BEGIN ")) {
		return 0, 0
	}
	last := bytes.Index(s[i:], []byte("-----END "))
	if last < 0 {
		return i, len(s)
	}
	last += i + len("-----END ")
	if n := bytes.Index(s[last:], []byte("-----")); n >= 0 {
		return i, last + n + len("-----")
	}
	return i, len(s)
}

// shortestKey is no longer than the shortest of shapes with its prefix; PEM,
// random strings and tokens are longer.
const shortestKey = 13

// shape is how the keys of a service look.
type shape struct {
	prefix string
	what   string
	body   int // least length of what follows
	valid  func([]byte) bool
}

// shapes are looked for at the beginnings of words, by their first byte.
var shapes = func() (byFirst [256][]shape) {
	for _, s := range []shape{
		{"eyJ", "JSON Web Token", 16, isJWT},
		{"LS0tLS1CRUdJTi", "private key in base64", 40, isEncodedKey}, // -----BEGIN
		{"AKIA", "AWS key", 12, nil},
		{"ASIA", "AWS key", 12, nil},
		{"AROA", "AWS key", 12, nil}, // AWS
		{"AIza", "Google key", 30, nil},
		{"ya29.", "Google token", 20, nil},
		{"GOCSPX-", "Google client secret", 20, nil}, // Google
		{"ghp_", "GitHub token", 20, nil},
		{"gho_", "GitHub token", 20, nil},
		{"ghu_", "GitHub token", 20, nil},
		{"ghs_", "GitHub token", 20, nil},
		{"ghr_", "GitHub token", 20, nil},
		{"github_pat_", "GitHub token", 20, nil},
		{"glpat-", "GitLab token", 16, nil},
		{"xoxb-", "Slack token", 10, nil},
		{"xoxp-", "Slack token", 10, nil},
		{"xoxa-", "Slack token", 10, nil},
		{"xoxr-", "Slack token", 10, nil},
		{"xoxs-", "Slack token", 10, nil},
		{"xapp-", "Slack token", 10, nil},
		{"sk_live_", "Stripe key", 10, nil},
		{"sk_test_", "Stripe key", 10, nil},
		{"rk_live_", "Stripe key", 10, nil},
		{"whsec_", "webhook secret", 16, nil},
		{"sk-", "API key", 20, hasDigit},
		{"npm_", "npm token", 30, nil},
		{"hvs.", "Vault token", 20, nil},
		{"hvb.", "Vault token", 20, nil},
		{"dop_v1_", "DigitalOcean token", 30, nil},
		{"SG.", "SendGrid key", 30, nil},
		{"pypi-", "PyPI token", 30, nil},
		{"AGE-SECRET-KEY-", "age key", 30, nil},
		{"Bearer ", "authorization header", 8, notWord},
		{"bearer ", "authorization header", 8, notWord},
		{"Basic ", "authorization header", 8, notWord},
		{"basic ", "authorization header", 8, notWord},
	} {
		byFirst[s.prefix[0]] = append(byFirst[s.prefix[0]], s)
	}
	return byFirst
}()

// keyShape finds a key of a known shape that begins at i, and says whose.
func keyShape(s []byte, i int) (start, end int, what string) {
	for _, shape := range shapes[s[i]] {
		if !bytes.HasPrefix(s[i:], []byte(shape.prefix)) {
			continue
		}
		start, end = i, i+len(shape.prefix)
		if shape.prefix[len(shape.prefix)-1] == ' ' {
			start = end // the scheme is not the secret
		}
		body := end
		for end < len(s) && (isAlnum(s[end]) || bytes.IndexByte([]byte("_-.+/=~"), s[end]) >= 0) {
			end++
		}
		for end > body && (s[end-1] == '.' || s[end-1] == '/') {
			end--
		}
		if end-body >= shape.body && (shape.valid == nil || shape.valid(s[start:end])) {
			return start, end, shape.what
		}
	}
	return 0, 0, ""
}

func isJWT(s []byte) bool { return bytes.IndexByte(s, '.') > 0 }

func hasDigit(s []byte) bool { return bytes.ContainsAny(s, "0123456789") }

// notWord tells the credentials of a header from a sentence about them.
func notWord(s []byte) bool {
	return hasDigit(s) || bytes.ContainsFunc(s[1:], func(r rune) bool { return 'A' <= r && r <= 'Z' })
}

// isEncodedKey reports whether s is a private key in PEM in base64. So are
// certificates, which are public and stand in many objects.
func isEncodedKey(s []byte) bool {
	head := make([]byte, 42)
	n, _ := base64.StdEncoding.Decode(head, s[:min(len(s), 56)])
	return bytes.Contains(head[:n], []byte("PRIVATE KEY"))
}

// randomEnd returns the end of the run of base64 that begins at i.
func randomEnd(s []byte, i int) int {
	for i < len(s) && (isAlnum(s[i]) || bytes.IndexByte([]byte("+/_-"), s[i]) >= 0) {
		i++
	}
	for i < len(s) && s[i] == '=' {
		i++
	}
	return i
}

// isRandom reports whether a run was made by chance rather than by people: it
// has letters of both cases and digits, and they change places more often than
// in names, paths, UIDs and hex digests, which do not come in both cases.
func isRandom(run []byte) bool {
	if len(run) < 24 {
		return false
	}
	var upper, lower, digit, changes int
	last := byte(0)
	for _, b := range run {
		class := byte('-')
		switch {
		case isUpper(b):
			class = 'A'
			upper++
		case isLower(b):
			class = 'a'
			lower++
		case isDigit(b):
			class = '0'
			digit++
		}
		if class != last {
			changes++
		}
		last = class
	}
	return upper > 1 && lower > 1 && digit > 1 && changes*5 >= len(run)*2
}

func isUpper(b byte) bool { return 'A' <= b && b <= 'Z' }
func isLower(b byte) bool { return 'a' <= b && b <= 'z' }
func isDigit(b byte) bool { return '0' <= b && b <= '9' }
func isAlnum(b byte) bool { return alnum[b] }
func isHex(b byte) bool   { return isDigit(b) || 'a' <= b && b <= 'f' }

var alnum = func() (is [256]bool) {
	for b := range is {
		is[b] = isLower(byte(b)) || isUpper(byte(b)) || isDigit(byte(b))
	}
	return is
}()
