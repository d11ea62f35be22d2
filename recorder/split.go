package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errTooLarge is returned when one JSON text of a stream is larger than the
// recorder is willing to hold.
var errTooLarge = errors.New("object too large")

const (
	smallBuffer = 64 << 10 // of each stream at rest
	// largestText bounds what one stream holds. etcd refuses requests above
	// 1.5 MiB unless told otherwise, and a watch event carries one object.
	largestText = 16 << 20
)

// splitter cuts a stream of JSON texts, which a watch is, into single texts.
// It holds no more than the text it is reading, plus one buffer.
type splitter struct {
	r          io.Reader
	limit      int
	buf        []byte
	start, end int // unread bytes in buf
	nest       nesting
}

func newSplitter(r io.Reader) *splitter {
	return &splitter{r: r, limit: largestText, buf: make([]byte, smallBuffer)}
}

// next returns the next text, without white space around it, which is only
// valid until the following call. It returns io.EOF where the stream ends
// between two texts and io.ErrUnexpectedEOF where it ends inside one. The text
// begins with '{' and its braces match; nothing else has been checked.
func (s *splitter) next() ([]byte, error) {
	if len(s.buf) > 16*smallBuffer && s.end-s.start < smallBuffer {
		// One huge object must not cost its memory for ever.
		small := make([]byte, smallBuffer)
		s.end = copy(small, s.buf[s.start:s.end])
		s.buf, s.start = small, 0
	}
	for {
		text, err := s.cut()
		if text != nil || err != nil {
			return text, err
		}
		if err := s.fill(); err != nil {
			if err == io.EOF && s.start < s.end {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// cut returns the first whole text of the buffer, nil if there is none.
func (s *splitter) cut() ([]byte, error) {
	if s.nest.seen == 0 {
		for s.start < s.end && isSpace(s.buf[s.start]) {
			s.start++
		}
	}
	rest := s.buf[s.start:s.end]
	if len(rest) == 0 {
		return nil, nil
	}
	if rest[0] != '{' {
		return nil, fmt.Errorf("malformed stream: unexpected %q between events", rest[0])
	}
	// The API server ends each event with a line feed and writes none inside,
	// so that the end is found at the speed of memory. A stream that is
	// written in another way is followed byte by byte.
	if bytes.HasPrefix(rest, compact) && !s.nest.lines {
		i := s.nest.seen + bytes.IndexByte(rest[s.nest.seen:], '\n')
		if i > s.nest.seen && rest[i-1] == '}' {
			return s.take(i), nil
		}
	}
	if n := s.nest.follow(rest); n > 0 {
		return s.take(n), nil
	}
	return nil, nil
}

// compact is how an event begins that was written without white space.
var compact = []byte(`{"type":"`)

func (s *splitter) take(n int) []byte {
	text := s.buf[s.start : s.start+n]
	s.start += n
	s.nest = nesting{}
	return bytes.TrimRight(text, " \t\r\n")
}

func (s *splitter) fill() error {
	switch {
	case s.start == s.end:
		s.start, s.end = 0, 0
	case s.end == len(s.buf) && s.start > 0:
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if s.end == len(s.buf) {
		if len(s.buf) >= s.limit {
			return fmt.Errorf("%w: more than %d MiB", errTooLarge, s.limit>>20)
		}
		larger := make([]byte, min(2*len(s.buf), s.limit))
		copy(larger, s.buf[:s.end])
		s.buf = larger
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\t' || b == '\r' }

// nesting follows the braces of a text that arrives in pieces.
type nesting struct {
	seen    int // bytes already followed
	depth   int
	quoted  bool // inside a string
	escaped bool // after a backslash
	lines   bool // it is more than one line
}

// follow reads on in text, which begins with the bytes it saw before, and
// returns the length of the object it begins with, 0 while that is open.
func (n *nesting) follow(text []byte) int {
	for ; n.seen < len(text); n.seen++ {
		switch b := text[n.seen]; {
		case n.escaped:
			n.escaped = false
		case n.quoted:
			n.escaped = b == '\\'
			n.quoted = b != '"'
		case b == '"':
			n.quoted = true
		case b == '\n':
			n.lines = true
		case b == '{', b == '[':
			n.depth++
		case b == '}', b == ']':
			if n.depth--; n.depth == 0 {
				return n.seen + 1
			}
		}
	}
	return 0
}
