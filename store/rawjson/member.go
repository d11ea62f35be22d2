package rawjson

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
)

// Member returns the value of a member of a JSON object, nil if it has none or
// is not well-formed up to there. Nothing is decoded and nothing behind the
// value is read, so that selecting and tabulating thousands of objects does not
// decode what it does not look at.
func Member(object []byte, name string) []byte {
	var value [1][]byte
	Members(object, []string{name}, value[:])
	return value[0]
}

// Members finds several members in one pass. values has a place for each name.
func Members(object []byte, names []string, values [][]byte) {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return
	}
	missing := len(names)
	for i = skipSpace(object, i+1); i < len(object) && object[i] == '"'; i = skipSpace(object, i+1) {
		end := skipString(object, i)
		if end < 0 {
			return
		}
		key := object[i+1 : end-1]
		if i = skipSpace(object, end); i >= len(object) || object[i] != ':' {
			return
		}
		i = skipSpace(object, i+1)
		if end = skipValue(object, i); end < 0 {
			return
		}
		for n, name := range names {
			if values[n] == nil && string(key) == name {
				values[n] = object[i:end]
				if missing--; missing == 0 {
					return
				}
			}
		}
		if i = skipSpace(object, end); i >= len(object) || object[i] != ',' {
			return
		}
	}
}

// Text returns a scalar at a dotted path as field selectors write it: a string
// without quotes, a number or boolean as it stands, "" if there is none.
func Text(object []byte, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		object = Member(object, name)
	}
	return Scalar(object)
}

// Scalar writes a JSON scalar as field selectors do.
func Scalar(scalar []byte) string {
	if len(scalar) == 0 || string(scalar) == "null" {
		return ""
	}
	if scalar[0] != '"' {
		return string(scalar)
	}
	var s string
	if json.Unmarshal(scalar, &s) != nil {
		return ""
	}
	return s
}

// Elements yields the values of a JSON array, as far as it is well-formed.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipSpace(array, 0)
		if i >= len(array) || array[i] != '[' {
			return
		}
		for i = skipSpace(array, i+1); i < len(array) && array[i] != ']'; i = skipSpace(array, i+1) {
			end := skipValue(array, i)
			if end <= i || !yield(array[i:end]) {
				return
			}
			if i = skipSpace(array, end); i >= len(array) || array[i] != ',' {
				return
			}
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the place behind the string that begins at i, -1 if it
// does not end.
func skipString(b []byte, i int) int {
	for i++; ; {
		n := bytes.IndexByte(b[min(i, len(b)):], '"')
		if n < 0 {
			return -1
		}
		end := i + n
		slashes := 0
		for end-1-slashes >= i && b[end-1-slashes] == '\\' {
			slashes++
		}
		i = end + 1
		if slashes%2 == 0 {
			return i
		}
	}
}

// skipValue returns the place behind the value that begins at i, -1 if it does
// not end.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // of a number or literal
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	if depth > 0 {
		return -1
	}
	return i
}
