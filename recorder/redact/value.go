package redact

import (
	"bytes"

	"github.com/svcspy/svcspy/store/rawjson"
)

// deepestValue bounds how often a value may hold another: JSON in a script in
// JSON. What is deeper is replaced as a whole.
const deepestValue = 6

// longestValue bounds what is looked at word by word. Longer values are replaced
// as a whole.
const longestValue = 256 << 10

// judge decides what of a value stays: what has a harmless shape, under a name
// that is not that of a secret.
type judge struct {
	at    place
	names *knownNames
}

// value returns what is left of the value with this name.
func (j *judge) value(name, v []byte, depth int) []byte {
	switch {
	case harmless(v):
		return v
	case suspicious(name), depth > deepestValue, len(v) > longestValue:
		return j.at.token(v)
	case j.keeps(name, v):
		return v
	}
	// What is wrapped in white space is judged without it.
	if inner := bytes.TrimSpace(v); len(inner) < len(v) {
		at := bytes.Index(v, inner)
		out := j.value(name, inner, depth+1)
		if isToken(out) {
			return j.at.token(v)
		}
		return joined(v, at, at+len(inner), out)
	}
	if (v[0] == '{' || v[0] == '[') && rawjson.Check(v) == nil {
		return j.json(name, v, depth+1)
	}
	if isPhrase(v) {
		return j.at.token(v)
	}
	if bytes.ContainsAny(v, " \t\r\n") {
		return j.text(v, depth+1)
	}
	return j.word(name, v, depth+1)
}

// keeps reports whether a value, or a part of one, stays as it is.
func (j *judge) keeps(name, v []byte) bool {
	if shaped(name, v) {
		return true
	}
	return isName(v) && !isUID(v) && j.names != nil && j.names.knows(v)
}

// joined returns v with its bytes from start to end replaced.
func joined(v []byte, start, end int, with []byte) []byte {
	if bytes.Equal(v[start:end], with) {
		return v
	}
	out := make([]byte, 0, len(v)+len(with))
	out = append(out, v[:start]...)
	out = append(out, with...)
	return append(out, v[end:]...)
}

// isPhrase reports whether a text is words, and nothing but words: a passphrase
// may be made of those of the vocabulary.
func isPhrase(v []byte) bool {
	words := 0
	for word := range bytes.FieldsSeq(v) {
		for _, b := range word {
			if !isLower(b) {
				return false
			}
		}
		if words++; words > 3 {
			if functionWords[string(word)] {
				return false
			}
		}
	}
	return words > 3
}

// functionWords stand in sentences, and not in recovery phrases.
var functionWords = wordSet(`a an and are as at be been but by cannot could did do does for from had has have in is it its may must no not of on or so than that the
	then there this to was were will with`)

// json judges the strings of a JSON text by their names.
func (j *judge) json(name, text []byte, depth int) []byte {
	w := jsonValue{j: j, c: rawjson.Cursor{Text: text}, depth: depth}
	w.value(name)
	if w.c.Err() != nil || depth > deepestValue {
		return j.at.token(text)
	}
	if w.copied == 0 {
		return text
	}
	return append(w.out, text[w.copied:]...)
}

type jsonValue struct {
	j      *judge
	c      rawjson.Cursor
	out    []byte
	copied int
	depth  int
	nested int
}

func (w *jsonValue) replace(start int, with []byte) {
	if w.c.Err() != nil {
		return
	}
	w.out = append(w.out, w.c.Text[w.copied:start]...)
	w.out = append(w.out, with...)
	w.copied = w.c.At
}

func (w *jsonValue) value(name []byte) {
	if w.nested++; w.nested > 1000 { // as deep as no setting is
		w.c.Skip()
		w.c.Key() // fails: the whole is replaced
		return
	}
	switch w.c.Peek() {
	case '{':
		said := sayName(w.c)
		for w.c.Enter('{'); w.c.More('}'); {
			w.c.Peek()
			start := w.c.At
			key := w.c.Key()
			if !isToken(key) && !isKey(key) {
				w.replace(start, append(rawjson.Quote(nil, w.j.at.token(key)), ':'))
			}
			if said != nil && isValueKey(key) {
				w.value(said)
				continue
			}
			if suspicious(name) && !isReference(key) {
				w.value(name)
				continue
			}
			w.value(key)
		}
	case '[':
		for w.c.Enter('['); w.c.More(']'); {
			w.value(name)
		}
	case '"':
		start := w.c.At
		quoted, escaped := w.c.Quoted()
		if w.c.Err() != nil {
			break
		}
		text := quoted[1 : len(quoted)-1]
		if escaped {
			text = rawjson.Unquote(nil, quoted)
		}
		if out := w.j.value(name, text, w.depth+1); !bytes.Equal(out, text) {
			w.replace(start, rawjson.Quote(nil, out))
		}
	default:
		w.c.Peek()
		start := w.c.At
		w.c.Skip()
		if w.c.Err() == nil && suspicious(name) && !harmless(w.c.Text[start:w.c.At]) {
			w.replace(start, rawjson.Quote(nil, w.j.at.token(w.c.Text[start:w.c.At])))
		}
	}
	w.nested--
}

