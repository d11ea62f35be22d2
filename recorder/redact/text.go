package redact

import (
	"bytes"
	"strings"
)

// text judges a text of several words: a command line, a script, lines of
// settings. It divides it as a shell does, and judges each word by itself and by
// the one before.
func (j *judge) text(v []byte, depth int) []byte {
	if depth > deepestValue {
		return j.at.token(v)
	}
	l := lexer{text: v}
	var out []byte
	copied := 0
	replace := func(start, end int, with []byte) {
		if !bytes.Equal(v[start:end], with) {
			out = append(append(out, v[copied:start]...), with...)
			copied = end
		}
	}
	next := anything
	program := ""
	var before []byte
	for l.next() {
		word := v[l.start:l.end]
		if l.first {
			program, next, before = "", anything, nil
		}
		if l.quote == 0 && program == "" {
			program = commandName(word)
		}
		with := word
		switch {
		case l.quote != 0:
			inner := v[l.start+1 : l.end-1]
			kept := inner
			switch {
			case next == maybePair:
				if kept = j.value(nil, inner, depth+1); isPair(inner) {
					kept = j.pair(inner)
				}
			case next != anything && !(next == maybeSecret && j.keeps(nil, inner) && bytes.IndexByte(inner, ' ') < 0 && !isWords(inner)):
				kept = j.secret(inner)
			case len(inner) > 0:
				kept = j.value(nil, inner, depth+1)
			}
			with = joined(word, 1, len(word)-1, kept)
		case next == secretNext && isLinkWord(word):
		case l.start > 0 && v[l.start-1] == '>' && lowerIs(before, "on", "off"): // an ACL of Redis
			with = j.secret(word)
		case next == secretNext && !isOperatorWord(word) && !(word[0] == '-' && len(word) > 1 && isWords(bytes.TrimLeft(word, "-"))):
			bare := word
			end := unquoted(bare)
			with = append(bytes.Clone(j.secret(bare[:end])), bare[end:]...)
		case next == maybePair && isPair(word):
			with = j.pair(word)
		case next == maybeSecret && word[0] != '-' && !isPath(word) && !isPort(word) && bytes.IndexByte(word, '=') < 0 && !bytes.Contains(word, []byte("://")):
			with = j.pair(word)
		default:
			with = j.word(nil, word, depth+1)
		}
		replace(l.start, l.end, with)
		if next == secretNext && l.quote == 0 && isLinkWord(word) {
			continue
		}
		next = follows(program, word, l.quote != 0)
		if l.quote == 0 && lowerIs(word, "by") && lowerIs(before, "identified") {
			next = secretNext
		}
		if next == anything && lowerIs(word, "to") && strings.EqualFold(program, "alter") {
			next = maybeSecret
		}
		before = word
	}
	if copied == 0 {
		return v
	}
	return append(out, v[copied:]...)
}

// pair judges what follows -u, -p and their kind: user:password, or either.
func (j *judge) pair(word []byte) []byte {
	if at := bytes.IndexAny(word, ":%/"); at > 0 {
		return append(bytes.Clone(j.word(nil, word[:at+1], 0)), j.secret(word[at+1:])...)
	}
	return j.secret(word)
}

// expectation says what a word makes of the next one.
type expectation int

const (
	anything    expectation = iota
	maybeSecret             // as behind -p, which is a port or a password
	secretNext              // as behind --password
	maybePair               // as behind --user, which is a user or user:password
)

// directives are words that take the secret behind them, in settings of programs.
var directives = wordSet(`requirepass masterauth default_pass rocommunity rwcommunity setcookie insecure-password storepass keypass psk`)

// isLinkWord: what may stand between the name of a secret and the secret.
func isLinkWord(word []byte) bool { return lowerIs(word, "from", "to", "is", "as") }

// isPair reports whether a word is user:password. Ids of users and groups are not.
func isPair(word []byte) bool {
	user, _, ok := bytes.Cut(word, []byte(":"))
	return ok && len(user) > 0 && len(bytes.Trim(word, "0123456789:")) > 0 && !bytes.Contains(word, []byte("://")) && user[0] != '-'
}

