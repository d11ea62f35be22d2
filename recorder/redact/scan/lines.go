package scan

import (
	"encoding/base64"
	"math"
	"regexp"
	"strings"
	"sync"
)

// expression returns a regular expression that is compiled when it is first used:
// together they would make the start of every command slower.
func expression(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// look returns what looks like a secret in a text with a name, as it stands and
// decoded. file is set for a line of a file, which has names in it.
func (s *Scanner) look(name, text string, file bool) []finding {
	text = tokens().ReplaceAllString(text, "…")
	text = certificates().ReplaceAllString(text, "…")
	if len(strings.Trim(text, "… ")) < 4 {
		return nil
	}
	var all []finding
	note := func(f finding) {
		for _, known := range all {
			if known.secret == f.secret || strings.Contains(known.secret, f.secret) {
				return
			}
		}
		all = append(all, f)
	}
	s.plain(name, text, file, note)
	d := decoder{left: mostDecoded, seen: map[string]bool{}}
	d.each(text, 0, func(inner string) {
		inner = tokens().ReplaceAllString(inner, "…")
		inner = certificates().ReplaceAllString(inner, "…")
		s.plain(name, inner, false, note)
	})
	return all
}

var (
	tokens       = expression(`‹r:[0-9a-f]{6,16}:[0-9]+›`)
	encodedToken = expression(`^‹r:[0-9a-f]{6,16}:[0-9]+›$`)
	certificates = expression(`(?s)-----BEGIN (?:CERTIFICATE|CERTIFICATE REQUEST|PUBLIC KEY|X509 CRL)-----.*?(?:-----END [A-Z0-9 ]+-----|$)`)
	privateKeys  = expression(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z ]*-----|$)`)
	userinfos    = expression(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/?#"'@:…]*:([^\s"'@/…]{2,})@|(?:^|[\s"'=(])[A-Za-z][A-Za-z0-9_.-]*:([^\s"'@/:…]{4,})@(?:tcp\(|[a-z0-9.-]+:[0-9]+)`)
	schemes      = expression(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9+/_=.~-]{12,})`)
	assignments  = expression(`([A-Za-z][A-Za-z0-9_.-]{1,60})["']?\s*(=|:|=>|:=)\s*(?:"((?:[^"\\]|\\.){4,})"|'([^']{4,})'|([^\s"',;&<>{}\[\]()]{4,}))`)
	flags        = expression(`--?([A-Za-z][A-Za-z0-9_.-]{1,60})\s+["']?([^\s"'(-][^\s"']{3,})`)
	elements     = expression(`<([A-Za-z][A-Za-z0-9_.-]*)>([^<>\s]{4,})</`)
	long         = expression(`[A-Za-z0-9+/_=-]{20,}`)
)

// isTokenOf reports whether a value of a Secret is a token, in base64 below data.
func isTokenOf(member, text string) bool {
	if member == "data" {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err == nil {
			text = string(decoded)
		}
	}
	return encodedToken().MatchString(text)
}

// plain looks at a text as it stands.
func (s *Scanner) plain(name, text string, file bool, note func(finding)) {
	if !file {
		if m := privateKeys().FindString(text); m != "" {
			note(finding{"private key", m})
		}
	}
	if secretName(name) && !reference(name) && valued(text) {
		note(finding{"value with the name of a secret", text})
		return
	}
	context := text
	if name != "" {
		context = name + ` = "` + text + `"`
	}
	for _, f := range s.rules.match(context) {
		note(f)
	}
	for _, m := range userinfos().FindAllStringSubmatch(text, 16) {
		if secret := m[1] + m[2]; !placeholder(secret) {
			note(finding{"credentials in a URL", secret})
		}
	}
	for _, m := range schemes().FindAllStringSubmatch(text, 16) {
		if strings.ContainsAny(m[1], "0123456789=") || entropy(m[1]) > 3.8 {
			note(finding{"authorization header", m[1]})
		}
	}
	s.assigned(text, 0, note)
	command(text, note)
	for _, m := range elements().FindAllStringSubmatch(text, 64) {
		if secretName(m[1]) && !reference(m[1]) && valued(m[2]) {
			note(finding{"element with the name of a secret", m[2]})
		}
	}
	if public(name) {
		return
	}
	for _, at := range long().FindAllStringIndex(text, 64) {
		if run := text[at[0]:at[1]]; random(run) && !isTokenOf("data", run) && !known(text, at[0], at[1]) {
			note(finding{"random string", run})
		}
	}
}

// assigned looks at name=value, and into values in quotes.
func (s *Scanner) assigned(text string, depth int, note func(finding)) {
	for _, m := range assignments().FindAllStringSubmatch(text, 256) {
		value := m[3] + m[4] + m[5]
		switch {
		case secretName(m[1]) && !reference(m[1]):
			if valued(value) && !(m[2] == ":" && m[5] != "" && prose(m[1], value)) {
				note(finding{"value with the name of a secret", value})
			}
		case depth < 3 && strings.ContainsAny(value, "=:"):
			s.assigned(value, depth+1, note)
		}
	}
}

var (
	secretNames = expression(`(?i)pass(?:w(?:or)?d|phrase|code)?$|passw|pwd$|(?:^|[_.-])pw$|secret|token$|api[_.-]?key|access[_.-]?key|private[_.-]?key|account[_.-]?key|encryption[_.-]?key|credential|authorization|(?:^|[_.-])psk$|cookie$|connection[_.-]?string`)
	innocent    = expression(`(?i)(?:name|names|ref|refs|file|files|path|dir|ttl|type|kind|class|namespace|issuer|audience|expir[a-z]*|seconds|enabled|policy|version|provider|length|count|mode|url|uri|endpoint|resourceversion|key)$`)
	keyNames    = expression(`(?i)(?:api|access|private|account|encryption)[_.-]?key$`)
	publicNames = expression(`(?i)(?:uid|digest|checksum|hash|sha\d*|revision|commit|image|imageid|containerid|cabundle|request|certificate|fieldpath|providerid|etag|generation)$`)
	references  = expression(`^(?:\$\(.*\)|\$\{.*\}|\{\{.*\}\}|\$[A-Z_]+|%[A-Z_]+%)$`)
	uids        = expression(`(?i)^(?:[a-z0-9]+-)*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	words       = expression(`^[A-Za-z][a-z]*(?:[-_./ ]?[A-Za-z][a-z]*)*$`)
)

