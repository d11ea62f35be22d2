package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/svcspy/svcspy/analyzer"
)

// SGR codes of the sixteen colours, which every terminal theme has tuned to its
// background, light or dark. Nothing depends on them: each state also has a
// word and a glyph of its own, and NO_COLOR takes them all away.
const (
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	blue   = "1;34"
)

func paint(code, s string) string {
	if s == "" || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func bold(s string) string    { return paint("1", s) }
func faint(s string) string   { return paint("2", s) }
func reverse(s string) string { return paint("7", s) }

// chosen marks the row that has the arrows, in place of the blank that begins
// it: where reverse video is missing too, the sign tells.
func chosen(s string, width int) string {
	return reverse(fit(">"+strings.TrimPrefix(ansi.Strip(s), " "), width))
}

// badness orders verdicts for the scrubber, where the worst of a column shows.
func badness(s analyzer.State) int {
	switch s {
	case analyzer.Absent, analyzer.NotServing:
		return 5
	case analyzer.PartiallyServing:
		return 4
	case analyzer.Degraded:
		return 3
	case analyzer.Unknown:
		return 2
	case analyzer.Converging:
		return 1
	}
	return 0
}

func colorOf(s analyzer.State) string {
	switch badness(s) {
	case 5:
		return red
	case 4, 3:
		return yellow
	case 2, 1:
		return blue
	}
	return green
}

// glyphOf shows a verdict in one cell, also without colour.
func glyphOf(s analyzer.State, ascii bool) string {
	glyphs := map[analyzer.State][2]string{
		analyzer.Absent:           {"░", "x"},
		analyzer.NotServing:       {"█", "#"},
		analyzer.PartiallyServing: {"▆", "%"},
		analyzer.Degraded:         {"▄", "+"},
		analyzer.Unknown:          {"?", "?"},
		analyzer.Converging:       {"~", "~"},
		analyzer.NotSelected:      {"─", "-"},
		analyzer.Serving:          {"━", "="},
	}
	return pick(glyphs[s], ascii)
}

// pick takes the glyph that the terminal can show.
func pick(glyphs [2]string, ascii bool) string {
	if ascii {
		return glyphs[1]
	}
	return glyphs[0]
}

// fit cuts or fills a line to a width.
func fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if ansi.StringWidth(s) > width {
		s = ansi.Truncate(s, width, "~")
	}
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

// wrap breaks lines that are too long; what follows a break is indented a little
// more than the line.
func wrap(lines []string, width int) []string {
	var out []string
	for _, line := range lines {
		if ansi.StringWidth(line) <= width {
			out = append(out, line)
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		rest := width - indent - 2
		if rest < 10 {
			out = append(out, fit(line, width))
			continue
		}
		for i, part := range strings.Split(lipgloss.Wrap(squeeze(line[indent:]), rest, ""), "\n") {
			hang := indent
			if i > 0 {
				hang += 2
			}
			out = append(out, strings.Repeat(" ", hang)+part)
		}
	}
	return out
}

// squeeze makes the gaps of a table two spaces wide, where it is too wide.
func squeeze(s string) string {
	for strings.Contains(s, "   ") {
		s = strings.ReplaceAll(s, "   ", "  ")
	}
	return s
}
