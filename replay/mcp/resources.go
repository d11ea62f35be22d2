package mcp

import (
	"context"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Resources, by what stands behind the recording's name in their address:
// svcspy://RECORDING/report, svcspy://RECORDING/report/NAMESPACE/TYPE/NAME, and
// verdict in the place of report, with ?at=INSTANT. A slash in a recording's name
// is written %2F.
const scheme = "svcspy"

func (d *desk) addResources(s *mcp.Server) {
	s.AddResourceTemplate(&mcp.ResourceTemplate{
		Name:        "report",
		Title:       "Postmortem draft",
		Description: "The Markdown report of a recording: outages, timeline, cause, evidence.",
		MIMEType:    "text/markdown",
		URITemplate: scheme + "://{recording}/report",
	}, d.read)
	s.AddResourceTemplate(&mcp.ResourceTemplate{
		Name:        "subject report",
		Title:       "Postmortem draft of one subject",
		Description: "The Markdown report of one subject, such as svcspy://incident.db/report/shop/svc/web.",
		MIMEType:    "text/markdown",
		URITemplate: scheme + "://{recording}/report/{namespace}/{type}/{name}",
	}, d.read)
	s.AddResourceTemplate(&mcp.ResourceTemplate{
		Name:        "verdict",
		Title:       "Verdict",
		Description: "The report on one subject at an instant (default: the worst outage), as JSON.",
		MIMEType:    "application/json",
		URITemplate: scheme + "://{recording}/verdict/{namespace}/{type}/{name}{?at}",
	}, d.read)
}

// read answers for one address. It is whole: whoever reads a resource has asked
// for a document.
func (d *desk) read(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	uri := req.Params.URI
	unknown := mcp.ResourceNotFoundError(uri)
	rest, ok := strings.CutPrefix(uri, scheme+"://")
	if !ok {
		return nil, unknown
	}
	rest, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, unknown
	}
	parts := strings.Split(rest, "/")
	for i, part := range parts {
		if parts[i], err = url.PathUnescape(part); err != nil {
			return nil, unknown
		}
	}
	if len(parts) != 2 && len(parts) != 5 {
		return nil, unknown
	}
	r, err := d.Library.Find(parts[0])
	if err != nil {
		return nil, err
	}
	w, mime := &words{}, "text/markdown"
	switch {
	case parts[1] == "report":
		w.args = []string{"report", r.Path, "--output=md"}
	case parts[1] == "verdict" && len(parts) == 5:
		w.args, mime = []string{"replay", r.Path, "--once", "--output=json"}, "application/json"
	default:
		return nil, unknown
	}
	if len(parts) == 5 {
		w.subject(Subject{Subject: parts[3] + "/" + parts[4], Namespace: parts[2]})
	}
	w.flag("at", values.Get("at"))
	if w.err != nil {
		return nil, w.err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	out := d.Run(ctx, w.args)
	if out.Text == "" || ctx.Err() != nil {
		return nil, refusal("ask the tool of the same name", "no answer: %s", strings.Join(lines(out.Notes), " "))
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, MIMEType: mime, Text: out.Text}}}, nil
}
