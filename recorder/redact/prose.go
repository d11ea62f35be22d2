package redact

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// prose judges a text that programs write for people. Words of the vocabulary
// stay, what has a harmless shape, and names where a message that is known has
// names. Everything else becomes a token.
func (j *judge) prose(v []byte) []byte {
	if len(v) > longestValue {
		return j.at.token(v)
	}
	items := lexProse(v)
	slots := findSlots(v, items)
	var out []byte
	copied := 0
	phrase := 0 // how many words before this one could be of a recovery phrase
	for i, item := range items {
		core := item.core(v)
		at := item.start + bytes.Index(v[item.start:item.end], core)
		if phraseWord(v, items, i) {
			phrase++
		} else {
			phrase = 0
		}
		if n := phrase; n >= shortestPhrase && (i+1 == len(items) || !phraseWord(v, items, i+1)) {
			from := items[i-n+1].start
			out = append(append(out, v[min(copied, from):from]...), j.at.token(v[from:at+len(core)])...)
			copied = at + len(core)
			continue
		}
		if phrase >= shortestPhrase {
			continue // until it ends
		}
		if phrase > 0 && runLength(v, items, i) >= shortestPhrase-phrase+1 {
			continue
		}
		with := core
		switch {
		case len(core) == 0 || isToken(core):
		case slots[i] && isSlotName(core):
		default:
			var before []byte
			if i > 0 {
				before = items[i-1].core(v)
			}
			switch proseExpectation(v, items, i) {
			case secretNext:
				with = j.secret(core)
			case maybePair:
				with = j.pair(core)
			default:
				with = j.proseWord(v, at, core, before)
			}
		}
		if !bytes.Equal(with, core) {
			out = append(append(out, v[copied:at]...), with...)
			copied = at + len(core)
		}
	}
	if copied == 0 {
		return v
	}
	return append(out, v[copied:]...)
}

// shortestPhrase is how many words in a row that are no sentence are taken for a
// recovery phrase.
const shortestPhrase = 9

func phraseWord(v []byte, items []proseItem, i int) bool {
	item := items[i]
	word := v[item.start:item.end]
	for _, b := range word {
		if !isLower(b) {
			return false
		}
	}
	return len(word) > 2 && !functionWords[string(word)] && (i == 0 || item.start-items[i-1].end <= 1 || !phraseWordAlone(v, items, i-1))
}

func phraseWordAlone(v []byte, items []proseItem, i int) bool {
	for _, b := range v[items[i].start:items[i].end] {
		if !isLower(b) {
			return false
		}
	}
	return true
}

// runLength returns how many words from the i-th on could be of a phrase.
func runLength(v []byte, items []proseItem, i int) int {
	n := 0
	for i+n < len(items) && n < shortestPhrase && phraseWord(v, items, i+n) {
		n++
	}
	return n
}

// proseExpectation says what the words before the i-th make of it: a message may
// quote a command, an element, or a sentence that says a password.
func proseExpectation(v []byte, items []proseItem, i int) expectation {
	if i == 0 {
		return anything
	}
	word, before := items[i].core(v), items[i-1].core(v)
	start := items[i].start
	body := bytes.TrimLeft(before, "-")
	dashes := len(before) - len(body)
	switch {
	case isToken(word) || word[0] == '-':
	case v[start-1] == '>' && isKey(before) && suspicious(before): // <password>x
		return secretNext
	case dashes > 1 && isKey(body) && suspicious(body):
		return secretNext
	case dashes == 1 && (string(body) == "a" || string(body) == "p" || string(body) == "P" || string(body) == "w") && (hasDigit(word) || !isWords(word)) &&
		!isPath(word) && !isPort(word) && !bytes.Contains(word, []byte("=")):
		return secretNext
	case dashes > 0 && (string(body) == "u" || string(body) == "user") && isPair(word):
		return maybePair
	case hasDigit(word) && !isNumber(word):
		if isLinkWord(before) && i > 1 {
			before = items[i-2].core(v)
		}
		if lowerIs(before, "password", "passwd", "passphrase", "passcode", "pass", "pwd", "pw") {
			return secretNext
		}
	}
	return anything
}

// proseWord judges one word of a message, which begins at a place in it.
func (j *judge) proseWord(v []byte, at int, word, before []byte) []byte {
	switch {
	case j.keeps(nil, word), isMade(word):
		return word
	case word[0] >= 0x80 || bytes.ContainsFunc(word, func(r rune) bool { return r >= utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) }):
		return j.foreign(word)
	case isUID(bytes.TrimPrefix(word, []byte("pvc-"))):
		if len(word) > 36 || at > 0 && v[at-1] == '(' || lowerIs(before, "uid", "uid:") {
			return word
		}
		return j.at.token(word)
	case isHexSum(word) && lowerIs(before, "container", "sandbox", "image", "id", "sha256"):
		return word
	case bytes.HasPrefix(word, []byte("system:")):
		return word
	case saysKind(word), isHolder(word):
		return word
	case at > 0 && v[at-1] == '"' && isLabel(word) && !isMixed(word) && isLowerWord(before) && kindWords[string(bytes.ToLower(before))]:
		return word
	}
	if out, ok := j.split(nil, word, 1); ok {
		return out
	}
	return j.at.token(word)
}

