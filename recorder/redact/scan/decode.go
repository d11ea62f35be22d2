package scan

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// deepestCode bounds how often something is encoded that is looked at.
	deepestCode = 4
	// mostDecoded bounds what a text may be decoded to, all in all.
	mostDecoded = 1 << 20
)

var (
	base64Runs = expression(`[A-Za-z0-9+/_-]{16,}={0,2}`)
	hexRuns    = expression(`\b(?:[0-9a-fA-F]{2}){12,}\b`)
)

// decoder finds what a text says when it is decoded.
type decoder struct {
	left int // bytes that may still be decoded
	seen map[string]bool
}

// each calls f for everything that a text, or a part of it, is the code of.
func (d *decoder) each(text string, depth int, f func(string)) {
	if depth == deepestCode || d.left <= 0 {
		return
	}
	next := func(decoded []byte) {
		inner := readable(d.unzipped(decoded))
		if inner == "" || d.seen[inner] {
			return
		}
		d.seen[inner] = true
		d.left -= len(inner)
		f(inner)
		d.each(inner, depth+1, f)
	}
	if strings.Contains(text, "%") {
		if inner, err := url.QueryUnescape(text); err == nil && inner != text {
			next([]byte(inner))
		}
	}
	if strings.Contains(text, `\`) {
		var inner string
		if json.Unmarshal([]byte(`"`+text+`"`), &inner) == nil && inner != text {
			next([]byte(inner))
		}
		if plain := strings.NewReplacer(`\"`, `"`, `\n`, "\n", `\\`, `\`).Replace(text); plain != text {
			next([]byte(plain))
		}
	}
	for _, run := range base64Runs().FindAllString(text, 64) {
		run = strings.TrimRight(run, "=")
		coding := base64.RawStdEncoding
		if strings.ContainsAny(run, "-_") {
			coding = base64.RawURLEncoding
		}
		if decoded, err := coding.DecodeString(run); err == nil {
			next(decoded)
		}
	}
	for _, run := range hexRuns().FindAllString(text, 64) {
		if decoded, err := hex.DecodeString(run); err == nil {
			next(decoded)
		}
	}
}

// unzipped returns what gzip made of a text; other bytes as they are.
func (d *decoder) unzipped(text []byte) []byte {
	if !bytes.HasPrefix(text, []byte("\x1f\x8b")) {
		return text
	}
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return text
	}
	inner, err := io.ReadAll(io.LimitReader(r, int64(min(d.left, 256<<10))))
	if err != nil && len(inner) == 0 {
		return text
	}
	return inner
}

// readable returns a text if it is one, "" if it is other bytes.
func readable(text []byte) string {
	if len(text) < 4 || !utf8.Valid(text) {
		return ""
	}
	for _, r := range string(text) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return ""
		}
	}
	return string(text)
}
