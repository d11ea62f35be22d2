package mcp

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// prompts are what a person may pick to begin with.
var prompts = []struct {
	name, title, description, text string
}{
	{
		"postmortem", "Write the postmortem", "Draft a blameless postmortem of the worst outage of a recording.",
		`Draft a blameless postmortem of %s.

1. incidents, then explain for the worst outage, timeline for its Service, changes for its window, coverage.
2. Write: summary in three sentences, impact with start, end and duration, timeline with instants and event numbers, trigger and who wrote it, contributing factors, what ended it, what is not known, action items.
3. Every statement about the cluster cites its event (#N) or the command that shows it. What svcspy marks as likely, correlated, reconstructed or unknown keeps that mark. People are named as the recording names field managers: tools and accounts, without blame.
4. List what the recording cannot show: traffic, application errors, anything in a gap.`,
	},
	{
		"live-triage", "Triage now", "Find what is broken and the next command, from a recording that is still being written.",
		`Something is broken now, and %s is being recorded.

1. incidents. If nothing is listed, timeline for the Service the person names, at end.
2. verdict at end for the worst one: what, since when, who, what undoes it.
3. Answer in five lines: what broke, since when, the change and who made it, the one command that undoes it, and what you are not sure of. Do not run anything that writes; propose it.
4. If the verdict is Unknown or there is a gap, say what would decide it (the report's UNDECIDED names it).`,
	},
	{
		"challenge", "Challenge this diagnosis", "Try to refute what svcspy says about the worst outage.",
		`Try to refute the diagnosis of the worst outage of %s.

1. explain. Note trigger, link (counterfactual, structural, correlated), chain and recovery.
2. For the trigger: did anything fail before it (timeline)? does bisect find the same change? what else changed in the two minutes before (changes, events)? would undoing it alone have been enough?
3. For the chain: does each named event say what it is cited for (get at '#N', events)?
4. For the recovery: does the write come before the verdict turns, and is there another that could have done it?
5. coverage: could what refutes it lie in a gap, or in a type that was not recorded?
6. Say what stands, what falls, and what nobody can tell from this recording, each with its event numbers.`,
	},
}

func addPrompts(s *mcp.Server) {
	for _, p := range prompts {
		s.AddPrompt(&mcp.Prompt{
			Name:        p.name,
			Title:       p.title,
			Description: p.description,
			Arguments:   []*mcp.PromptArgument{{Name: "recording", Description: "name of the recording; may be left out if there is one only"}},
		}, func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			about := "the recording"
			if name := req.Params.Arguments["recording"]; name != "" {
				about = fmt.Sprintf("the recording %q", name)
			}
			return &mcp.GetPromptResult{
				Description: p.description,
				Messages:    []*mcp.PromptMessage{{Role: "user", Content: &mcp.TextContent{Text: fmt.Sprintf(p.text, about)}}},
			}, nil
		})
	}
}