// follows returns what follows a word.
func follows(program string, word []byte, quoted bool) expectation {
	body := bytes.TrimLeft(word, "-")
	dashes := len(word) - len(body)
	body = bytes.TrimRight(body, ":=")
	if !quoted && bytes.HasSuffix(body, []byte(":_authToken")) { // of npm
		return secretNext
	}
	if quoted || len(body) == 0 || bytes.ContainsAny(body, "=:/@") {
		return anything
	}
	if dashes == 1 && len(body) <= 2 {
		switch string(body) {
		case "p", "P", "a", "w", "pw", "k", "U":
			return maybeSecret
		case "u":
			if program == "curl" || program == "nats" || program == "etcdctl" {
				return maybeSecret
			}
			return maybePair
		}
		return anything
	}
	switch {
	case dashes > 0 && (string(body) == "user" || string(body) == "basic-auth-user"):
		return maybePair
	case directives[string(bytes.ToLower(body))], dashes > 0 && string(body) == "from-literal":
		return secretNext
	}
	if isKey(body) && (secretName(body, certain) || suspicious(body) && (dashes > 0 || len(word) > len(body))) {
		return secretNext
	}
	return anything
}

// isOperatorWord: a word that is nothing but punctuation, as := and {.
func isOperatorWord(word []byte) bool { return isPunctuation(word) }

// unquoted returns the length of a word without the punctuation that ends it.
func unquoted(word []byte) int {
	if n := unpunctuated(word); n > 0 {
		return n
	}
	return len(word)
}

// commandName returns what program a word calls, if it is the first of a command.
func commandName(word []byte) string {
	if at := bytes.LastIndexByte(word, '/'); at >= 0 {
		word = word[at+1:]
	}
	switch string(word) {
	case "sudo", "exec", "env", "time", "nohup", "until", "while", "if", "then", "do", "!":
		return ""
	}
	if bytes.IndexByte(word, '=') >= 0 {
		return ""
	}
	return string(word)
}

// lexer divides a text into words as a shell does: at white space and operators
// outside of quotes. A part in quotes that stands alone is a word; one within a
// word, as in a='b c', is judged as part of it.
type lexer struct {
	text       []byte
	at         int
	start, end int
	quote      byte // the word is in such quotes; 0 if it is not
	first      bool // the word begins a command
	open       [3]bool
	begun      bool
}

const quotes = "'\"`"

// next finds the next word.
func (l *lexer) next() bool {
	l.first = !l.begun
	l.begun = true
	for l.at < len(l.text) {
		switch b := l.text[l.at]; {
		case b == '\n', b == ';', b == '|', b == '&', b == '(':
			l.first = true
			l.at++
			continue
		case b == ' ', b == '\t', b == '\r', b == ')', b == '<', b == '>', b == '{' && l.alone(), b == '}' && l.alone(), b == '\\' && l.alone():
			l.at++
			continue
		}
		break
	}
	if l.at == len(l.text) {
		return false
	}
	l.start, l.quote = l.at, 0
	if n := tokenLen(l.text[l.at:]); n > 0 {
		l.at += n
		l.end = l.at
		return true
	}
	if b := l.text[l.at]; bytes.IndexByte([]byte(quotes), b) >= 0 {
		if end := l.closing(l.at); end > 0 {
			l.quote, l.end, l.at = b, end+1, end+1
			return true
		}
	}
	for l.at < len(l.text) {
		b := l.text[l.at]
		if b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == ';' || b == '|' || b == '<' || b == '>' && l.at > l.start {
			break
		}
		if b == '\\' && l.at+1 < len(l.text) {
			l.at += 2
			continue
		}
		if bytes.IndexByte([]byte(quotes), b) >= 0 {
			if end := l.closing(l.at); end > 0 {
				if bytes.ContainsAny(l.text[l.at:end], " \t\n") && l.at > l.start {
					break // what is in quotes is looked at by itself
				}
				l.at = end + 1
				continue
			}
		}
		l.at++
	}
	if l.at == l.start {
		l.at++
	}
	l.at = min(l.at, len(l.text))
	l.end = l.at
	return true
}

// alone reports whether what is at the cursor stands alone.
func (l *lexer) alone() bool {
	n := l.at + 1
	return n == len(l.text) || bytes.IndexByte([]byte(" \t\n\r;"), l.text[n]) >= 0
}

// closing returns where the quote that opens at i closes, 0 if nowhere.
func (l *lexer) closing(i int) int {
	quote := l.text[i]
	kind := bytes.IndexByte([]byte(quotes), quote)
	if l.open[kind] {
		return 0
	}
	for n := i + 1; n < len(l.text); n++ {
		at := bytes.IndexByte(l.text[n:], quote)
		if at < 0 {
			break
		}
		n += at
		if quote != '\'' && l.text[n-1] == '\\' && n-1 > i {
			continue
		}
		return n
	}
	l.open[kind] = true // for the rest of the text
	return 0
}
