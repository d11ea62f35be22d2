package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

func (a *app) infoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Say what a recording holds",
		Long: `Info prints the range of a recording, its cluster, its resources with counts and
sizes, when each was being listened to, what was redacted, how far the clocks of
the API server and the recorder were apart and when the latter was set, and the
digest. It reads no events but, if they are few, those of the first lists: they
tell how far back the time before the recording can be reconstructed. So it is
quick however large the file is.

EXIT STATUS
  0 printed, 1 error, 2 wrong words.`,
		Example: `  svcspy info incident.db
  svcspy info incident.db -o json`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.info(args[0]) },
	}
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// oneFile accepts exactly one recording.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{errors.New(cmd.Name() + " takes one recording"), cmd.CommandPath() + " --help shows examples"}
	}
	return nil
}

func (a *app) info(path string) error {
	info, err := a.infoOf(path)
	if err != nil {
		return err
	}
	if a.output == "text" {
		return report.InfoText(a.out, path, info, a.text())
	}
	return report.Document(a.out, a.output, info)
}

// quick is how many objects info reads to say how far back the past is known.
const quick = 5000

// knownPast says how far the time before the recording can be reconstructed, as
// far as that is quickly known.
func knownPast(r *store.Recording) (*report.KnownPast, error) {
	n, err := past.Count(r)
	if err != nil || n > quick {
		return &report.KnownPast{Objects: n}, err
	}
	facts, err := past.All(r)
	if err != nil {
		return nil, err
	}
	return report.KnownPastOf(n, facts, r.Info().Start), nil
}

// infoOf describes the recording in a file.
func (a *app) infoOf(path string) (report.RecordingInfo, error) {
	r, err := openRecording(path)
	if err != nil {
		return report.RecordingInfo{}, err
	}
	defer r.Close()
	a.warnOfDamage(path, r)
	st, err := os.Stat(path)
	if err != nil {
		return report.RecordingInfo{}, err
	}
	clocks, err := r.Clocks()
	if err != nil {
		return report.RecordingInfo{}, err
	}
	info, err := report.NewInfo(r, r.Kinds(), clocks, st.Size())
	if err == nil {
		info.Marks, err = r.Marks()
	}
	if err == nil {
		info.Past, err = knownPast(r)
	}
	return info, err
}
