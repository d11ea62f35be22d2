package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/replay"
)

// action is something the viewer can do: by a key, or by its name as a command.
type action struct {
	name string
	keys []string
	help string
	do   func(m *Model, argument string) tea.Cmd
}

// allActions are all there are, in the order help shows them.
func allActions() []action {
	return []action{
		{"play", []string{"space"}, "play, or pause; idle stretches are skipped", func(m *Model, _ string) tea.Cmd { return m.togglePlay() }},
		{"next", []string{".", "t"}, "next event that matters to the subject", func(m *Model, _ string) tea.Cmd { return m.toMoment(1) }},
		{"previous", []string{",", "T"}, "previous one; at the start, what was before it", func(m *Model, _ string) tea.Cmd { return m.toMoment(-1) }},
		{"next-verdict", []string{"n"}, "next change of the verdict, in the list of any; after / next hit", (*Model).nextVerdict},
		{"previous-verdict", []string{"N"}, "previous change of the verdict; after / previous hit", (*Model).previousVerdict},
		{"forward", []string{"right"}, "5 s on", step(5 * time.Second)},
		{"back", []string{"left"}, "5 s back", step(-5 * time.Second)},
		{"forward-minute", []string{"shift+right"}, "1 min on", step(time.Minute)},
		{"back-minute", []string{"shift+left"}, "1 min back", step(-time.Minute)},
		{"forward-far", []string{"alt+right"}, "10 min on", step(10 * time.Minute)},
		{"back-far", []string{"alt+left"}, "10 min back", step(-10 * time.Minute)},
		{"past", nil, "what is known of before the recording", func(m *Model, _ string) tea.Cmd { return m.enterPast() }},
		{"start", []string{"home"}, "start of the recording", move((*Model).start)},
		{"end", []string{"end"}, "end; of a growing recording: follow it", move((*Model).end)},
		{"goto", []string{"g", "b"}, "go to 14:02, end-30s, +5s, #812, @mark, 50%", ask("go to ", (*Model).goTo)},
		{"percent", strings.Split("0123456789", ""), "go to 0 % to 90 % of the recording", (*Model).toPercent},
		{"next-mark", []string{"]"}, "next mark", move(func(m *Model) { m.toMark(1) })},
		{"previous-mark", []string{"["}, "previous mark", move(func(m *Model) { m.toMark(-1) })},
		{"mark", []string{"m"}, "mark this moment", ask("mark: ", (*Model).mark)},
		{"faster", []string{"+", "="}, "play faster", move(func(m *Model) { m.changeSpeed(2) })},
		{"slower", []string{"-"}, "play slower", move(func(m *Model) { m.changeSpeed(0.5) })},

		{"speed", nil, "play at a speed: speed 4", ask("speed ", (*Model).setSpeed)},

		{"why", []string{"e"}, "why: the evidence and the story", open(whyPage)},
		{"describe", []string{"d"}, "describe the object that is chosen", open(describePage)},
		{"yaml", []string{"y"}, "its YAML", open(yamlPage)},
		{"diff", []string{"D"}, "what is different since the reference", open(diffPage)},
		{"reference", []string{"R"}, "make this the reference of D", move((*Model).setReference)},
		{"coverage", []string{"c"}, "what the recorder was listening to", open(coveragePage)},
		{"enter", []string{"enter"}, "drill into the object, or go to the event", func(m *Model, _ string) tea.Cmd { return m.enter() }},
		{"leave", []string{"esc"}, "back", func(m *Model, _ string) tea.Cmd { return m.leave() }},
		{"pane", []string{"tab"}, "next pane", move(func(m *Model) { m.pane = (m.pane + 1) % panes })},
		{"previous-pane", []string{"shift+tab"}, "previous pane", move(func(m *Model) { m.pane = (m.pane + panes - 1) % panes })},
		{"down", []string{"j", "down"}, "row down", move(func(m *Model) { m.rows(1) })},
		{"up", []string{"k", "up"}, "row up", move(func(m *Model) { m.rows(-1) })},
		{"page-down", []string{"pgdown", "ctrl+f"}, "page down", move(func(m *Model) { m.rows(10) })},
		{"page-up", []string{"pgup", "ctrl+b"}, "page up", move(func(m *Model) { m.rows(-10) })},
		{"subject", nil, "look at TYPE/NAME", (*Model).goSubject},
		{"services", nil, "list all Services", func(m *Model, _ string) tea.Cmd { return m.toServices() }},
		{"pods", nil, "list the Pods, worst first", open(listPage("PODS", replay.Pods))},
		{"workloads", nil, "list Deployments and what else makes Pods", open(listPage("WORKLOADS", workloads...))},
		{"nodes", nil, "list the Nodes", open(listPage("NODES", replay.Nodes))},
		{"changes", nil, "list what people and tools wrote", open(changesPage)},
		{"controllers", []string{"x"}, "show or hide what controllers wrote", move((*Model).toggleNoise)},
		{"mouse", []string{"M"}, "give the mouse to the terminal, or take it", move((*Model).toggleMouse)},

		{"filter", []string{"/"}, "show rows with a text; then n finds it in time", ask("/", (*Model).setFilter)},
		{"command", []string{":"}, "type a command; every key has one", func(m *Model, _ string) tea.Cmd { m.askCommand(); return nil }},
		{"zone", []string{"z"}, "show times in UTC or your zone", move((*Model).nextZone)},
		{"copy", []string{"C"}, "copy the command that shows this", func(m *Model, _ string) tea.Cmd { return m.copyCommand() }},
		{"save", []string{"S"}, "save the postmortem as HTML; :save md, json, txt", (*Model).save},
		{"redraw", []string{"ctrl+l"}, "draw the screen anew", func(*Model, string) tea.Cmd { return tea.ClearScreen }},
		{"help", []string{"?"}, "this help", open(helpPage)},
		{"quit", []string{"q", "ctrl+c"}, "quit", func(*Model, string) tea.Cmd { return tea.Quit }},
	}
}

