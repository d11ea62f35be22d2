package mcp

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The arguments of the tools. What is left out has the default of the command.
type (
	// Asked is what every question has.
	Asked struct {
		Recording string `json:"recording,omitempty" jsonschema:"name of the recording, from list_recordings; may be left out if there is one only"`
		Cursor    string `json:"cursor,omitempty" jsonschema:"cursor of the answer before, for its next page"`
	}
	// Subject is what a question is about.
	Subject struct {
		Subject   string `json:"subject,omitempty" jsonschema:"TYPE/NAME as kubectl writes it, such as svc/web or deploy/web"`
		Namespace string `json:"namespace,omitempty" jsonschema:"namespace of the subject"`
	}
	// Window is a stretch of time.
	Window struct {
		Since string `json:"since,omitempty" jsonschema:"begin at this instant: RFC 3339, 14:02, start+5m, incident, '#812'; default: the start of the recording"`
		Until string `json:"until,omitempty" jsonschema:"end at this instant; default: the end of the recording"`
	}
	// About asks about a subject.
	About struct {
		Asked
		Subject
	}
	// AboutAt asks about a subject at an instant.
	AboutAt struct {
		Asked
		Subject
		At string `json:"at,omitempty" jsonschema:"the instant: RFC 3339, 14:02, end-30s, incident, '#812'"`
	}
	// AboutIn asks about a subject in a window.
	AboutIn struct {
		Asked
		Subject
		Window
	}
	// VerdictArgs asks for a verdict.
	VerdictArgs struct {
		AboutAt
		Client string `json:"client,omitempty" jsonschema:"who calls the Service: pod/NAMESPACE/NAME, node/NAME or an IP address"`
		Port   string `json:"port,omitempty" jsonschema:"the port the client calls, by number or name"`
	}
	// BisectArgs asks for the first bad change.
	BisectArgs struct {
		About
		Good string `json:"good,omitempty" jsonschema:"an instant at which it worked; default: before the worst outage"`
		Bad  string `json:"bad,omitempty" jsonschema:"a later instant at which it did not; default: in the worst outage"`
	}
	// GetArgs asks for objects as they were.
	GetArgs struct {
		Asked
		Types     string `json:"types" jsonschema:"types of objects as kubectl names them, separated by commas: pods,deploy"`
		Name      string `json:"name,omitempty" jsonschema:"one object; default: all"`
		Namespace string `json:"namespace,omitempty" jsonschema:"namespace; default: all namespaces"`
		Selector  string `json:"selector,omitempty" jsonschema:"label selector, such as app=web"`
		At        string `json:"at,omitempty" jsonschema:"the instant; default: the end of the recording"`
		Output    string `json:"output,omitempty" jsonschema:"wide, name, yaml or json; default: a table"`
	}
	// EventsArgs asks for what was heard.
	EventsArgs struct {
		AboutIn
		Reconstructed bool `json:"reconstructed,omitempty" jsonschema:"what happened before the recording began, reconstructed from what objects carry"`
	}
)

// words are the words of a command line. A value that begins with a dash would
// be read as a flag, so none is accepted.
type words struct {
	args []string
	err  error
}

func (w *words) add(value string) {
	if value == "" {
		return
	}
	if strings.HasPrefix(value, "-") || strings.ContainsRune(value, 0) {
		w.err = refusal("give the value alone", "%q is no value", value)
		return
	}
	w.args = append(w.args, value)
}

// flag adds a flag with its value as one word.
func (w *words) flag(name, value string) {
	if value == "" {
		return
	}
	if strings.ContainsRune(value, 0) {
		w.err = refusal("give the value alone", "%q is no value", value)
		return
	}
	w.args = append(w.args, "--"+name+"="+value)
}

func (w *words) subject(s Subject) {
	w.add(s.Subject)
	w.flag("namespace", s.Namespace)
}

func (w *words) window(s Window) {
	w.flag("since", s.Since)
	w.flag("until", s.Until)
}

// question is one tool about a recording.
type question[In any] struct {
	name, title, description string
	recording                func(*In) *Asked
	line                     func(in *In, file string, w *words)
}

// offer adds a question to a server.
func offer[In any](d *desk, s *mcp.Server, q question[In]) {
	mcp.AddTool(s, tool(q.name, q.title, q.description), func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, *Answer, error) {
		asked := q.recording(&in)
		r, err := d.Library.Find(asked.Recording)
		if err != nil {
			return nil, nil, err
		}
		w := &words{}
		q.line(&in, r.Path, w)
		if w.err != nil {
			return nil, nil, w.err
		}
		return d.ask(ctx, r, asked.Cursor, w.args)
	})
}

// Recordings is the answer of list_recordings.
type Recordings struct {
	Recordings []string `json:"recordings" jsonschema:"names, for the recording argument of the other tools"`
}

