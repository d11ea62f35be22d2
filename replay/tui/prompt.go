package tui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// prompt is a line that is being typed, and what is done with it.
type prompt struct {
	input textinput.Model
	then  func(*Model, string) tea.Cmd
}

// typed takes a key or pasted text into the prompt.
func (m *Model) typed(msg tea.Msg) tea.Cmd {
	if key, ok := msg.(tea.KeyPressMsg); ok {
		switch key.String() {
		case "esc", "ctrl+c":
			m.prompt = nil
			return nil
		case "enter":
			p := m.prompt
			m.prompt, m.message = nil, ""
			before := m.state
			cmd := p.then(m, strings.TrimSpace(p.input.Value()))
			if m.state != before {
				cmd = tea.Batch(cmd, m.survey(), m.beginPage())
			}
			return cmd
		}
	}
	var cmd tea.Cmd
	m.prompt.input, cmd = m.prompt.input.Update(msg)
	return cmd
}

// askCommand prompts for a command.
func (m *Model) askCommand() {
	var names []string
	for _, a := range m.actions {
		names = append(names, a.name)
	}
	slices.Sort(names)
	m.prompt = &prompt{input: newInput(":", names), then: (*Model).command}
}

// command carries out a line such as `goto 14:02`.
func (m *Model) command(line string) tea.Cmd {
	name, argument, _ := strings.Cut(line, " ")
	if name == "" {
		return nil
	}
	a := m.find(name)
	if a == nil {
		if strings.Contains(name, "/") {
			return m.goSubject(line)
		}
		m.fail("command", fmt.Errorf("there is no %q; ? lists them", name))
		return nil
	}
	return m.carryOut(a, strings.TrimSpace(argument))
}

// setFilter shows only rows that contain a text; nothing shows all.
func (m *Model) setFilter(text string) tea.Cmd {
	m.filter = text
	m.chosen = 0
	if text == "" {
		m.say("all rows are shown")
	} else {
		m.say(fmt.Sprintf("only rows with %q; n and N find it in time, esc shows all", text))
	}
	return nil
}

// mentions reports whether a text contains the filter, in any case.
func mentions(text, filter string) bool {
	return filter == "" || strings.Contains(strings.ToLower(text), strings.ToLower(filter))
}
