package redact

import (
	_ "embed"
	"strings"
	"sync"
)

// wordList is the vocabulary of Kubernetes' own messages: the words that occur
// often in the descriptions of its API and in the messages of its components.
//
//go:embed words.txt
var wordList string

// programList is the vocabulary of common programs: what they, their settings,
// states and complaints are called.
//
//go:embed programs.txt
var programList string

// vocabulary is all these words. It is made when it is first asked for: most
// commands redact nothing.
var vocabulary = sync.OnceValue(func() map[string]struct{} {
	words := make(map[string]struct{}, 1<<13)
	for _, list := range []string{wordList, programList, templateWords()} {
		for w := range strings.FieldsSeq(list) {
			words[w] = struct{}{}
		}
	}
	return words
})

// longestVocabulary is longer than all words.
const longestVocabulary = 48

// spelled reports whether a word is in the vocabulary, in whichever case.
func spelled(word []byte) bool {
	var folded [longestVocabulary]byte
	if len(word) > len(folded) {
		return false
	}
	for i, b := range word {
		if isUpper(b) {
			b += 'a' - 'A'
		}
		folded[i] = b
	}
	_, ok := vocabulary()[string(folded[:len(word)])]
	return ok
}

// inVocabulary reports whether a word, or each of the words in CamelCase, is in
// the vocabulary.
func inVocabulary[T ~string | ~[]byte](text T) bool {
	word := []byte(text)
	if len(word) == 1 || spelled(word) {
		return true
	}
	start := 0
	for i := 1; i <= len(word); i++ {
		if i < len(word) && !(isUpper(word[i]) && (isLower(word[i-1]) || i+1 < len(word) && isLower(word[i+1]))) {
			continue
		}
		if !spelled(word[start:i]) {
			return false
		}
		start = i
	}
	return true
}

// isWords reports whether a value is made of words of the vocabulary, joined by
// punctuation or in CamelCase, with small numbers between or behind them. What is
// mostly single letters and numbers is not: that can say anything.
func isWords(v []byte) bool {
	if len(v) > 128 {
		return false
	}
	told, all := 0, 0 // letters and digits of words, of everything
	for i := 0; i < len(v); {
		b := v[i]
		if b >= 0x80 {
			return false
		}
		if !isAlnum(b) {
			switch b {
			case '-', '_', '.', '/', ':', '+':
			default:
				return false
			}
			i++
			continue
		}
		end := i
		for end < len(v) && isAlnum(v[end]) {
			end++
		}
		part := v[i:end]
		i = end
		all += len(part)
		word := part
		for len(word) > 0 && isDigit(word[len(word)-1]) {
			word = word[:len(word)-1]
		}
		switch digits := len(part) - len(word); {
		case len(word) == 0:
			if digits > 5 {
				return false
			}
		case digits > 2 && !spelled(part), !inVocabulary(word) && !spelled(part):
			return false
		case len(word) > 2:
			told += len(part)
		case len(word) == 2 && spelled(part):
			told += 2
		}
	}
	return all == 1 || told*2 >= all && told > 0
}