// secretName reports whether a name says that its value is a secret.
func secretName(name string) bool {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	return secretNames().MatchString(name) && (!innocent().MatchString(name) || keyNames().MatchString(name))
}

// reference reports whether a member says where something is.
func reference(name string) bool {
	switch name {
	case "name", "namespace", "kind", "apiVersion", "key", "operator", "type", "mountPath", "optional", "defaultMode":
		return true
	}
	return innocent().MatchString(name) && !keyNames().MatchString(name)
}

// valued reports whether what stands under the name of a secret can be one.
func valued(text string) bool {
	text = strings.Trim(text, ` "'`+"`,;")
	switch strings.ToLower(text) {
	case "true", "false", "null", "none", "nil", "yes", "no", "undefined", "redacted", "required", "optional", "<nil>", "****", "********":
		return false
	}
	return len(text) >= 4 && !placeholder(text) && !references().MatchString(text) && !strings.Contains(text, "…") && strings.Trim(text, "*.x-") != "" && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[")
}

func placeholder(text string) bool {
	return strings.Contains(text, "…") || strings.HasPrefix(text, "$") || strings.HasPrefix(text, "<") || strings.HasPrefix(text, "%")
}

// prose reports whether name: value is a sentence, as in "fetch token: timeout".
func prose(name, value string) bool {
	return (strings.EqualFold(name, "token") || strings.EqualFold(name, "secret") || strings.EqualFold(name, "credential") || strings.EqualFold(name, "credentials") || strings.EqualFold(name, "authorization")) &&
		words().MatchString(value)
}

// public reports whether a name says that its value is random and no secret.
func public(name string) bool { return publicNames().MatchString(name) }

// entropy returns the bits in a letter of a text.
func entropy(text string) float64 {
	if text == "" {
		return 0
	}
	var counts [256]int
	for i := range len(text) {
		counts[text[i]]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			share := float64(n) / float64(len(text))
			bits -= share * math.Log2(share)
		}
	}
	return bits
}

// random reports whether a run of letters was made by chance: of both cases and
// digits, mixed, and with as much entropy as chance has.
func random(run string) bool {
	if uids().MatchString(run) {
		return false
	}
	var upper, lower, digit, changes, previous int
	for i := range len(run) {
		class := 0
		switch b := run[i]; {
		case 'A' <= b && b <= 'Z':
			upper++
			class = 1
		case 'a' <= b && b <= 'z':
			lower++
			class = 2
		case '0' <= b && b <= '9':
			digit++
			class = 3
		}
		if i > 0 && class != previous {
			changes++
		}
		previous = class
	}
	return upper > 1 && lower > 1 && digit > 1 && changes*3 >= len(run) && entropy(run) > 3.7
}

// longestDigest is how far back the name of a digest may stand.
const longestDigest = 160

// known reports whether a random run is one that is made to be seen: a digest or a
// picture.
func known(text string, start, end int) bool {
	before := text[max(0, start-longestDigest):start]
	if i := strings.LastIndexAny(before, " \"'<>"); i >= 0 { // of the same word
		before = before[i+1:]
	}
	run := text[start:end]
	for _, mark := range []string{"sha256-", "sha384-", "sha512-", "sha256:", ";base64,", "sha1-"} {
		if strings.Contains(before+run[:min(len(run), len(mark))], mark) {
			return true
		}
	}
	return false
}
