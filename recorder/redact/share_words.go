package redact

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// words replaces in a message what is neither Kubernetes' nor a name that stays.
func (s *Share) words(text []byte) []byte {
	text = s.addresses(text)
	var out []byte
	for i := 0; i < len(text); {
		if n := tokenLen(text[i:]); n > 0 {
			out = append(out, text[i:i+n]...)
			i += n
			continue
		}
		n := wordLen(text[i:])
		if n == 0 {
			_, size := utf8.DecodeRune(text[i:])
			out = append(out, text[i:i+size]...)
			i += size
			continue
		}
		word := text[i : i+n]
		i += n
		core := bytes.TrimRight(word, ".-")
		if len(core) > 0 {
			digest := bytes.HasSuffix(out, []byte("sha256:")) && len(core) == 64
			with := s.word(string(core), digest)
			if with == string(core) && isLoneNumber(text, i-n, core) { // a PIN, maybe
				with = string(s.gateA.token(core))
			}
			if with != string(core) {
				out = append(out, with...)
				s.counts[shareWord]++
			} else {
				out = append(out, core...)
			}
		}
		out = append(out, word[len(core):]...)
	}
	return out
}

// isLoneNumber reports whether a word is a number of four and more digits that
// does not say what it counts: an exit code, a size, a port, a time.
func isLoneNumber(text []byte, at int, word []byte) bool {
	if len(word) < 4 || len(bytes.Trim(word, "0123456789")) > 0 {
		return false
	}
	if at > 0 && bytes.IndexByte([]byte(":/=.#+"), text[at-1]) >= 0 {
		return false
	}
	after := bytes.Fields(text[min(len(text), at+len(word)):min(len(text), at+len(word)+24)])
	if len(after) > 0 && counted[string(bytes.ToLower(bytes.Trim(after[0], ".,;:)")))] {
		return false
	}
	before := bytes.Fields(text[max(0, at-24):at])
	return len(before) == 0 || !counted[string(bytes.ToLower(bytes.Trim(before[len(before)-1], "(,;:")))]
}

// counted are words beside numbers that are no secrets.
var counted = wordSet(`bytes b kib mib gib ms s seconds minutes times more node nodes pod pods replicas events items milliseconds exit status statuscode size port ports pid line
	available capacity quantity requested used limited error revision generation version id uid gid insufficient from to exceeded remaining`)

// wordLen returns the length of the word at the beginning of s.
func wordLen(s []byte) int {
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRune(s[n:])
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && (n == 0 || r != '-' && r != '.' && r != '_') && r != '_' || r == '‹' || r == '›' {
			break
		}
		n += size
	}
	return n
}

var (
	quantities = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*[a-zA-Z%µ]{0,2}$|^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))+$`)
	uuids      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	instants   = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2})?$|^[0-9]{2}(\.[0-9]+)?Z$`)
	varying    = regexp.MustCompile(`[0-9a-f]{8,}|[0-9]+`)
)

// word returns what stands for a word in a message.
func (s *Share) word(word string, digest bool) string {
	p := s.names
	if known, ok := p.nodes[word]; ok {
		return known
	}
	if p.secrets[word] {
		return p.secret(word)
	}
	if known, ok := p.pods[word]; ok {
		return known
	}
	if known, ok := p.registries[word]; ok {
		return known
	}
	if p.hosts[word] {
		return p.nodeOrHost(word)
	}
	if digest || p.plain(word) {
		return word
	}
	parts := strings.Split(word, "_")
	if len(parts) > 1 {
		for i, part := range parts {
			if part != "" {
				parts[i] = s.word(part, false)
			}
		}
		return strings.Join(parts, "_")
	}
	// Messages that differ in numbers only are the same to the analyzer, and
	// stay so.
	return string(p.gateA.token([]byte(varying.ReplaceAllString(word, "#"))))
}

// plain reports whether a word may stand in a message: a number, a name that
// stays, or words of the vocabulary.
func (p *pseudonyms) plain(word string) bool {
	if p.known[word] || p.namespaces[word] || quantities.MatchString(word) || uuids.MatchString(word) || instants.MatchString(word) || p.internal(word) && p.internalParts(word) {
		return true
	}
	for part := range strings.FieldsFuncSeq(word, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		if !p.known[part] && !quantities.MatchString(part) && !inVocabulary(part) {
			return false
		}
	}
	return true
}

// internalParts reports whether a host name of the cluster is made of names
// that stay.
func (p *pseudonyms) internalParts(host string) bool {
	for label := range strings.SplitSeq(host, ".") {
		if label != "svc" && label != "cluster" && label != "local" && !p.known[label] && !p.namespaces[label] {
			return false
		}
	}
	return true
}

// queries replaces what follows the ? of a URL.
func (s *Share) queries(text []byte) []byte {
	var out []byte
	copied := 0
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte("://"))
		if i < 0 {
			break
		}
		at += i + 3
		end := at
		for end < len(text) && bytes.IndexByte([]byte(" \t\r\n\"'`<>"), text[end]) < 0 {
			end++
		}
		q := bytes.IndexByte(text[at:end], '?')
		if q < 0 {
			continue
		}
		query := text[at+q+1 : end]
		if query, _, _ = bytes.Cut(query, []byte("#")); len(query) == 0 || isToken(query) {
			continue
		}
		query = query[:max(1, unpunctuated(query))]
		out = append(append(out, text[copied:at+q+1]...), s.gateA.token(query)...)
		copied = at + q + 1 + len(query)
		at = copied
		s.counts[shareQuery]++
	}
	if copied == 0 {
		return text
	}
	return append(out, text[copied:]...)
}

// urls replaces the hosts of URLs.
func (s *Share) urls(text []byte) []byte {
	i := bytes.Index(text, []byte("://"))
	if i < 0 {
		return text
	}
	i += 3
	end := i
	for end < len(text) && bytes.IndexByte([]byte("/?# \t\r\n\"'`<>,"), text[end]) < 0 {
		end++
	}
	host := text[i:end]
	if at := bytes.LastIndexByte(host, '@'); at >= 0 {
		i += at + 1
		host = host[at+1:]
	}
	host, _, _ = bytes.Cut(host, []byte(":"))
	with := s.names.nodeOrHost(string(host))
	if with != string(host) {
		s.counts[shareHost]++
	}
	rest := s.urls(text[i+len(host):])
	return append(append(bytes.Clone(text[:i]), with...), rest...)
}

// accountShapes are where providers put the numbers and names of accounts. The
// first group is what is replaced.
var accountShapes = []*regexp.Regexp{
	regexp.MustCompile(`arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]{12}):`),
	regexp.MustCompile(`\b([0-9]{12})\.dkr\.ecr\.`),
	regexp.MustCompile(`/subscriptions/([0-9a-fA-F-]{36})`),
	regexp.MustCompile(`\bprojects/([a-z][a-z0-9-]{4,29})/`),
	regexp.MustCompile(`@([a-z][a-z0-9-]{4,29})\.iam\.gserviceaccount\.com`),
}

// accounts replaces the ids of cloud accounts.
func (s *Share) accounts(text []byte) []byte {
	if len(text) < 16 || !bytes.ContainsAny(text, ":./@") {
		return text
	}
	for _, shape := range accountShapes {
		text = shape.ReplaceAllFunc(text, func(match []byte) []byte {
			id := shape.FindSubmatchIndex(match)
			if id == nil {
				return match
			}
			s.counts[shareAccount]++
			return slices.Concat(match[:id[2]], s.gateA.token(match[id[2]:id[3]]), match[id[3]:])
		})
	}
	return text
}
