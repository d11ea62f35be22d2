package tui

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/replay/report"
)

// savedMsg says where something was saved.
type savedMsg struct {
	path string
	err  error
}

// save writes the postmortem of the subject, or with "txt" the report at the
// cursor as it stands on the screen.
func (m *Model) save(format string) tea.Cmd {
	if m.Save == nil {
		m.say("nothing can be saved from here")
		return nil
	}
	if !m.aboutOne() {
		return nil
	}
	if format == "" {
		format = "html"
	}
	name := "svcspy-" + fileName(m.subject.Name) + "-" + fileTime(m.at()) + "." + fileName(format)
	if format == "txt" {
		var b bytes.Buffer
		err := report.Text(&b, m.envelope, report.Options{ASCII: m.ASCII, Zone: m.zones[m.zone]})
		path := ""
		if err == nil {
			path, err = m.Save(name, b.Bytes())
		}
		m.saved(savedMsg{path, err})
		return nil
	}
	write := map[string]func(*bytes.Buffer, *postmortem.Postmortem) error{
		"html": func(b *bytes.Buffer, p *postmortem.Postmortem) error { return postmortem.HTML(b, p) },
		"md":   func(b *bytes.Buffer, p *postmortem.Postmortem) error { return postmortem.Markdown(b, p) },
		"json": func(b *bytes.Buffer, p *postmortem.Postmortem) error { return report.Document(b, "json", p) },
	}[format]
	if write == nil {
		m.fail("save", fmt.Errorf("%q is not one of html, md, json, txt", format))
		return nil
	}
	m.say("the postmortem is being written ...")
	options := postmortem.Options{File: m.File, Subject: m.subject, Zone: m.zones[m.zone]}
	t, keep := m.timeline, m.Save
	return m.jobs.do(func(ctx context.Context) tea.Msg {
		p, err := postmortem.Build(ctx, t, options)
		var b bytes.Buffer
		if err == nil {
			err = write(&b, p)
		}
		if err != nil {
			return savedMsg{err: err}
		}
		path, err := keep(name, b.Bytes())
		return savedMsg{path, err}
	})
}

func (m *Model) saved(msg savedMsg) {
	if msg.err != nil {
		m.fail("save", msg.err)
		return
	}
	m.say("saved " + msg.path)
}

// fileName keeps of a name what is safe in the name of a file.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '-'
	}, name)
}

// fileTime names files after an instant.
func fileTime(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
