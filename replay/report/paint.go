package report

import "github.com/svcspy/svcspy/analyzer"

// SGR codes of the 16 colours every terminal has; none is needed to read.
const (
	bold   = "1"
	faint  = "2"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	blue   = "1;34"
)

func stateColor(s analyzer.State) string {
	switch s {
	case analyzer.Absent, analyzer.NotServing:
		return red
	case analyzer.PartiallyServing, analyzer.Degraded:
		return yellow
	case analyzer.Serving:
		return green
	}
	return blue
}

func (p *printer) paint(code, s string) string {
	if !p.o.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// mark shows the result of a checklist step in one column.
func (p *printer) mark(result string) string {
	symbol, word, code := "–", "-", faint
	switch result {
	case "yes":
		symbol, word, code = "✔", "ok", green
	case "no":
		symbol, word, code = "✘", "NO", red
	case "unknown":
		symbol, word, code = "?", "?", yellow
	}
	if p.o.ASCII {
		return p.paint(code, word+"  "[len(word):])
	}
	return p.paint(code, symbol)
}

func (p *printer) dot() string {
	if p.o.ASCII {
		return ", "
	}
	return " · "
}

func (p *printer) arrow() string {
	if p.o.ASCII {
		return "->"
	}
	return "→"
}
