package rawjson

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote appends to dst what a quoted string says. quoted must have been
// returned by Cursor.Quoted. Half of a surrogate pair becomes U+FFFD, as in
// encoding/json.
func Unquote(dst, quoted []byte) []byte {
	s := quoted[1 : len(quoted)-1]
	for len(s) > 0 {
		i := plain(s, 0)
		dst = append(dst, s[:i]...)
		if s = s[i:]; len(s) == 0 {
			break
		}
		var r rune
		r, s = unescape(s)
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// unescape reads the escape at the beginning of s.
func unescape(s []byte) (r rune, rest []byte) {
	switch s[1] {
	case 'b':
		r = '\b'
	case 'f':
		r = '\f'
	case 'n':
		r = '\n'
	case 'r':
		r = '\r'
	case 't':
		r = '\t'
	case 'u':
		r, rest = codeUnit(s), s[6:]
		if utf16.IsSurrogate(r) {
			if escapeLen(rest) == 6 {
				if pair := utf16.DecodeRune(r, codeUnit(rest)); pair != utf8.RuneError {
					return pair, rest[6:]
				}
			}
			r = utf8.RuneError
		}
		return r, rest
	default: // quote, backslash, slash
		r = rune(s[1])
	}
	return r, s[2:]
}

// codeUnit returns the value of the \uXXXX at the beginning of s.
func codeUnit(s []byte) (r rune) {
	for _, b := range s[2:6] {
		r = r<<4 | rune(unhex(b))
	}
	return r
}

func unhex(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// Quote appends s to dst as a JSON string.
func Quote(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for {
		i := plain(s, 0)
		dst = append(dst, s[:i]...)
		if i == len(s) {
			return append(dst, '"')
		}
		switch b := s[i]; b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		s = s[i+1:]
	}
}