// kindWords stand in front of the name of an object, which is in quotes then.
var kindWords = wordSet(`pod pods container containers volume volumes node nodes image service services deployment replicaset statefulset daemonset job cronjob
	configmap configmaps namespace namespaces persistentvolumeclaim persistentvolume endpoints endpointslice ingress gateway route httproute resource group
	plugin type name claim class storageclass webhook quota priorityclass serviceaccount lease`)

// saysKind: container=web, pod=web-1_shop.
func saysKind(word []byte) bool {
	kind, name, ok := bytes.Cut(word, []byte("="))
	return ok && len(name) > 0 && kindWords[string(kind)] && isSlotName(name)
}

// isHolder: who holds a lease, a host name and a UID.
func isHolder(word []byte) bool {
	host, uid, ok := bytes.Cut(word, []byte("_"))
	return ok && isUID(uid) && isLabel(host) && !isRandom(host)
}

func isLowerWord(word []byte) bool { return len(word) > 0 && isAlnum(word[0]) }

// foreign judges a word with letters or signs beyond ASCII: signs stay.
func (j *judge) foreign(word []byte) []byte {
	for _, r := range string(word) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return j.at.token(word)
		}
	}
	return word
}

func lowerIs(word []byte, any ...string) bool {
	for _, a := range any {
		if string(bytes.ToLower(word)) == a {
			return true
		}
	}
	return false
}

// isHexSum: the id of a container or an image, whole or as it is shown.
func isHexSum(v []byte) bool {
	return (len(v) == 64 || len(v) == 12 || len(v) == 13) && len(bytes.Trim(v, "0123456789abcdef")) == 0
}

// isSlotName reports whether what stands in the slot of a template may be a name.
func isSlotName(v []byte) bool {
	if len(v) > 253 {
		return false
	}
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r == '/' || r == ':' || r == '@' || r == '.' || r == '_' }) {
		if !isLabel(bytes.Trim(part, "-")) || isRandom(part) {
			return false
		}
	}
	return true
}

// proseItem is a word of a message, with the punctuation behind it.
type proseItem struct{ start, end int }

// core returns the word without that punctuation.
func (i proseItem) core(v []byte) []byte {
	word := v[i.start:i.end]
	for len(word) > 0 && bytes.IndexByte([]byte(".:!?"), word[len(word)-1]) >= 0 {
		word = word[:len(word)-1]
	}
	return word
}

// lexProse finds the words of a message: what white space, quotes, brackets,
// commas and semicolons divide.
func lexProse(v []byte) []proseItem {
	items := make([]proseItem, 0, len(v)/6+1)
	for i := 0; i < len(v); {
		if n := tokenLen(v[i:]); n > 0 {
			items = append(items, proseItem{i, i + n})
			i += n
			continue
		}
		if divides[v[i]] {
			i++
			continue
		}
		start := i
		for i < len(v) && !divides[v[i]] && (v[i] != tokenOpen[0] || tokenLen(v[i:]) == 0) {
			i++
		}
		items = append(items, proseItem{start, i})
	}
	return items
}

var divides = func() (is [256]bool) {
	for _, b := range []byte(" \t\r\n\"'`()[]{}<>,;|\\") {
		is[b] = true
	}
	return is
}()

// findSlots returns which words of a message stand in the slots of templates.
func findSlots(v []byte, items []proseItem) map[int]bool {
	var slots map[int]bool
	note := func(i int) {
		if slots == nil {
			slots = map[int]bool{}
		}
		slots[i] = true
	}
	known := templates()
	for i := range items {
		candidates := known[string(fold(items[i].core(v)))]
		for _, words := range candidates {
			if i+len(words) > len(items) {
				continue
			}
			match := true
			for n, word := range words {
				if word != slot && word != string(fold(items[i+n].core(v))) {
					match = false
					break
				}
			}
			if !match {
				continue
			}
			for n, word := range words {
				if word != slot {
					continue
				}
				note(i + n)
				if start := items[i+n].start; start > 0 && v[start-1] == '[' { // a list
					for k := i + n + 1; k < len(items) && bytes.IndexByte(v[items[k-1].end:items[k].start], ']') < 0; k++ {
						note(k)
					}
				}
			}
		}
	}
	return slots
}

// fold returns a short word in lower case.
func fold(word []byte) []byte {
	if len(word) > longestVocabulary {
		return nil
	}
	return bytes.ToLower(word)
}
