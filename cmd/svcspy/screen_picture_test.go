package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/fixtures"
)

// TestScreenPicture draws the picture of the screen that the pages show: what a terminal
// of 80 by 24 gets of the demo, with its colours.
func TestScreenPicture(t *testing.T) {
	path := filepath.Join("..", "..", "replay", "tui", "screen.svg")
	got := screenSVG(screenOf(t, demoFile(t), []string{"svc/web", "-n", fixtures.Demos[0].Namespace}, "incident", false))
	for decoder := xml.NewDecoder(bytes.NewReader(got)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) > 30_000 {
		t.Errorf("%d bytes are much for a picture of text", len(got))
	}
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(want, got) {
		t.Errorf("%s is not what the screen shows (%v)\nif the screen is right: go test ./cmd/svcspy -run ScreenPicture -update", path, err)
	}
}

// style is how a terminal shows text: what the sequences before it said.
type style struct {
	bold, faint, reverse bool
	ink                  string
}

const (
	paper, inkColor         = "#14181d", "#dfe4ea"
	cellWidth, cellHeight   = 8.4, 18.0
	screenMargin, fontPixel = 12.0, 14
)

// inks are the colours that the screen uses, by their SGR number.
var inks = map[int]string{
	31: "#ff7b72", 32: "#7ee787", 33: "#f2cc60", 34: "#79c0ff",
}

func (s *style) apply(sequence string) {
	for text := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(sequence, "\x1b["), "m"), ";") {
		n, _ := strconv.Atoi(text) // "" is 0
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 7:
			s.reverse = true
		case inks[n] != "":
			s.ink = inks[n]
		}
	}
}

// screenSVG draws rows with the colours that their control sequences say. Each run of
// one style has its place and its length, so that any monospace font fits.
func screenSVG(screen string) []byte {
	rows := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
	width, height := 80*cellWidth+2*screenMargin, float64(len(rows))*cellHeight+2*screenMargin
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="%d">`+"\n", width, height, width, height, fontPixel)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" rx="8" fill="%s"/>`+"\n", width, height, paper)
	for y, row := range rows {
		var s style
		column, top := 0, screenMargin+float64(y)*cellHeight
		for part := range sequences(row) {
			if strings.HasPrefix(part, "\x1b") {
				s.apply(part)
				continue
			}
			cells := ansi.StringWidth(part)
			drawRun(&b, &s, part, screenMargin+float64(column)*cellWidth, top, float64(cells)*cellWidth)
			column += cells
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func drawRun(b *bytes.Buffer, s *style, text string, x, top, width float64) {
	ink := s.ink
	if ink == "" {
		ink = inkColor
	}
	if s.reverse {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%g" fill="%s"/>`+"\n", x, top, width, cellHeight, ink)
		ink = paper
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	var more string
	if s.bold {
		more += ` font-weight="bold"`
	}
	if s.faint {
		more += ` opacity=".6"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="%s"%s>`, x, top+13, width, ink, more)
	_ = xml.EscapeText(b, []byte(text)) // a buffer takes everything
	b.WriteString("</text>\n")
}

// sequences splits a row into control sequences and the text between them.
func sequences(row string) iter.Seq[string] {
	var parts []string
	for rest := row; rest != ""; {
		at := strings.Index(rest, "\x1b[")
		switch {
		case at < 0:
			parts, rest = append(parts, rest), ""
		case at > 0:
			parts, rest = append(parts, rest[:at]), rest[at:]
		default:
			end := strings.IndexByte(rest, 'm')
			if end < 0 {
				end = len(rest) - 1
			}
			parts, rest = append(parts, rest[:end+1]), rest[end+1:]
		}
	}
	return slices.Values(parts)
}
