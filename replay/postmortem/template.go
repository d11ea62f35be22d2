package postmortem

import (
	"fmt"
	"io"
	"strings"

	"github.com/svcspy/svcspy/replay/report"
)

const plain = "plain"

// Formats are what Write can print.
var Formats = []string{"html", "md", "slack", "json"}

// Write prints the document in one of the formats.
func Write(w io.Writer, format string, p *Postmortem) error {
	switch format {
	case "html":
		return HTML(w, p)
	case "md":
		return Markdown(w, p)
	case "slack":
		return Slack(w, p)
	case "json":
		return report.Document(w, "json", p)
	}
	return fmt.Errorf("%q is not one of %s", format, strings.Join(Formats, ", "))
}

// Templates are the orders and headings a document can have, by name. Each but
// plain follows how an organisation arranges its postmortems in public; the
// words are ours.
var Templates = []string{plain, "google", "pagerduty", "incident.io", "etsy"}

// A part is a section of a document: one that is filled in from the recording,
// or, with a prompt, one that people have to write.
type part struct {
	heading string
	shows   content
	prompt  string
}

// content names what a section is filled in with.
type content int

const (
	human content = iota // nothing: people write it
	summary
	keyTimes
	impactOfIt
	triggerOfIt
	causalChain
	factors
	resolution
	detection
	picture
	timeline
	instants
	hurtServices
	commands
	redaction
)

// tail is what every template ends with.
var tail = []part{
	{heading: "Appendix: how to check this", shows: commands},
	{heading: "Appendix: what was redacted", shows: redaction},
}

var templates = map[string][]part{
	plain: {
		{heading: "Summary", shows: summary},
		{heading: "Key times", shows: keyTimes},
		{heading: "Services that were hurt", shows: hurtServices},
		{heading: "The picture", shows: picture},
		{heading: "Timeline", shows: timeline},
		{heading: "How it came about", shows: causalChain},
		{heading: "Contributing factors", shows: factors},
		{heading: "The report at each moment", shows: instants},
		{heading: "What it meant for users", prompt: "Who noticed, what could they not do, and how many were they?"},
		{heading: "What was done, and why it made sense", prompt: "What did the people on call see, think and try?"},
		{heading: "What will change", prompt: "Each with an owner and a date."},
	},
	"google": {
		{heading: "Summary", shows: summary},
		{heading: "Status and authors", prompt: "Draft or final? Who wrote this, and who was asked?"},
		{heading: "Impact", shows: impactOfIt},
		{heading: "Services that were hurt", shows: hurtServices},
		{heading: "Root causes", shows: causalChain},
		{heading: "Further contributing factors", shows: factors},
		{heading: "Trigger", shows: triggerOfIt},
		{heading: "Resolution", shows: resolution},
		{heading: "Detection", shows: detection},
		{heading: "Action items", prompt: "Action, kind (prevent, mitigate, process), owner, ticket."},
		{heading: "Lessons: what went well", prompt: "What kept this from being worse?"},
		{heading: "Lessons: what went wrong", prompt: "What made it harder than it should have been?"},
		{heading: "Lessons: where luck helped", prompt: "What would have been bad an hour later?"},
		{heading: "Timeline", shows: timeline},
		{heading: "Key times", shows: keyTimes},
		{heading: "Supporting information: the picture", shows: picture},
		{heading: "Supporting information: the report at each moment", shows: instants},
	},
	"pagerduty": {
		{heading: "Overview", shows: summary},
		{heading: "What happened", shows: causalChain},
		{heading: "Contributing factors", shows: factors},
		{heading: "Resolution", shows: resolution},
		{heading: "Impact", shows: impactOfIt},
		{heading: "Services that were hurt", shows: hurtServices},
		{heading: "Responders", prompt: "Which roles took part: commander, scribe, experts, liaisons?"},
		{heading: "Key times", shows: keyTimes},
		{heading: "Timeline", shows: timeline},
		{heading: "The picture", shows: picture},
		{heading: "The report at each moment", shows: instants},
		{heading: "How did we do: what went well", prompt: "What should stay as it is?"},
		{heading: "How did we do: what did not go so well", prompt: "What slowed the response down?"},
		{heading: "Action items", prompt: "Each with a ticket and an owner."},
		{heading: "Messages", prompt: "What was said inside, and what to customers?"},
	},
	"incident.io": {
		{heading: "Summary", shows: summary},
		{heading: "Key timestamps and durations", shows: keyTimes},
		{heading: "Services that were hurt", shows: hurtServices},
		{heading: "Timeline", shows: timeline},
		{heading: "The picture", shows: picture},
		{heading: "How it came about", shows: causalChain},
		{heading: "Contributors", shows: factors},
		{heading: "Mitigators", prompt: "What made the impact smaller than it could have been?"},
		{heading: "The report at each moment", shows: instants},
		{heading: "Learnings and risks", prompt: "What do we know now, and what else could fail in this way?"},
		{heading: "Follow-ups", prompt: "Each with an owner and a priority."},
	},
	"etsy": {
		{heading: "What happened", shows: summary},
		{heading: "When", shows: keyTimes},
		{heading: "Impact on customers", prompt: "What could they not do, and how was that measured?"},
		{heading: "Services that were hurt", shows: hurtServices},
		{heading: "Timeline", shows: timeline},
		{heading: "Graphs", shows: picture},
		{heading: "What people knew at each moment", prompt: "Told by those who were there: what did they see, expect and decide? What surprised them?"},
		{heading: "What the cluster showed at each moment", shows: instants},
		{heading: "How the parts acted together", shows: causalChain},
		{heading: "Conditions that contributed", shows: factors},
		{heading: "What we learned", prompt: "How does the work really get done here, other than we thought?"},
		{heading: "Remediation", prompt: "Tickets, small enough to be done."},
	},
}

// templateOf returns the sections of a template; "" is plain.
func templateOf(name string) ([]part, error) {
	if name == "" {
		name = plain
	}
	parts, ok := templates[name]
	if !ok {
		return nil, fmt.Errorf("there is no template %q", name)
	}
	return append(parts[:len(parts):len(parts)], tail...), nil
}
