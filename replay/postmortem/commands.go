package postmortem

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
)

// harmless is what a shell takes as one word, as it is.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+][A-Za-z0-9_./:=@%+,-]*$`)

// quoted writes a word so that a shell takes it as it is. Names come from the
// cluster or from whoever wrote the file, and the line is meant to be pasted.
func quoted(word string) string {
	word = report.Clean(word)
	if harmless.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// quotedFile is the recording on a command line.
func (s *story) quotedFile() string {
	if s.File == "" {
		return "FILE"
	}
	return quoted(fileName(s.File))
}

// object is a subject on a command line.
func object(a analyzer.Subject) string {
	words := quoted(strings.ToLower(a.Kind) + "/" + a.Name)
	if a.Namespace != "" {
		words += " -n " + quoted(a.Namespace)
	}
	return words
}

// commands are the lines that reproduce what the document says.
func (s *story) commands(p *Postmortem) []Command {
	file := s.quotedFile()
	list := []Command{{"The recording is as it was written, with this digest", "svcspy verify " + file}}
	add := func(claim, format string, args ...any) {
		list = append(list, Command{claim, fmt.Sprintf(format, args...)})
	}
	add("What was recorded, and when nobody was listening", "svcspy info %s", file)
	stretch := ""
	if !s.Since.IsZero() {
		stretch += " --since " + replay.FormatInstant(s.Since.UTC())
	}
	if !s.Until.IsZero() {
		stretch += " --until " + replay.FormatInstant(s.Until.UTC())
	}
	if s.Subject.Name == "" {
		add("Which Services were hurt", "svcspy timeline %s --all%s", file, stretch)
	}
	if p.Subject.Name == "" {
		return list
	}
	subject := object(p.Subject)
	add("Every change of the verdict, with what explains it", "svcspy timeline %s %s%s", file, subject, stretch)
	if x := s.outage; x != nil {
		at := replay.FormatInstant(x.Worst.From.UTC())
		add("The story of the outage", "svcspy explain %s %s --at %s", file, subject, at)
		add("The report when it was at its worst", "svcspy replay %s %s --at '#%d' --once", file, subject, x.Worst.Seq)
		if x.Before != nil {
			add("The first change after which it was broken", "svcspy bisect %s %s --good %s --bad %s", file, subject, replay.FormatInstant(x.Before.From.UTC()), at)
			add("What was different then", "svcspy diff %s %s --since %s --until %s", file, subject, replay.FormatInstant(x.Before.From.UTC()), at)
		}
		if len(x.Worst.Changes) > 0 {
			c := &x.Worst.Changes[0]
			add("What was changed, and by which tool", "svcspy changes %s -f %s", object(c.Subject), file)
		}
		add("The cluster at that time, for kubectl", "svcspy shell %s --at %s", file, at)
	}
	how := ""
	if p.zone() != time.UTC {
		how += " --tz " + quoted(s.Zone.String())
	}
	if p.Template != plain {
		how += " --template " + p.Template
	}
	what := ""
	if s.Subject.Name != "" {
		what = " " + subject
	}
	add("This document", "svcspy report %s%s%s%s -o html", file, what, stretch, how)
	return list
}

// token is what redaction leaves of a value.
var token = regexp.MustCompile(`‹r:[^›]*›`)

// redacted says what the document does not show. What each policy takes out
// before anything is written is part of the format of recordings.
func redacted(p *Postmortem, counts map[string]uint64) Redacted {
	r := Redacted{Policy: report.Clean(p.Recording.Redaction.Policy), Version: p.Recording.Redaction.Version, Notes: []string{}, Counts: counts}
	if all, err := json.Marshal(p); err == nil { // it holds nothing that cannot be encoded
		r.Tokens = len(token.FindAll(all, -1))
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