// aliases are the commands people know from elsewhere.
var aliases = map[string]string{"q": "quit", "q!": "quit", "wq": "quit", "svc": "services", "po": "pods", "pod": "pods", "deploy": "workloads", "deployments": "workloads", "no": "nodes", "node": "nodes", "h": "help", "y": "yaml", "n": "next-verdict", "N": "previous-verdict"}

// nextVerdict goes to the next change of the verdict, or while there is a filter to
// the next event that brings its text.
func (m *Model) nextVerdict(string) tea.Cmd { return m.onward(1) }

func (m *Model) previousVerdict(string) tea.Cmd { return m.onward(-1) }

func (m *Model) onward(direction int) tea.Cmd {
	if m.filter != "" {
		return m.toHit(direction)
	}
	m.toVerdict(direction)
	return nil
}

// toggleNoise shows or hides what controllers wrote.
func (m *Model) toggleNoise() {
	m.noisy, m.event = !m.noisy, 0
	if m.noisy {
		m.say("what controllers wrote is shown, too; x hides it")
	} else {
		m.say("only what people, tools and Warnings say is shown; x shows controllers")
	}
}

// find returns the action with the name, or the only one that begins so.
func (m *Model) find(name string) *action {
	if long, ok := aliases[name]; ok {
		name = long
	}
	var found *action
	for i := range m.actions {
		if m.actions[i].name == name {
			return &m.actions[i]
		}
		if name != "" && strings.HasPrefix(m.actions[i].name, name) && found == nil {
			found = &m.actions[i]
		}
	}
	return found
}

// digit is the key if it is one: the only keys that say something themselves.
func digit(key string) string {
	if len(key) == 1 && key[0] >= '0' && key[0] <= '9' {
		return key
	}
	return ""
}

// move is an action that needs no argument and starts nothing.
func move(f func(*Model)) func(*Model, string) tea.Cmd {
	return func(m *Model, _ string) tea.Cmd {
		f(m)
		return nil
	}
}

// step moves by a duration.
func step(d time.Duration) func(*Model, string) tea.Cmd {
	return move(func(m *Model) { m.by(d) })
}

// ask prompts for an argument that was not given.
func ask(sign string, f func(*Model, string) tea.Cmd) func(*Model, string) tea.Cmd {
	return func(m *Model, argument string) tea.Cmd {
		if argument != "" {
			return f(m, argument)
		}
		m.prompt = &prompt{input: newInput(sign, nil), then: f}
		return nil
	}
}

// open shows a page, or closes it if it is shown.
func open(make func(*Model) *page) func(*Model, string) tea.Cmd {
	return func(m *Model, _ string) tea.Cmd {
		m.ago = 0 // pages are about the recording
		p := make(m)
		if p == nil || m.page != nil && m.page.name == p.name {
			m.page = nil
			return nil
		}
		m.page = p
		return m.beginPage()
	}
}

// beginPage begins what the page that is shown needs to be found out, if it does
// for this instant.
func (m *Model) beginPage() tea.Cmd {
	if m.page == nil || m.page.begin == nil {
		return nil
	}
	return m.page.begin(m)
}
