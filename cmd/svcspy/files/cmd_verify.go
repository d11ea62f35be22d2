package files

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// VerifyResult is what verify found, as data.
type VerifyResult struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"` // VerifyResult
	Recording  report.Recording `json:"recording"`
	Intact     bool             `json:"intact"`
	Signer     string           `json:"signer,omitempty"` // ed25519 public key in hex
	// Proof is what shows that nobody changed it: "none" of a recording that was
	// never sealed, "digest" if who made it is not shown, "signature" by a key
	// that nobody vouches for, "key" by the key that was asked for.
	Proof      string `json:"proof"`
	Marks      int    `json:"marks"`      // which neither digest nor signature covers
	MarksLater int    `json:"marksLater"` // of them, written after the recording ended
	// MarksSigned is how many marks carry a signature of their own that matches: by
	// the key that was asked for, or by any key.
	MarksSigned int      `json:"marksSigned"`
	Damage      []string `json:"damage"`
}

// VerifyCommand returns the command verify.
func VerifyCommand(a *cli.App) *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a recording is as it was written",
		Long: `Verify reads all of a recording and checks every page, block and event, and of a
sealed one the digest and the signature. It names the damage and the affected
times and objects; undamaged parts can still be replayed.

A digest proves that a recording is complete and undamaged. It does not prove who
made it: whoever changes a file can also compute its digest. That is proven only
by a signature (svcspy record --sign), checked with --key, or by the digest as it
was noted elsewhere when the recording was made. Marks are outside both; a mark may
have a signature of its own (svcspy mark --sign).

With --key the recording must be signed by that ed25519 key (PEM, public or
private), and verify says how many marks that key signed.

EXIT STATUS
  0 intact, 1 it could not be verified, 2 wrong words, 3 damaged or not signed by
  that key.`,
		Example: `  svcspy verify incident.db
  svcspy verify incident.db --key recorder.pub`,
		Args: cli.OneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return verifyFile(a, args[0], keyFile) },
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "the key that must have signed it: a PEM file")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func verifyFile(a *cli.App, path, keyFile string) error {
	var key ed25519.PublicKey
	if keyFile != "" {
		var err error
		if key, err = cli.PublicKey(keyFile); err != nil {
			return err
		}
	}
	r, err := a.OpenRecording(path)
	if err != nil {
		return err
	}
	defer r.Close()
	v, err := r.Verify()
	if err != nil {
		return err
	}
	result := VerifyResult{
		APIVersion: report.APIVersion, Kind: "VerifyResult", Recording: report.RecordingOf(v.Info),
		Proof: proofOf(v, key), Marks: v.Marks, MarksLater: v.MarksLater, Damage: []string{},
	}
	if v.Signer != nil {
		result.Signer = hex.EncodeToString(v.Signer)
	}
	for _, signer := range v.MarkSigners {
		if key == nil || key.Equal(signer) {
			result.MarksSigned++
		}
	}
	for _, d := range v.Damage {
		result.Damage = append(result.Damage, d.Error())
	}
	switch {
	case key == nil:
	case v.Signer == nil:
		result.Damage = append(result.Damage, "it is not signed")
	case !key.Equal(v.Signer):
		result.Damage = append(result.Damage, "it is signed by another key: "+result.Signer)
	}
	result.Intact = len(result.Damage) == 0
	if err := printVerification(a, path, result, key != nil); err != nil {
		return err
	}
	if !result.Intact {
		return cli.ErrDamaged
	}
	return nil
}

// proofOf is verifyResult.Proof.
func proofOf(v store.Verification, key ed25519.PublicKey) string {
	switch {
	case v.Info.SHA256 == "" || len(v.Damage) > 0:
		return "none"
	case v.Signer == nil:
		return "digest"
	case key == nil || !key.Equal(v.Signer):
		return "signature"
	}
	return "key"
}

// proofText says what each proof means.
var proofText = map[string]string{
	"digest":    "not signed: the digest shows that it is complete and undamaged, not who made it; compare it with the one noted elsewhere",
	"signature": "whose key signed it was not checked: svcspy verify --key does",
	"key":       "signed by the given key: nobody without it can have changed what was recorded",
}

func (r *VerifyResult) marksText(asked bool) string {
	if r.Marks == 0 {
		return ""
	}
	text := fmt.Sprintf("%d marks", r.Marks)
	if r.Marks == 1 {
		text = "1 mark"
	}
	text += ", not covered by digest or signature"
	if r.MarksLater > 0 {
		text += fmt.Sprintf("; %d written after the recording ended", r.MarksLater)
	}
	switch {
	case asked:
		text += fmt.Sprintf("; %d signed by the given key", r.MarksSigned)
	case r.MarksSigned > 0:
		text += fmt.Sprintf("; %d signed, by keys that were not checked", r.MarksSigned)
	}
	return text
}

func printVerification(a *cli.App, path string, r VerifyResult, asked bool) error {
	if a.Output != "text" {
		return report.Document(a.Out, a.Output, r)
	}
	for _, d := range r.Damage {
		if _, err := fmt.Fprintf(a.Out, "damaged: %s\n", report.Clean(d)); err != nil {
			return err
		}
	}
	if !r.Intact {
		return nil
	}
	seal := "sealed, sha256 " + r.Recording.SHA256
	if !r.Recording.Closed {
		seal = "never sealed: all of it is readable, whether more was heard cannot be known"
	}
	if r.Signer != "" {
		seal += ", signed by " + r.Signer
	}
	if _, err := fmt.Fprintf(a.Out, "%s is intact: %s to %s, %s\n", report.Clean(bucket.PublicAddress(path)), when.Format(r.Recording.Start), when.Format(r.Recording.End), seal); err != nil {
		return err
	}
	for _, note := range []string{proofText[r.Proof], r.marksText(asked)} {
		if note == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.Out, "  %s\n", note); err != nil {
			return err
		}
	}
	return nil
}
