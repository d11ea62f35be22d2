package files

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/redact/scan"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// ScanResult is what a scan found.
type ScanResult struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"` // ScanResult
	File       string            `json:"file"`
	Recording  *report.Recording `json:"recording,omitempty"` // if it is one
	Clean      bool              `json:"clean"`
	Events     uint64            `json:"events"` // that were looked at; 0 in a text
	Leaks      []leak            `json:"leaks"`
}

// leak is one thing that looks like a secret. It is never shown itself.
type leak struct {
	What string `json:"what"`
	// Token is part of a keyed hash of the secret, and its length: the same for
	// the same secret within one scan.
	Token     string    `json:"token"`
	Seq       store.Seq `json:"seq,omitempty"` // the first event with it
	Time      time.Time `json:"time,omitzero"`
	Resource  string    `json:"resource,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	Path      string    `json:"path,omitempty"`
	Line      int       `json:"line,omitempty"`   // in a text
	Events    int       `json:"events,omitempty"` // in how many it is at that place
}

// ScanCommand returns the command scan.
func ScanCommand(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scan FILE",
		Short: "Scan for plaintext secrets",
		Long: `Scan looks for secrets before you share a file: keys of clouds and services,
JSON Web Tokens, PEM, credentials in URLs and headers, values with telltale
names, passwords in SQL and behind flags of known programs, random strings. It
decodes base64, hex, gzip and URL escapes first. In a recording it checks every
value of every event; in any other file (a report as HTML, Markdown or JSON, a
log) it checks the text.

Its rules are not those of redaction, so that it can find what redaction missed.
It cannot find everything: a password that looks like a word, under a name that
does not say so, passes.

Scan prints the place and the kind of each secret, never the secret. A token such
as ‹r:7f3a9c2b41d05e68:12› stands for it: one secret has one token in one scan.
UIDs, digests and resourceVersions are not secrets.

EXIT STATUS
  0 nothing found, 1 error, 2 wrong words, 3 something found.`,
		Example: `  svcspy scan incident.db

  # for a script
  svcspy scan incident.db -o json`,
		Args: cli.OneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			result, err := scanFile(a, ctx, args[0])
			if err != nil {
				return cli.Interrupted(ctx, err)
			}
			if err := printScan(a, a.Out, result); err != nil {
				return err
			}
			if !result.Clean {
				return cli.ErrLeak
			}
			return nil
		},
	}
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// scanFile looks at a recording, or at a text.
func scanFile(a *cli.App, ctx context.Context, path string) (ScanResult, error) {
	result := ScanResult{APIVersion: report.APIVersion, Kind: "ScanResult", File: path, Leaks: []leak{}}
	r, err := a.OpenRecording(path)
	switch {
	case err == nil:
		defer r.Close()
		a.WarnOfDamage(path, r)
		err = result.recording(ctx, r)
	case errors.Is(err, store.ErrNotRecording) && !bucket.IsAddress(path):
		err = result.text(cli.LocalPath(path))
	}
	result.Clean = len(result.Leaks) == 0
	return result, err
}

// text looks at a file that is no recording. What is not text either, a
// recording that cannot be read any more among others, says nothing by having
// no leaks.
func (s *ScanResult) text(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
		return fmt.Errorf("scan %s: neither a recording nor a text", path)
	}
	for _, l := range scan.New().Text(text) {
		s.Leaks = append(s.Leaks, leak{What: l.What, Token: l.Token, Line: l.Line})
	}
	return nil
}

// recording looks at all that is in a recording.
func (s *ScanResult) recording(ctx context.Context, r *store.Recording) error {
	info := r.Info()
	of := report.RecordingOf(info)
	s.Recording = &of
	scanner := scan.New()
	seen := map[leak]int{} // place in Leaks
	note := func(l leak, seq store.Seq, at time.Time) {
		place, known := seen[l]
		if !known {
			place = len(s.Leaks)
			seen[l] = place
			l.Seq, l.Time = seq, at.UTC()
			s.Leaks = append(s.Leaks, l)
		}
		s.Leaks[place].Events++
	}
	for e, err := range r.Events(1, info.Last) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		s.Events++
		if len(e.Object) == 0 {
			continue
		}
		leaks, err := scanner.Object(e.Resource, e.Object)
		if err != nil {
			return fmt.Errorf("scan event %d: %w", e.Seq, err)
		}
		for _, l := range leaks {
			note(leak{What: l.What, Token: l.Token, Resource: e.Resource.GroupResource().String(), Namespace: e.Namespace, Name: e.Name, Path: l.Path}, e.Seq, e.Time)
		}
	}
	ledger, err := r.Ledger(0, info.Last)
	if err != nil {
		return err
	}
	for _, c := range ledger {
		for _, l := range scanner.Text([]byte(c.Reason)) {
			note(leak{What: l.What, Token: l.Token, Resource: c.Resource.GroupResource().String(), Namespace: c.Namespace, Path: "/reason"}, c.Seq, c.Time)
		}
	}
	marks, err := r.Marks()
	if err != nil {
		return err
	}
	for _, m := range marks {
		for _, l := range scanner.Text([]byte(m.Text)) {
			note(leak{What: l.What, Token: l.Token, Resource: "mark"}, 0, m.Time)
		}
	}
	for _, l := range scanner.Text([]byte(info.Cluster.Context)) {
		note(leak{What: l.What, Token: l.Token, Resource: "cluster"}, 0, info.Start)
	}
	slices.SortStableFunc(s.Leaks, func(a, b leak) int { return cmp.Compare(a.Seq, b.Seq) })
	return nil
}

// mostLeaks bounds how many lines are printed for people.
const mostLeaks = 50

func printScan(a *cli.App, out io.Writer, s ScanResult) error {
	if a.Output != "text" {
		return report.Document(out, a.Output, s)
	}
	w := bufio.NewWriter(out)
	name := report.Clean(s.File)
	if s.Clean {
		what := "nothing that looks like a secret"
		if s.Recording != nil {
			what += fmt.Sprintf(" in %d events", s.Events)
		}
		fmt.Fprintf(w, "%s: %s\n", name, what)
		return w.Flush()
	}
	fmt.Fprintf(w, "%s: %d %s in the clear\n", name, len(s.Leaks), map[bool]string{true: "secret stands", false: "secrets stand"}[len(s.Leaks) == 1])
	for i, l := range s.Leaks {
		if i == mostLeaks {
			fmt.Fprintf(w, "  ... and %d more (-o json)\n", len(s.Leaks)-i)
			break
		}
		where := fmt.Sprintf("line %d", l.Line)
		if l.Line == 0 {
			where = report.Clean(l.Resource)
			if l.Seq > 0 {
				where = fmt.Sprintf("#%d %s", l.Seq, where)
			}
			if l.Name != "" {
				where += " " + report.Clean(qualified(l.Namespace, l.Name))
			}
			if l.Path != "" {
				where += " " + report.Clean(l.Path)
			}
		}
		more := ""
		if l.Events > 1 {
			more = fmt.Sprintf(" (in %d events)", l.Events)
		}
		fmt.Fprintf(w, "  %s: %s %s%s\n", where, l.What, l.Token, more)
	}
	return w.Flush()
}

func qualified(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}