func (d *desk) addTools(s *mcp.Server) {
	mcp.AddTool(s, tool("list_recordings", "Recordings", "List the recordings that can be asked about. Ask this first unless you know the name."), func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, *Recordings, error) {
		all, err := d.Library.Recordings()
		if err != nil {
			return nil, nil, err
		}
		list := &Recordings{Recordings: []string{}}
		text := fmt.Sprintf("%d recordings\n", len(all))
		for _, r := range all {
			list.Recordings = append(list.Recordings, r.Name)
			text += r.Name + "\n"
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, list, nil
	})
	offer(d, s, question[Asked]{
		"incidents", "Outages", "What broke in a recording: each outage with its Service, verdict, start, duration, trigger, who, recovery and what to do next, worst first. The first question to ask.",
		func(in *Asked) *Asked { return in },
		func(_ *Asked, file string, w *words) { w.args = []string{"replay", file, "--once"} },
	})
	offer(d, s, question[VerdictArgs]{
		"verdict", "Verdict at an instant", "Why does this Service (or Deployment, Pod, Ingress, Node ...) get no traffic at this instant? State, cause, evidence with event numbers, what else is wrong, what cannot be known, what to do.",
		func(in *VerdictArgs) *Asked { return &in.Asked },
		func(in *VerdictArgs, file string, w *words) {
			w.args = []string{"replay", file, "--once"}
			w.subject(in.Subject)
			w.flag("at", in.At)
			w.flag("from", in.Client)
			w.flag("port", in.Port)
		},
	})
	offer(d, s, question[AboutIn]{
		"timeline", "Verdicts over time", "Every stretch of time in which the verdict stayed the same, for one subject, or for all Services if none is named.",
		func(in *AboutIn) *Asked { return &in.Asked },
		func(in *AboutIn, file string, w *words) {
			w.args = []string{"timeline", file}
			if in.Subject.Subject == "" {
				w.args = append(w.args, "--all")
			}
			w.subject(in.Subject)
			w.window(in.Window)
		},
	})
	offer(d, s, question[AboutAt]{
		"explain", "Story of an outage", "The story of one outage in a page: what changed and who changed it, what that led to, which endpoints were lost, how it ended, what cannot be known. Without arguments: the worst outage.",
		func(in *AboutAt) *Asked { return &in.Asked },
		func(in *AboutAt, file string, w *words) {
			w.args = []string{"explain", file}
			w.subject(in.Subject)
			w.flag("at", in.At)
		},
	})
	offer(d, s, question[AboutIn]{
		"changes", "Who changed what", "What people and tools wrote: fields before and after, by whom, when. For one subject, or all of the recording.",
		func(in *AboutIn) *Asked { return &in.Asked },
		func(in *AboutIn, file string, w *words) {
			w.args = []string{"changes", "--file=" + file}
			w.subject(in.Subject)
			w.window(in.Window)
		},
	})
	offer(d, s, question[AboutIn]{
		"diff", "Two instants compared", "What differs between two instants in what a subject rests on: verdict, fields, writers. Without times: before and in the worst outage.",
		func(in *AboutIn) *Asked { return &in.Asked },
		func(in *AboutIn, file string, w *words) {
			w.args = []string{"diff", file}
			w.subject(in.Subject)
			w.window(in.Window)
		},
	})
	offer(d, s, question[BisectArgs]{
		"bisect", "First bad change", "The change with which it began to fail between a good and a bad instant, and whether undoing it alone would have kept it well.",
		func(in *BisectArgs) *Asked { return &in.Asked },
		func(in *BisectArgs, file string, w *words) {
			w.args = []string{"bisect", file}
			w.subject(in.Subject)
			w.flag("good", in.Good)
			w.flag("bad", in.Bad)
		},
	})
	offer(d, s, question[GetArgs]{
		"get", "Objects as they were", "Objects as they were at an instant, as kubectl get prints them. A type that was not recorded is an error, never an empty list.",
		func(in *GetArgs) *Asked { return &in.Asked },
		func(in *GetArgs, file string, w *words) {
			w.args = []string{"get", file}
			if in.Types == "" {
				w.err = refusal("such as pods or deploy,pods", "types are missing")
				return
			}
			w.add(in.Types)
			w.add(in.Name)
			w.flag("namespace", in.Namespace)
			w.flag("selector", in.Selector)
			w.flag("at", in.At)
			w.flag("output", in.Output)
		},
	})
	offer(d, s, question[EventsArgs]{
		"events", "What was heard", "The watch events of a recording, one a line with its number, and changes of coverage between them. For one object or all.",
		func(in *EventsArgs) *Asked { return &in.Asked },
		func(in *EventsArgs, file string, w *words) {
			w.args = []string{"events", file}
			w.subject(in.Subject)
			w.window(in.Window)
			if in.Reconstructed {
				w.args = append(w.args, "--reconstructed")
			}
		},
	})
	offer(d, s, question[Asked]{
		"info", "What a recording holds", "Range, cluster, resources with counts, redaction, clocks, digest of a recording.",
		func(in *Asked) *Asked { return in },
		func(_ *Asked, file string, w *words) { w.args = []string{"info", file} },
	})
	mcp.AddTool(s, tool("coverage", "What was listened to", "When something was not listened to, what, and why: what was not heard is not known. Ask this before you say that something did not happen."),
		func(_ context.Context, _ *mcp.CallToolRequest, in Asked) (*mcp.CallToolResult, *Answer, error) {
			r, err := d.Library.Find(in.Recording)
			if err != nil {
				return nil, nil, err
			}
			return d.coverage(r, in.Cursor)
		})
}

// tool declares a tool that reads.
func tool(name, title, description string) *mcp.Tool {
	no := false
	return &mcp.Tool{
		Name:        name,
		Title:       title,
		Description: description,
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: &no, OpenWorldHint: &no, Title: title},
	}
}
