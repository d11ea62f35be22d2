package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/replay/postmortem"
	"github.com/svcspy/svcspy/replay/when"
)

const (
	// pageBytes is the longest page of an answer: about 2,000 tokens with what
	// stands around it.
	pageBytes = 5500
	// answerTime is how long a question may take.
	answerTime = 2 * time.Minute
	// maxGaps is how many gaps an answer lists one by one.
	maxGaps = 8
)

// Answer is what a tool tells beside its text.
type Answer struct {
	Recording string   `json:"recording" jsonschema:"the recording that was asked"`
	Command   string   `json:"command" jsonschema:"the command that prints the whole of this answer"`
	Notes     []string `json:"notes" jsonschema:"the instant or window the answer is about, its coverage, and warnings"`
	From      string   `json:"from" jsonschema:"start of the recording, RFC 3339"`
	To        string   `json:"to" jsonschema:"end of the recording, RFC 3339"`
	Complete  bool     `json:"complete" jsonschema:"whether nothing was lost between from and to"`
	Gaps      []Gap    `json:"gaps" jsonschema:"when something was not listened to: what happened then may be missing"`
	Cursor    string   `json:"cursor,omitempty" jsonschema:"asks for the next page of this answer"`
	ExitCode  int      `json:"exitCode" jsonschema:"0 answered, 1 error, 2 wrong words or time, 3 the condition is true, 4 answered with a gap"`
}

// Gap is a stretch in which resources were not listened to.
type Gap struct {
	Resources string `json:"resources"`
	From      string `json:"from"`
	To        string `json:"to"`
	Reason    string `json:"reason"`
	Lost      bool   `json:"lost" jsonschema:"false: what was missed came late, but came"`
}

// The lines around what was recorded: nothing in between can end it, since lines
// of an answer are indented.
const (
	beginData = "BEGIN RECORDED DATA"
	endData   = "END RECORDED DATA"
)

// ask runs a command on a recording and returns one page of its answer. args are
// the words behind the program's name, with the recording's path among them.
func (d *desk) ask(ctx context.Context, r Recording, cursor string, args []string) (*mcp.CallToolResult, *Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	out := d.Run(ctx, args)
	if err := ctx.Err(); err != nil {
		return nil, nil, refusal("ask about a shorter time, or one subject", "no answer within %s", answerTime)
	}
	a := &Answer{Recording: r.Name, Command: command.New(append(d.Program, args...)...).String(), Notes: lines(out.Notes), Gaps: []Gap{}, ExitCode: out.Code}
	if out.Text == "" && out.Code != 0 {
		return nil, nil, fmt.Errorf("%s\n%s", strings.Join(a.Notes, "\n"), "command: "+a.Command)
	}
	c, err := d.cover(a, r.Path)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Gaps) > maxGaps {
		a.Notes = append(a.Notes, fmt.Sprintf("%d gaps in all: coverage lists them", len(c.Gaps)))
		c.Gaps = c.Gaps[:maxGaps]
	}
	for i := range c.Gaps {
		g := &c.Gaps[i]
		a.Gaps = append(a.Gaps, Gap{short(g.Resources), when.Format(g.From), when.Format(g.To), g.Reason, g.Lost})
	}
	return a.page(out.Text, args, cursor)
}

// coverage tells of all gaps of a recording, and what else limits it.
func (d *desk) coverage(r Recording, cursor string) (*mcp.CallToolResult, *Answer, error) {
	args := []string{"info", r.Path}
	a := &Answer{Recording: r.Name, Command: command.New(append(d.Program, args...)...).String(), Notes: []string{}, Gaps: []Gap{}}
	c, err := d.cover(a, r.Path)
	if err != nil {
		return nil, nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "recorded from %s to %s: %s\n", a.From, a.To, c.Line)
	for i := range c.Gaps {
		g := &c.Gaps[i]
		what := "lost"
		if !g.Lost {
			what = "came late"
		}
		fmt.Fprintf(&b, "#%d %s to %s (%s): %s: %s\n", g.Seq, when.Format(g.From), when.Format(g.To), what, strings.Join(g.Resources, ", "), g.Reason)
	}
	for _, note := range c.Notes {
		fmt.Fprintln(&b, note)
	}
	return a.page(b.String(), args, cursor)
}

