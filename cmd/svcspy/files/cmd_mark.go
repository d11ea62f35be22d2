package files

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

type markOptions struct {
	*cli.Query
	author string
	sign   string // file of the private key
}

// MarkCommand returns the command mark.
func MarkCommand(a *cli.App) *cobra.Command {
	o := &markOptions{Query: &cli.Query{App: a}}
	cmd := &cobra.Command{
		Use:   `mark FILE ["TEXT"]`,
		Short: "Annotate instants of a recording",
		Long: `Mark adds a remark about a moment to a recording: when the outage was detected,
what was tried, when somebody rolled back. Every time axis shows marks, and [
and ] in svcspy replay jump between them. A mark changes neither the recorded
data nor the digest. Without a text, mark lists the marks.

While a recording is being written, mark asks its recorder to add the mark,
which takes up to a second; the default for --at is then now.

Neither the seal nor the signature of the recording covers marks; reports say
which marks were made after sealing. --sign signs the mark itself, together with
the digest of the recording, which must be sealed; svcspy verify --key counts
the marks that a key signed.

EXIT STATUS
  0 written or listed, 1 error, 2 wrong words or time.`,
		Example: `  svcspy mark incident.db --at 14:09 'rolled back'
  svcspy mark incident.db
  svcspy mark incident.db --at 14:05 --sign oncall.key 'alert fired'

  # and later
  svcspy replay incident.db --at '@rolled back'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return cli.Usage(errors.New("mark takes a recording and one text"), a.Name+` mark FILE --at T "rolled back"`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return o.list(args[0], cmd.Flags().Changed("at"))
			}
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			o.Ctx = ctx
			return o.add(args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.At, "at", "", "the moment it is about, such as 14:09 or '#812' (default: the end)")
	flags.StringVar(&o.author, "author", os.Getenv("USER"), "who says so")
	flags.StringVar(&o.sign, "sign", "", "sign the mark with this ed25519 private key: a PEM file")
	flags.BoolVar(&o.NoHeaders, "no-headers", false, "list marks without the names of the columns")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *markOptions) add(file, text string) error {
	m := store.Mark{Written: o.Now().UTC().Truncate(time.Millisecond), Author: o.author, Text: strings.TrimSpace(text)}
	if err := flight.CheckMark(m); err != nil {
		return err
	}
	var key ed25519.PrivateKey
	if o.sign != "" {
		var err error
		if key, err = cli.PrivateKey(o.sign); err != nil {
			return err
		}
	}
	file, err := cli.LocalFile(file, "a mark is written into the file")
	if err != nil {
		return err
	}
	r, err := o.OpenRecording(file)
	if err != nil {
		return err
	}
	defer r.Close()
	o.WarnOfDamage(file, r)
	var at when.Instant
	if o.At != "" {
		if at, err = o.When(r, o.At, time.Time{}); err != nil {
			return err
		}
	}
	zone, err := o.Zone()
	if err != nil {
		return err
	}
	m.Time = at.Time.UTC()
	if key != nil {
		if err := signMark(&m, key, r.Info()); err != nil {
			return err
		}
	}
	if at.Time, err = cli.WriteMark(o.Ctx, file, m, r.Info().End); err != nil {
		return err
	}
	o.Note("marked %s", when.Echo(at, zone))
	if o.Output == "text" {
		_, err := fmt.Fprintf(o.Out, "%s  %s\n", when.Format(at.Time), report.Clean(m.Text))
		return err
	}
	return o.list(file, false)
}

// signMark signs a mark about the time it says, or about the end.
func signMark(m *store.Mark, key ed25519.PrivateKey, info store.Info) error {
	if info.SHA256 == "" {
		return cli.Usage(errors.New("the recording is not sealed: the signature of a mark covers the digest of its recording"), "stop its recorder, or make a sealed copy with svcspy compact")
	}
	if m.Time.IsZero() {
		m.Time = info.End
	}
	m.Sign(key, info.SHA256)
	return nil
}

func (o *markOptions) list(file string, at bool) error {
	if at {
		return cli.Usage(errors.New("--at says which moment a mark is about, and there is no text"), o.Name+` mark FILE --at T "rolled back"`)
	}
	r, err := o.OpenRecording(file)
	if err != nil {
		return err
	}
	defer r.Close()
	o.WarnOfDamage(file, r)
	marks, err := r.Marks()
	if err != nil {
		return err
	}
	l := report.NewMarkList(r.Info(), marks)
	if o.Output == "text" {
		text := o.Text()
		text.NoHeaders = o.NoHeaders
		return report.MarkListText(o.Out, l, text)
	}
	return report.Document(o.Out, o.Output, l)
}
