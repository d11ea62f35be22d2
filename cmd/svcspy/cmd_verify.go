package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// verifyResult is what verify found, as data.
type verifyResult struct {
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

func (a *app) verifyCommand() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a recording is as it was written",
		Long: `Verify reads all of a recording and checks every page, block and event, and of a
sealed one the digest and the signature. It names what is damaged and which times
and objects that affects; what is not damaged can still be replayed.

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
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.verify(args[0], keyFile) },
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "the key that must have signed it: a PEM file")
	a.addOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// errDamaged is returned after verify has printed what is wrong.
var errDamaged = errors.New("damaged")

func (a *app) verify(path, keyFile string) error {
	var key ed25519.PublicKey
	if keyFile != "" {
		var err error
		if key, err = publicKey(keyFile); err != nil {
			return err
		}
	}
	if err := readable(path); err != nil {
		return err
	}
	v, err := store.Verify(path)
	if err != nil {
		return err
	}
	result := verifyResult{
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
	if err := a.printVerification(path, result, key != nil); err != nil {
		return err
	}
	if !result.Intact {
		return errDamaged
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

func (r *verifyResult) marksText(asked bool) string {
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

func (a *app) printVerification(path string, r verifyResult, asked bool) error {
	if a.output != "text" {
		return report.Document(a.out, a.output, r)
	}
	for _, d := range r.Damage {
		if _, err := fmt.Fprintf(a.out, "damaged: %s\n", report.Clean(d)); err != nil {
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
	if _, err := fmt.Fprintf(a.out, "%s is intact: %s to %s, %s\n", report.Clean(path), when.Format(r.Recording.Start), when.Format(r.Recording.End), seal); err != nil {
		return err
	}
	for _, note := range []string{proofText[r.Proof], r.marksText(asked)} {
		if note == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.out, "  %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// privateKey reads an ed25519 key from a PKCS #8 PEM file, as `openssl genpkey
// -algorithm ed25519` writes it.
func privateKey(path string) (ed25519.PrivateKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := parsed.(ed25519.PrivateKey); ok && err == nil {
		return key, nil
	}
	return nil, usageError{fmt.Errorf("%s is no ed25519 private key", path), "openssl genpkey -algorithm ed25519 -out " + path}
}

// publicKey reads an ed25519 key from a PEM file that holds either half.
func publicKey(path string) (ed25519.PublicKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	if parsed, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		if key, ok := parsed.(ed25519.PublicKey); ok {
			return key, nil
		}
	}
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if key, ok := parsed.(ed25519.PrivateKey); ok {
			return key.Public().(ed25519.PublicKey), nil
		}
	}
	return nil, usageError{fmt.Errorf("%s is no ed25519 key", path), "openssl pkey -in KEY -pubout -out " + path}
}

func readPEM(path string) (*pem.Block, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, usageError{fmt.Errorf("%s is not a PEM file", path), "openssl genpkey -algorithm ed25519 writes one"}
	}
	return block, nil
}
