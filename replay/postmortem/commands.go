package postmortem

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
)

// quoted writes a word so that a shell takes it as it is. Names come from the
// cluster or from whoever wrote the file, and the line is meant to be pasted.
func quoted(word string) string { return command.Quote(report.Clean(word)) }

// quotedFile is the recording on a command line.
func (s *documentBuilder) quotedFile() string { return command.Quote(fileArgument(s.File)) }

// fileArgument is the argument that names a recording, FILE if it has no path.
func fileArgument(path string) string {
	name := report.Clean(fileName(path))
	switch {
	case path == "":
		return "FILE"
	case strings.HasPrefix(name, "-"): // would be a flag
		return "./" + name
	}
	return name
}

// object is a subject on a command line of svcspy.
func object(a analyzer.Subject) []string {
	words := []string{report.Clean(strings.ToLower(a.Kind) + "/" + a.Name)}
	if a.Namespace != "" {
		words = append(words, "-n", report.Clean(a.Namespace))
	}
	return words
}

// commands are the lines that reproduce what the document says.
func (s *documentBuilder) commands(p *Postmortem) []Command {
	var list []Command
	add := func(claim string, words ...[]string) {
		list = append(list, Command{claim, command.New(append([]string{"svcspy"}, slices.Concat(words...)...)...).String()})
	}
	words := func(w ...string) []string { return w }
	instant := func(t time.Time) string { return when.Format(t.UTC()) }
	file := fileArgument(s.File)
	var stretch []string
	if !s.Since.IsZero() {
		stretch = append(stretch, "--since", instant(s.Since))
	}
	if !s.Until.IsZero() {
		stretch = append(stretch, "--until", instant(s.Until))
	}
	add("The recording is as it was written, with this digest", words("verify", file))
	add("What was recorded, and when nobody was listening", words("info", file))
	if s.Subject.Name == "" {
		add("Which Services were hurt", words("timeline", file, "--all"), stretch)
	}
	if p.Subject.Name == "" {
		return list
	}
	subject := object(p.Subject)
	add("Every change of the verdict, with what explains it", words("timeline", file), subject, stretch)
	if x := s.outage; x != nil {
		at := instant(x.Worst.ShownAt())
		add("The story of the outage", words("explain", file), subject, words("--at", at))
		add("The report when it was at its worst", words("replay", file), subject, words("--at", at, "--once"))
		if x.Before != nil {
			good := instant(x.Before.ShownAt())
			add("The first change after which it was broken", words("bisect", file), subject, words("--good", good, "--bad", at))
			add("What was different then", words("diff", file), subject, words("--since", good, "--until", at))
		}
		if len(x.Worst.Changes) > 0 {
			add("What was changed, and by which tool", words("changes"), object(x.Worst.Changes[0].Subject), words("-f", file))
		}
		add("The cluster at that time, for kubectl", words("shell", file, "--at", at))
	}
	how := words("-o", "html")
	if p.Template != plain {
		how = append(words("--template", p.Template), how...)
	}
	if p.zone() != time.UTC {
		how = append(words("--tz", s.Zone.String()), how...)
	}
	if s.Subject.Name == "" {
		subject = nil
	}
	add("This document", words("report", file), subject, stretch, how)
	return list
}

// token is what redaction leaves of a value.
var token = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`‹r:[^›]*›`) })

// redacted says what the document does not show. What each policy takes out
// before anything is written is part of the format of recordings.
func redacted(p *Postmortem, counts map[string]uint64) Redacted {
	r := Redacted{Policy: report.Clean(p.Recording.Redaction.Policy), Version: p.Recording.Redaction.Version, Notes: []string{}, Counts: counts}
	if all, err := json.Marshal(p); err == nil { // it holds nothing that cannot be encoded
		r.Tokens = len(token().FindAll(all, -1))
	}
	switch r.Policy {
	case "none":
		r.None = true
		r.Notes = append(r.Notes, "Nothing was redacted when this was recorded: the recording, and with it this document, may hold secrets.")
		return r
	case "":
		r.Policy = "unknown"
		r.Notes = append(r.Notes, "The recording does not say whether anything was redacted.")
		return r
	}
	r.Notes = append(r.Notes,
		"Values of Secrets and ConfigMaps, what looked like a credential in env, arguments and annotations, and last-applied-configuration were replaced by tokens, or left out, before they reached the recording.",
		"A token such as ‹r:7f3a9c:12› stands for a value: equal values have equal tokens, so that a change stays visible, and the number is its length. The key is not in the recording.",
	)
	return r
}

// fileName is the last part of a path, of whatever system.
func fileName(path string) string {
	return path[strings.LastIndexAny(path, `/\`)+1:]
}
