package redact

import (
	"bytes"
	"encoding/base64"
)

// scan replaces what looks like a secret in a text. out is s where nothing
// changed.
func (at place) scan(s []byte, entropy bool) (out []byte, changed bool) {
	copied := 0
	suspects(s, entropy, func(_ string, start, end int) {
		out = append(out, s[copied:start]...)
		out = append(out, at.token(s[start:end])...)
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
	fresh := 0    // where a word may begin although: behind an escape, as in \nAKIA
	var keys run
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
		case b == '\\':
			fresh = i + escape(s[i:])
		case (!word || i == fresh) && isAlnum(b):
			start, end, what = keyShape(s, i, &keys)
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

// escape returns the length of an escape that stands for white space or
// punctuation in a text that was quoted, as JSON in JSON is; otherwise 0.
func escape(s []byte) int {
	switch {
	case len(s) > 1 && (s[1] == 'n' || s[1] == 'r' || s[1] == 't'):
		return 2
	case len(s) > 6 && s[1] == 'u' && s[2] == '0' && s[3] == '0':
		return 6
	}
	return 0
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
		return misread(s, i+3, len(authority))
	}
	start, end = i+3, i+3+at
	user := tokenLen(authority)
	if colon := bytes.IndexByte(authority[min(user, at):at], ':'); colon >= 0 {
		return start + user + colon + 1, end
	}
	if at < 16 { // a name, as in ssh://git@host
		return 0, 0
	}
	return start, end
}

// misread finds the password of a URL that is none because there is a /, ? or #
// in it; drivers quote such URLs when they complain. The authority of n bytes
// that begins at i ends there.
func misread(s []byte, i, n int) (start, end int) {
	user := tokenLen(s[i : i+n])
	colon := user + bytes.IndexByte(s[i+user:i+n], ':')
	if colon < user || n == 0 || s[i] == '[' || !bytes.ContainsFunc(s[i+colon+1:i+n], func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, 0 // a host, and maybe a port
	}
	start = i + colon + 1
	rest := s[start:min(len(s), start+longestPassword)]
	if n := bytes.IndexAny(rest, " \t\r\n\"'`<>"); n >= 0 {
		rest = rest[:n]
	}
	at := bytes.LastIndexByte(rest, '@')
	if at < 0 {
		return 0, 0
	}
	return start, start + at
}

// longestPassword is how far misread looks.
const longestPassword = 256

// assigned finds the value of name=value, name: value, "name":"value" and the
// like, whose = or : is at i, if the name is that of a secret.
func assigned(s []byte, i int) (start, end int) {
	stop := i
	for stop > 0 && i-stop < longestQuote && bytes.IndexByte([]byte(` "'\`), s[stop-1]) >= 0 {
		stop--
	}
	first := stop
	for first > 0 && stop-first < longestName && (isAlnum(s[first-1]) || bytes.IndexByte([]byte("_-."), s[first-1]) >= 0) {
		first--
	}
	name := s[first:stop]
	if len(name) < 3 || !secretName(name, certain) &&
		!(first > 0 && escape(s[first-1:]) == 2 && secretName(name[1:], certain)) { // as in \npwd=
		return 0, 0
	}
	start, end, quoted := valueAfter(s, i+1)
	plain := s[i] == ':' && !quoted && stop == i
	if plain {
		if last := lineEnd(s, first, start); last > 0 {
			end = last
		} else if inProse(name, s[start:end]) {
			return 0, 0
		}
	}
	if value := s[start:end]; harmless(value) || nested(value) {
		return 0, 0
	}
	return start, end
}

// longestQuote is how many quotes and backslashes may stand between a name and
// its colon: JSON in JSON in JSON.
const longestQuote = 16

// nested reports whether a value is one with parts, which are looked at on their
// own. {SSHA}x and {bcrypt}x are not: that is how a password was hashed.
func nested(value []byte) bool {
	if len(value) == 0 || value[0] != '{' && value[0] != '[' {
		return false
	}
	n := 1
	for n < len(value) && n < 16 && isAlnum(value[n]) {
		n++
	}
	hashed := value[0] == '{' && n > 1 && n+1 < len(value) && value[n] == '}' && (isAlnum(value[n+1]) || value[n+1] == '$')
	return !hashed
}

// lineEnd returns where the value ends that begins at start, if its name, at
// first, begins a line of a text of several lines, as in YAML: with the line, or
// with the block that it introduces. Otherwise it returns 0.
func lineEnd(s []byte, first, start int) int {
	margin := first
	for margin > 0 && (s[margin-1] == ' ' || s[margin-1] == '-') {
		margin--
	}
	if margin == first && first > 0 && s[first] == 'n' && s[first-1] == '\\' {
		margin++ // what was taken for a part of the name
		first++
	}
	slashes, opens := 0, false // of the line feeds; the line is the first
	switch {
	case margin == 0:
		opens = true
	case s[margin-1] == '\n':
	case s[margin-1] == 'n':
		if slashes = slashesBefore(s, margin-1); slashes == 0 {
			return 0
		}
	case s[margin-1] == '"':
		slashes, opens = slashesBefore(s, margin-1)+1, true
		s = s[:quoteEnd(s, start, '"', slashes-1)]
	default:
		return 0
	}
	end, feed := lineFeed(s, start, slashes)
	if opens && feed == 0 { // the only line
		return 0
	}
	value := bytes.TrimRight(s[start:end], " \t\r")
	if len(value) == 0 || value[0] != '|' && value[0] != '>' || len(bytes.Trim(value[1:], "+-0123456789")) > 0 {
		return start + len(value)
	}
	for feed > 0 {
		from := end + feed
		last, next := lineFeed(s, from, slashes)
		line := s[from:last]
		text := bytes.TrimLeft(line, " \t\r")
		if len(text) > 0 && len(line)-len(text) <= first-margin {
			break
		}
		end, feed = last, next
	}
	return end
}

// lineFeed returns the end of the line that begins at i, and the length of the
// line feed there, 0 if the text ends. In a text that was quoted, that is an n
// with so many backslashes in front of it.
func lineFeed(s []byte, i, slashes int) (end, feed int) {
	if slashes == 0 {
		if n := bytes.IndexByte(s[i:], '\n'); n >= 0 {
			return i + n, 1
		}
		return len(s), 0
	}
	for end = i; end < len(s); end++ {
		if s[end] != '\\' {
			continue
		}
		n := 0
		for end+n < len(s) && s[end+n] == '\\' {
			n++
		}
		if n == slashes && end+n < len(s) && s[end+n] == 'n' {
			feed = n + 1
			break
		}
		end += n - 1
	}
	// The quoted text may end before.
	if last := quoteEnd(s[:end], i, '"', slashes-1); last < end {
		return last, 0
	}
	return end, feed
}

// slashesBefore counts the backslashes in front of what is at i.
func slashesBefore(s []byte, i int) int {
	n := 0
	for n < longestQuote && i-n > 0 && s[i-n-1] == '\\' {
		n++
	}
	return n
}

// inProse reports whether name: value is more likely a sentence, as in
// "cannot fetch token: timeout".
func inProse(name, value []byte) bool {
	for _, word := range []string{"token", "secret", "credential"} {
		if bytes.Contains(bytes.ToLower(name), []byte(word)) {
			return len(value) < 8 || len(value) < longestWord && !bytes.ContainsAny(value, "0123456789")
		}
	}
	return false
}

// longestWord is longer than what is written in sentences.
const longestWord = 64

// valueAfter finds the value that begins at or after i.
func valueAfter(s []byte, i int) (start, end int, quoted bool) {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	slashes := 0
	for slashes < longestQuote && i+slashes < len(s) && s[i+slashes] == '\\' {
		slashes++
	}
	if n := i + slashes; n < len(s) && (s[n] == '"' || s[n] == '\'' || s[n] == '`') {
		return n + 1, quoteEnd(s, n+1, s[n], slashes), true
	}
	if nested(s[i:]) {
		return i, i, false
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

// quoteEnd returns the end of the value that begins at start behind a quote with
// so many backslashes in front of it. More of them belong to a quote within, but
// for those that are themselves escaped.
func quoteEnd(s []byte, start int, quote byte, slashes int) int {
	for i := start; ; i++ {
		n := bytes.IndexByte(s[i:], quote)
		if n < 0 {
			return len(s)
		}
		i += n
		before := 0
		for i-before > start && s[i-before-1] == '\\' {
			before++
		}
		if before >= slashes && (before-slashes)%(2*(slashes+1)) == 0 {
			return i - slashes
		}
	}
}

// wordEnd returns the end of an unquoted value, without the punctuation of the
// text around.
func wordEnd(s []byte, i int) int {
	end := i
	for end < len(s) && bytes.IndexByte([]byte(" \t\r\n\"'`&<>"), s[end]) < 0 {
		end++
	}
	return i + unpunctuated(s[i:end])
}

// unpunctuated returns the length of a value without the punctuation at its end
// that belongs to the text around.
func unpunctuated(value []byte) int {
	var opened [3]int // the length from which on a closing bracket is the value's own, once that is known
	for end := len(value); end > 0; end-- {
		switch last := value[end-1]; last {
		case ',', ';', ':', '.', '\\':
		case ')', ']', '}':
			n := bytes.IndexByte([]byte(")]}"), last)
			if opened[n] == 0 {
				opened[n] = end + 1
				if at := bytes.IndexByte(value[:end], "([{"[n]); at >= 0 {
					opened[n] = at + 1
				}
			}
			if opened[n] <= end {
				return end
			}
		default:
			return end
		}
	}
	return 0
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
		{"AROA", "AWS key", 12, nil},
		{"AIza", "Google key", 30, nil},
		{"ya29.", "Google token", 20, nil},
		{"GOCSPX-", "Google client secret", 20, nil},
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
		{"hooks.slack.com/services/", "Slack webhook", 20, nil},
		{"discord.com/api/webhooks/", "Discord webhook", 20, nil},
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

// run is the stretch of bytes that keys consist of which was looked at last: it
// may begin in many places like a key.
type run struct{ end, trimmed int }

// keyShape finds a key of a known shape that begins at i, and says whose.
func keyShape(s []byte, i int, r *run) (start, end int, what string) {
	for _, shape := range shapes[s[i]] {
		if !bytes.HasPrefix(s[i:], []byte(shape.prefix)) {
			continue
		}
		start, end = i, i+len(shape.prefix)
		if shape.prefix[len(shape.prefix)-1] == ' ' {
			start = end // the scheme is not the secret
		}
		body := end
		if r.end < body {
			for r.end = body; r.end < len(s) && (isAlnum(s[r.end]) || bytes.IndexByte([]byte("_-.+/=~"), s[r.end]) >= 0); r.end++ {
			}
			for r.trimmed = r.end; r.trimmed > body && (s[r.trimmed-1] == '.' || s[r.trimmed-1] == '/'); r.trimmed-- {
			}
		}
		end = max(body, r.trimmed)
		if end-body >= shape.body && (shape.valid == nil || shape.valid(s[start:end])) {
			return start, end, shape.what
		}
	}
	return 0, 0, ""
}

// isJWT and hasDigit look no further than they must: a long text may begin again
// and again like a key.
func isJWT(s []byte) bool { return bytes.IndexByte(s[:min(len(s), 16<<10)], '.') > 0 }

func hasDigit(s []byte) bool { return bytes.ContainsAny(s[:min(len(s), 128)], "0123456789") }

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