// isKey reports whether the name of a member can be nothing but a name.
func isKey(key []byte) bool {
	if len(key) > 253 {
		return false
	}
	for part := range bytes.FieldsFuncSeq(key, func(r rune) bool { return r == '/' || r == '.' || r == ':' || r == ' ' || r == '$' || r == '@' }) {
		if !isLabel(bytes.Trim(part, "-")) && len(bytes.Trim(part, "-")) > 0 || isMixed(part) {
			return false
		}
	}
	return true
}

// sayName returns the name that an object gives its value: that of {name, value}
// and {key, value}.
func sayName(ahead rawjson.Cursor) []byte {
	var name []byte
	has := false
	for ahead.Enter('{'); ahead.More('}'); {
		key := ahead.Key()
		if isValueKey(key) {
			has = true
		}
		if (string(key) == "name" || string(key) == "key") && ahead.Peek() == '"' {
			name = []byte(ahead.String())
			continue
		}
		ahead.Skip()
	}
	if !has || ahead.Err() != nil {
		return nil
	}
	return name
}

// isValueKey reports whether a member holds the value of the name beside it.
func isValueKey(key []byte) bool {
	switch string(key) {
	case "value", "string", "default", "values", "array", "map", "content":
		return true
	}
	return false
}

// isReference reports whether a member says where something is, in whatever it
// stands.
func isReference(key []byte) bool {
	switch string(key) {
	case "name", "namespace", "kind", "apiVersion", "key":
		return true
	}
	return false
}

// word judges a text without white space.
func (j *judge) word(name, v []byte, depth int) []byte {
	switch {
	case len(v) == 0 || harmless(v):
		return v
	case depth > deepestValue+12:
		return j.at.token(v)
	case j.keeps(name, v):
		return v
	}
	if out, ok := j.split(name, v, depth+1); ok {
		return out
	}
	return j.at.token(v)
}

// split judges the parts of a word that has a structure. ok is false if it has
// none, or if no part of it stays.
func (j *judge) split(name, v []byte, depth int) (out []byte, ok bool) {
	if n := tokenIn(v); n >= 0 { // around a token
		end := n + tokenLen(v[n:])
		head, tail := j.word(name, v[:n], depth), j.word(name, v[end:], depth)
		return append(append(bytes.Clone(head), v[n:end]...), tail...), true
	}
	if (v[0] == ':' || v[0] == '@' || v[0] == '%') && len(v) > 1 {
		return append([]byte{v[0]}, j.word(name, v[1:], depth)...), true
	}
	if inner, start := unwrapped(v); len(inner) < len(v) {
		return joined(v, start, start+len(inner), j.word(name, inner, depth)), true
	}
	if at := bytes.Index(v, []byte("://")); at > 0 && isLabel(bytes.ReplaceAll(bytes.ReplaceAll(v[:at], []byte("+"), nil), []byte(":"), nil)) {
		return j.url(v, at+3, depth), true
	}
	if v[0] == '-' && len(v) > 1 {
		return j.flag(v, depth), true
	}
	if at := bytes.IndexByte(v, '='); at > 0 && at < len(v)-1 && isKey(v[:at]) {
		key := v[:at]
		return joined(v, at+1, len(v), j.assigned(key, v[at+1:], depth)), true
	}
	if at := bytes.LastIndexByte(v, '@'); at > 0 && at < len(v)-1 {
		user, host := j.user(v[:at], depth), j.word([]byte("host"), v[at+1:], depth)
		return append(append(bytes.Clone(user), '@'), host...), true
	}
	if at := bytes.IndexByte(v, '?'); at >= 0 && at < len(v)-1 {
		path, query := j.word(name, v[:at], depth), j.query(v[at+1:], depth)
		return append(append(bytes.Clone(path), '?'), query...), true
	}
	for _, separator := range []byte(",;|&#") {
		if bytes.IndexByte(v, separator) >= 0 {
			return j.list(name, v, separator, depth)
		}
	}
	if at := bytes.IndexByte(v, '('); at > 0 {
		head, rest := j.word(name, v[:at], depth), j.word(name, v[at+1:], depth)
		return append(append(bytes.Clone(head), '('), rest...), !isToken(head)
	}
	if bytes.ContainsAny(v, ")]}") {
		at := bytes.IndexAny(v, ")]}")
		head, rest := j.word(name, v[:at], depth), j.word(name, v[at+1:], depth)
		return append(append(bytes.Clone(head), v[at]), rest...), true
	}
	if isPasswordFile(v) {
		at := bytes.LastIndexByte(v, ':') + 1
		return append(bytes.Clone(j.word(name, v[:at], depth)), j.secret(v[at:])...), true
	}
	if at := bytes.IndexByte(v, ':'); at > 0 {
		key, rest := v[:at], v[at+1:]
		if suspicious(key) {
			return joined(v, at+1, len(v), j.secret(rest)), true
		}
		head := j.word(name, key, depth)
		tail := j.word(name, rest, depth)
		if isToken(head) && isToken(tail) {
			return nil, false
		}
		return append(append(bytes.Clone(head), ':'), tail...), true
	}
	if bytes.IndexByte(v, '/') >= 0 {
		return j.path(name, v, depth)
	}
	if out := j.host(v); out != nil {
		return out, true
	}
	return nil, false
}