// page puts one page of a text into an answer.
func (a *Answer) page(text string, args []string, cursor string) (*mcp.CallToolResult, *Answer, error) {
	page, next, err := pageOf(text, args, cursor)
	if err != nil {
		return nil, nil, err
	}
	a.Cursor = next
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: a.text(page)}}}, a, nil
}

// cover fills in what the recording of an answer covers.
func (d *desk) cover(a *Answer, path string) (postmortem.Completeness, error) {
	r, err := d.Open(path)
	if err != nil {
		return postmortem.Completeness{}, err
	}
	defer r.Close()
	info := r.Info()
	a.From, a.To = info.Start.UTC().Format(time.RFC3339Nano), info.End.UTC().Format(time.RFC3339Nano)
	c, err := postmortem.CompletenessIn(r, postmortem.Window{From: info.Start, To: info.End})
	a.Complete = c.Complete
	return c, err
}

// text is the page as an assistant reads it.
func (a *Answer) text(page string) string {
	var b strings.Builder
	fmt.Fprintln(&b, beginData)
	for _, note := range a.Notes {
		fmt.Fprintf(&b, " %s\n", note)
	}
	for i := range a.Gaps {
		g := &a.Gaps[i]
		what := "lost"
		if !g.Lost {
			what = "came late"
		}
		fmt.Fprintf(&b, " gap %s to %s (%s): %s: %s\n", g.From, g.To, what, g.Resources, g.Reason)
	}
	b.WriteByte('\n')
	for line := range strings.Lines(page) {
		fmt.Fprintf(&b, " %s", line)
	}
	if !strings.HasSuffix(page, "\n") {
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, endData)
	if a.Cursor != "" {
		fmt.Fprintf(&b, "more: ask again with cursor %s\n", a.Cursor)
	}
	fmt.Fprintf(&b, "command: %s", a.Command)
	return b.String()
}

func short(names []string) string {
	if len(names) <= 4 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
}

func lines(text string) []string {
	all := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// position is where a page begins, and in which answer.
type position struct {
	Offset int    `json:"o"`
	Sum    string `json:"s"` // of the question and its whole answer
}

// pageOf returns a page of an answer, whole lines where they are short enough,
// and the cursor of the next one. A cursor belongs to its question and to the
// answer it was given for: a recording that grew meanwhile may answer otherwise.
func pageOf(text string, args []string, cursor string) (page, next string, err error) {
	h := sha256.Sum256([]byte(strings.Join(args, "\x00") + "\x00\x00" + text))
	at := position{Sum: base64.RawURLEncoding.EncodeToString(h[:9])}
	if cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		var asked position
		if err == nil {
			err = json.Unmarshal(raw, &asked)
		}
		if err != nil || asked.Offset <= 0 || asked.Offset >= len(text) && asked.Sum == at.Sum {
			return "", "", refusal("use the cursor of the answer before, unchanged", "that is no cursor")
		}
		if asked.Sum != at.Sum {
			return "", "", refusal("ask again without it", "the cursor belongs to another question, or the recording has grown since")
		}
		at = asked
	}
	rest := text[at.Offset:]
	if len(rest) <= pageBytes {
		return rest, "", nil
	}
	end := strings.LastIndexByte(rest[:pageBytes], '\n') + 1
	if end == 0 { // one long line
		for end = pageBytes; end > 0 && !utf8.RuneStart(rest[end]); end-- {
		}
		if end == 0 {
			end = pageBytes
		}
	}
	raw, err := json.Marshal(position{at.Offset + end, at.Sum})
	if err != nil {
		return "", "", err
	}
	return rest[:end], base64.RawURLEncoding.EncodeToString(raw), nil
}
