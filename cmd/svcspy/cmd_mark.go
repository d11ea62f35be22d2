package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

type markOptions struct {
	*look
	author string
	sign   string // file of the private key
}

func (a *app) markCommand() *cobra.Command {
	o := &markOptions{look: &look{app: a}}
	cmd := &cobra.Command{
		Use:   `mark FILE ["TEXT"]`,
		Short: "Remarks about moments of a recording",
		Long: `Mark writes a remark about a moment into a recording, beside the data: when it
was detected, what was tried, when somebody rolled back. It is shown on every
axis, and [ and ] go from one to the next in svcspy replay. What was recorded is
not changed, nor is its digest. Without a text it lists the marks there are.

While a recording is being written its recorder is asked to write the mark down,
within a second; without --at it is about now.

Neither seal nor signature of the recording covers a mark: reports say of one that
was made after sealing that it was. --sign signs the mark itself, together with the
digest of the recording, which must be sealed; svcspy verify --key counts the marks
that a key signed.

EXIT STATUS
  0 written or listed, 1 error, 2 wrong words or time.`,
		Example: `  svcspy mark incident.db --at 14:09 'rolled back'
  svcspy mark incident.db
  svcspy mark incident.db --at 14:05 --sign oncall.key 'alert fired'

  # and later
  svcspy replay incident.db --at '@rolled back'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return usageError{errors.New("mark takes a recording and one text"), a.name + ` mark FILE --at T "rolled back"`}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return o.list(args[0], cmd.Flags().Changed("at"))
			}
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			o.ctx = ctx
			return o.add(args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.at, "at", "", "the moment it is about, such as 14:09 or '#812' (default: the end)")
	flags.StringVar(&o.author, "author", os.Getenv("USER"), "who says so")
	flags.StringVar(&o.sign, "sign", "", "sign the mark with this ed25519 private key: a PEM file")
	flags.BoolVar(&o.noHeaders, "no-headers", false, "list marks without the names of the columns")
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *markOptions) add(file, text string) error {
	m := store.Mark{Written: o.now().UTC().Truncate(time.Millisecond), Author: o.author, Text: strings.TrimSpace(text)}
	if err := flight.CheckMark(m); err != nil {
		return err
	}
	var key ed25519.PrivateKey
	if o.sign != "" {
		var err error
		if key, err = privateKey(o.sign); err != nil {
			return err
		}
	}
	r, err := openRecording(file)
	if err != nil {
		return err
	}
	defer r.Close()
	o.warnOfDamage(file, r)
	var at when.Instant
	if o.at != "" {
		if at, err = o.when(r, o.at, time.Time{}); err != nil {
			return err
		}
	}
	zone, err := o.zone()
	if err != nil {
		return err
	}
	m.Time = at.Time.UTC()
	if key != nil {
		if err := signMark(&m, key, r.Info()); err != nil {
			return err
		}
	}
	if at.Time, err = writeMark(o.ctx, file, m, r.Info().End); err != nil {
		return err
	}
	o.note("marked %s", when.Echo(at, zone))
	if o.output == "text" {
		_, err := fmt.Fprintf(o.out, "%s  %s\n", when.Format(at.Time), report.Clean(m.Text))
		return err
	}
	return o.list(file, false)
}

// signMark signs a mark about the time it says, or about the end.
func signMark(m *store.Mark, key ed25519.PrivateKey, info store.Info) error {
	if info.SHA256 == "" {
		return usageError{errors.New("the recording is not sealed: the signature of a mark covers the digest of its recording"), "stop its recorder, or make a sealed copy with svcspy compact"}
	}
	if m.Time.IsZero() {
		m.Time = info.End
	}
	m.Sign(key, info.SHA256)
	return nil
}

// writeMark writes a mark into a recording, or has its recorder do so, and
// returns the time it is about: if it has none, the end of the recording, which is
// now where it is still written.
func writeMark(ctx context.Context, file string, m store.Mark, end time.Time) (time.Time, error) {
	ended := m
	if m.Time.IsZero() {
		ended.Time = end
	}
	err := store.AddMark(file, ended)
	if !errors.Is(err, store.ErrInUse) {
		return ended.Time, err
	}
	switch is, asked := flight.Ask(ctx, file, flight.Request{Verb: flight.Mark, Mark: &m}); {
	case errors.Is(asked, flight.ErrNoRecorder):
		// Nobody records it who would answer: it may have ended just now.
		if again := store.AddMark(file, ended); !errors.Is(again, store.ErrInUse) {
			return ended.Time, again
		}
		return m.Time, fmt.Errorf("%w, and %w", err, flight.ErrNoRecorder)
	case asked != nil:
		return m.Time, fmt.Errorf("mark %s: %w", file, asked)
	default:
		return is.Time, nil
	}
}

func (o *markOptions) list(file string, at bool) error {
	if at {
		return usageError{errors.New("--at says which moment a mark is about, and there is no text"), o.name + ` mark FILE --at T "rolled back"`}
	}
	r, err := openRecording(file)
	if err != nil {
		return err
	}
	defer r.Close()
	o.warnOfDamage(file, r)
	marks, err := r.Marks()
	if err != nil {
		return err
	}
	l := report.NewMarkList(r.Info(), marks)
	if o.output == "text" {
		text := o.text()
		text.NoHeaders = o.noHeaders
		return report.MarkListText(o.out, l, text)
	}
	return report.Document(o.out, o.output, l)
}