// host replaces the labels of a host name that are made by chance, as in
// db.c9akciq32x.eu-west-1.rds.amazonaws.com. It returns nil if v is no host name.
func (j *judge) host(v []byte) (out []byte) {
	labels := bytes.Split(v, []byte("."))
	if last := labels[len(labels)-1]; len(labels) < 3 || !topLevels[string(last)] {
		return nil
	}
	for i, label := range labels {
		if !isLabel(label) {
			return nil
		}
		if i > 0 {
			out = append(out, '.')
		}
		if isMixed(label) && !isAmazon(label) && !isMade(label) {
			label = j.at.token(label)
		}
		out = append(out, label...)
	}
	return out
}

func tokenIn(v []byte) int {
	at := bytes.Index(v, []byte(tokenOpen))
	if at >= 0 && tokenLen(v[at:]) > 0 {
		return at
	}
	return -1
}

// unwrapped returns a word without the punctuation around it.
func unwrapped(v []byte) (inner []byte, start int) {
	inner = bytes.TrimLeft(v, "([{<\"'`>!*")
	start = len(v) - len(inner)
	return bytes.TrimRight(inner, ")]}>\"'`,;.!?:=\\"), start
}

// secret replaces a value that is one by its name.
func (j *judge) secret(v []byte) []byte {
	if harmless(v) || len(v) < 3 && isPunctuation(v) {
		return v
	}
	return j.at.token(v)
}

// assigned judges the right side of key=value.
func (j *judge) assigned(key, v []byte, depth int) []byte {
	if suspicious(key) {
		return j.secret(v)
	}
	switch lastWord(key) {
	case "login", "user", "userpwd":
		if isPair(v) {
			return j.pair(v)
		}
	case "literal": // kubectl create secret --from-literal=name=value
		if at := bytes.IndexByte(v, '='); at > 0 {
			return append(bytes.Clone(v[:at+1]), j.secret(v[at+1:])...)
		}
	}
	return j.word(key, v, depth)
}

// isPasswordFile reports whether a word is a line of .pgpass:
// host:port:database:user:password.
func isPasswordFile(v []byte) bool {
	if bytes.Count(v, []byte(":")) != 4 || isAddress(v) {
		return false
	}
	parts := bytes.Split(v, []byte(":"))
	return (isPort(parts[1]) || string(parts[1]) == "*") && len(parts[0]) > 0 && len(parts[4]) > 0
}

// user judges what stands in front of an @.
func (j *judge) user(v []byte, depth int) []byte {
	if isWords(v) && bytes.IndexByte(v, ':') < 0 && bytes.IndexByte(v, '/') < 1 {
		return v
	}
	for _, separator := range []byte(":/%") {
		if at := bytes.IndexByte(v, separator); at >= 0 {
			return append(append(bytes.Clone(j.word(nil, v[:at], depth)), separator), j.secret(v[at+1:])...)
		}
	}
	return j.at.token(v)
}

// list judges what a separator divides.
func (j *judge) list(name, v []byte, separator byte, depth int) (out []byte, ok bool) {
	for i, part := range bytes.Split(v, []byte{separator}) {
		if i > 0 {
			out = append(out, separator)
		}
		with := j.word(name, part, depth)
		ok = ok || len(part) > 0 && !isToken(with)
		out = append(out, with...)
	}
	return out, ok
}

