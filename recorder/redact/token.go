package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
)

// A token stands for a value: ‹r:, the beginning of a keyed hash, a colon, the
// value's length in bytes, and ›.
const (
	tokenOpen  = "‹r:"
	tokenClose = "›"
	// tokenDigits is how many hex digits of the hash a token has: 64 bits, so
	// that ten million values have an accidental pair in one of 300,000
	// recordings. Version 1 had 24 bits.
	tokenDigits    = 16
	tokenDigitsOld = 6
)

// place is where a value stands. Equal values have equal tokens only in equal
// places: whoever may write a ConfigMap, or a Pod in a namespace of its own,
// cannot find out by trying whether a Secret, or a Pod elsewhere, has the same
// value.
type place struct {
	p         *Policy
	kind      placeKind
	namespace string
	name      string // of the Secret; "" elsewhere
}

type placeKind string

const (
	placeText   placeKind = "text"   // env, arguments, annotations, messages and everything else
	placeSecret placeKind = "secret" // data of one Secret
	placeConfig placeKind = "config" // data of the ConfigMaps of a namespace
	placeCopy   placeKind = "copy"   // copies of objects in annotations
	placeLabel  placeKind = "label"  // labels and what selects by them, everywhere
	placeShare  placeKind = "share"  // names that gate B replaces, everywhere
)

// token returns what stands for a value in this place.
func (at place) token(value []byte) []byte {
	mac := hmac.New(sha256.New, at.p.key[:])
	for _, part := range []string{string(at.kind), at.namespace, at.name} {
		mac.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		mac.Write([]byte{':'})
		mac.Write([]byte(part))
	}
	mac.Write(value)
	sum := mac.Sum(nil)
	t := make([]byte, 0, 40)
	t = append(t, tokenOpen...)
	t = hex.AppendEncode(t, sum[:tokenDigits/2])
	t = append(t, ':')
	t = strconv.AppendInt(t, int64(len(value)), 10)
	return append(t, tokenClose...)
}

// encoded returns the token for a value that is written in base64, written in
// base64 itself: the object stays one that typed clients can read.
func (at place) encoded(value []byte) (token []byte, changed bool) {
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
	n, err := base64.StdEncoding.Decode(decoded, value)
	if decoded = decoded[:n]; err != nil {
		decoded = value
	}
	if isToken(decoded) {
		return value, false
	}
	return base64.StdEncoding.AppendEncode(nil, at.token(decoded)), true
}

// tokenLen returns the length of the token at the beginning of s, of any
// version; 0 if there is none.
func tokenLen(s []byte) int {
	if len(s) < len(tokenOpen) || string(s[:len(tokenOpen)]) != tokenOpen {
		return 0
	}
	i := len(tokenOpen)
	for ; i < len(s) && isHex(s[i]); i++ {
	}
	if n := i - len(tokenOpen); n != tokenDigits && n != tokenDigitsOld || i == len(s) || s[i] != ':' {
		return 0
	}
	digits := i + 1
	for i++; i < len(s) && isDigit(s[i]); i++ {
	}
	if i == digits || len(s) < i+len(tokenClose) || string(s[i:i+len(tokenClose)]) != tokenClose {
		return 0
	}
	return i + len(tokenClose)
}

// isToken reports whether s is a token and nothing else.
func isToken(s []byte) bool { return len(s) > 0 && tokenLen(s) == len(s) }