// path judges the parts of a path.
func (j *judge) path(name, v []byte, depth int) (out []byte, ok bool) {
	for i, part := range bytes.Split(v, []byte{'/'}) {
		if i > 0 {
			out = append(out, '/')
		}
		with := part
		if len(part) > 0 && !j.keeps(nil, part) {
			with = j.at.token(part)
		}
		ok = ok || len(part) > 0 && !isToken(with)
		out = append(out, with...)
	}
	return out, ok
}

// url judges what stands behind ://, which ends at start.
func (j *judge) url(v []byte, start, depth int) []byte {
	rest := v[start:]
	out := bytes.Clone(v[:start])
	end := bytes.IndexAny(rest, "/?#")
	if at := bytes.LastIndexByte(rest, '@'); at >= 0 && (end < 0 || at < end || bytes.IndexByte(rest[:end], ':') >= 0 && !isHostPort(nil, rest[:end])) {
		out = append(append(out, j.user(rest[:at], depth)...), '@')
		rest = rest[at+1:]
		end = bytes.IndexAny(rest, "/?#")
	}
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	for i, host := range bytes.Split(authority, []byte(",")) {
		if i > 0 {
			out = append(out, ',')
		}
		if isHostPort([]byte("addr"), host) || isLabel(host) && !isMixed(host) || isHost(host) {
			out = append(out, host...)
			continue
		}
		out = append(out, j.word([]byte("host"), host, depth)...)
	}
	rest = rest[end:]
	path, query, asked := bytes.Cut(rest, []byte("?"))
	if len(path) > 0 {
		kept := path
		if !isPath(path) {
			kept = nil
			for i, part := range bytes.Split(path, []byte("/")) {
				if i > 0 {
					kept = append(kept, '/')
				}
				kept = append(kept, j.word(nil, part, depth)...)
			}
		}
		out = append(out, kept...)
	}
	if asked {
		out = append(append(out, '?'), j.query(query, depth)...)
	}
	return out
}

// query judges name=value&name=value.
func (j *judge) query(v []byte, depth int) (out []byte) {
	for i := 0; i <= len(v); {
		end := i
		for end < len(v) && v[end] != '&' && v[end] != ';' {
			end++
		}
		name, value, assigned := bytes.Cut(v[i:end], []byte("="))
		switch {
		case !assigned:
			out = append(out, j.word(nil, name, depth)...)
		case isKey(name):
			out = append(append(out, name...), '=')
			out = append(out, j.assigned(name, value, depth)...)
		default:
			out = append(append(append(out, j.at.token(name)...), '='), j.secret(value)...)
		}
		if end < len(v) {
			out = append(out, v[end])
		}
		i = end + 1
	}
	return out
}

// flag judges -x, -xVALUE, --name and --name=value.
func (j *judge) flag(v []byte, depth int) []byte {
	body := bytes.TrimLeft(v, "-")
	dashes := len(v) - len(body)
	if at := bytes.IndexAny(body, "=:"); at > 0 {
		name, value := body[:at], body[at+1:]
		if bytes.HasPrefix(name, []byte("D")) && dashes == 1 { // a property of Java
			name = name[1:]
		}
		if isKey(name) {
			return joined(v, dashes+at+1, len(v), j.assigned(name, value, depth))
		}
		return j.at.token(v)
	}
	if dashes > 1 && isKey(body) && isLabel(body) || isWords(body) && len(body) != 1 {
		return v
	}
	if dashes == 1 && isAlnum(body[0]) {
		if len(body) == 1 {
			return v
		}
		rest := body[1:]
		if rest[0] == 'X' || body[0] == 'X' { // -Xmx512m, -XX:+UseG1GC
			if n := bytes.IndexAny(rest, "0123456789"); n > 0 && isWords(body[:n+1]) && isQuantity(rest[n:]) {
				return v
			}
		}
		if isNumber(rest) && len(rest) < 6 || isShort(body) || isPath(rest) && rest[0] == '/' {
			return v
		}
		return append(bytes.Clone(v[:2]), j.at.token(rest)...)
	}
	return j.at.token(v)
}

// isShort: several flags of one letter in one, as in -xzvf.
func isShort(body []byte) bool {
	if len(body) > 4 {
		return false
	}
	for _, b := range body {
		if !isLower(b) && !isUpper(b) {
			return false
		}
	}
	return true
}

// isUID: a UID, which may be a key too.
func isUID(v []byte) bool {
	if len(v) != 36 {
		return false
	}
	for i, b := range v {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if b != '-' {
				return false
			}
		} else if !isHexDigit(b) {
			return false
		}
	}
	return true
}
