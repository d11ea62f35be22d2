package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/expect"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// Exit codes. Scripts rely on them: see the exit-codes topic.
const (
	ExitOK          = 0
	ExitError       = 1
	ExitUsage       = 2
	ExitTrue        = 3
	ExitGap         = 4
	ExitInterrupted = 130
)

const ExitCodesHelp = `Every svcspy command ends with one of these codes:

  0    done; the answer is printed
  1    error: nothing was answered, stderr says why
  2    usage: wrong flags or words, or a time that is ambiguous or outside the recording
  3    the condition asked about is true (--exit-code: the subject is not serving; verify: it is damaged;
       scan: something looks like a secret; assert: an expectation failed)
  4    answered, but at that time the recording has a gap or damage, or had not begun;
       record: sealed, but for some time conditions could not be followed;
       mark, compact, share, cut, join: refused, because the recording is damaged
  130  interrupted before the work was done; a second interrupt ends any command at once

diff ends as kubectl diff does: 0 nothing is different, 1 something is, 2 or more
an error. shell ends with the status of the shell or the command it ran.`

// ErrCondition is returned when --exit-code was given and the subject does not
// serve; the report has been printed.
var ErrCondition = errors.New("not serving")

// ErrGap is returned after an answer that rests on evidence with a gap.
var ErrGap = errors.New("the recording has a gap at that time")

// ExitCode is the one place that maps errors to exit codes.
func ExitCode(err error) int {
	var usage usageError
	var subject *replay.SubjectError
	var when *when.Error
	var child Exited
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &child):
		return child.Code
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	case errors.Is(err, ErrCondition), errors.Is(err, ErrDamaged), errors.Is(err, ErrLeak), errors.Is(err, ErrShare), errors.Is(err, ErrExpectation):
		return ExitTrue
	case errors.Is(err, ErrGap), errors.Is(err, store.ErrDamaged):
		return ExitGap
	case errors.As(err, &usage), errors.As(err, new(*flight.UsageError)), errors.As(err, new(*expect.SyntaxError)), errors.As(err, &when) && when.Err == nil:
		return ExitUsage
	case errors.As(err, &subject) && subject.Usage:
		return ExitUsage
	}
	return ExitError
}

// PrintError prints `svcspy: error: ...` and at most two hints to stderr, and
// with -o json an Error document to stdout. Answers that carry a code print
// nothing more.
func (a *App) PrintError(err error) {
	silent := []error{ErrCondition, ErrDamaged, ErrGap, ErrDifferent, ErrLeak, ErrExpectation}
	if err == nil || errors.As(err, new(Exited)) || slices.ContainsFunc(silent, func(e error) bool { return errors.Is(err, e) }) {
		return
	}
	hints := HintsFor(err)
	// Joined errors have a line each.
	message := strings.ReplaceAll(err.Error(), "\n", "; ")
	fmt.Fprintf(a.Err, "svcspy: error: %s\n", report.Clean(message))
	for i, h := range hints {
		hints[i] = a.called(h)
		fmt.Fprintf(a.Err, "svcspy: hint: %s\n", report.Clean(hints[i]))
	}
	if a.Output != "json" && a.Output != "yaml" && a.Output != "jsonl" {
		return
	}
	doc := ErrorDocument{APIVersion: report.APIVersion, Kind: "Error", Code: ExitCode(err), Message: message, Hints: hints}
	if werr := report.Document(a.Out, a.Output, doc); werr != nil {
		fmt.Fprintf(a.Err, "svcspy: error: %v\n", werr)
	}
}

type ErrorDocument struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Code       int      `json:"code"`
	Message    string   `json:"message"`
	Hints      []string `json:"hints,omitempty"`
}

// HintsFor says what to do next, at most twice.
func HintsFor(err error) []string {
	var usage usageError
	var hinted hintedError
	var text *flight.UsageError
	var sentence *expect.SyntaxError
	var subject *replay.SubjectError
	var when *when.Error
	var network *net.OpError
	var request *url.Error
	var syntax *json.SyntaxError
	hint := ""
	switch {
	case errors.As(err, &usage):
		hint = usage.hint
	case errors.As(err, &hinted):
		hint = hinted.hint
	case errors.As(err, &sentence):
		hint = sentence.Hint
	case errors.As(err, &text):
		hint = text.Hint
	case errors.As(err, &subject):
		hint = subject.Hint
	case errors.As(err, &when):
		hint = when.Hint
	case errors.Is(err, flight.ErrNoRecorder):
		hint = "the recorder must be a svcspy that can write beside the file; mark it when it has ended"
	case errors.Is(err, store.ErrInUse):
		hint = "`svcspy record` is writing it; try again when that has ended, or use `svcspy trace` on the live cluster"
	case errors.Is(err, ErrUnsealed):
		hint = "the file has every event but those of the last second; `svcspy compact FILE NEW` makes it as small as a sealed one"
	case errors.Is(err, ErrShare):
		hint = "the finding is printed above; --policy strict replaces more, --force leaves the file in place"
	case errors.Is(err, store.ErrVersion):
		hint = "this recording needs a newer svcspy"
	case errors.Is(err, store.ErrNotRecording):
		hint = "svcspy reads files written by `svcspy record`; try `svcspy demo`"
	case errors.Is(err, store.ErrFull):
		hint = "the file has every event until then; --max-size sets the limit, --ring retains only the last minutes"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), strings.Contains(err.Error(), syscall.EFBIG.Error()):
		hint = "the file has every event until then; free some space, then `svcspy compact FILE NEW` seals a copy"
	case errors.Is(err, fs.ErrExist):
		hint = "recordings are never overwritten; give another name"
	case errors.Is(err, fs.ErrNotExist):
		hint = "check the path"
	case errors.Is(err, fs.ErrPermission):
		hint = "recordings are private to the user who made them (mode 0600)"
	case errors.Is(err, errNoCluster):
		hint = "set KUBECONFIG, --kubeconfig or --server; without a cluster, try `svcspy demo`"
	case apierrors.IsUnauthorized(err):
		hint = "the API server does not accept these credentials; check with `kubectl auth whoami`"
	case errors.Is(err, recorder.ErrForbidden), apierrors.IsForbidden(err):
		hint = "`svcspy record --print-rbac` prints the rights it needs; -n NAMESPACE records one namespace"
	case errors.As(err, &network), errors.As(err, &request), strings.Contains(err.Error(), "connection refused"):
		hint = "the API server does not answer; check with `kubectl cluster-info` or choose another --context"
	case errors.As(err, &syntax):
		hint = "the server did not answer as a Kubernetes API server"
	}
	if hint == "" {
		return nil
	}
	return strings.SplitN(hint, "\n", 2)
}

func (a *App) ExitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: ExitCodesHelp}
}

// openFile opens a file with an error that says which.
func openFile(path string) (*store.Recording, error) {
	if err := Readable(path); err != nil {
		return nil, err
	}
	r, err := store.Open(path)
	if errors.Is(err, store.ErrNotRecording) {
		if what, hint := foreignFile(path, err); what != "" {
			return nil, hintedError{fmt.Errorf("open recording %s: %w: %s", path, store.ErrNotRecording, what), hint}
		}
	}
	var file *fs.PathError
	if errors.As(err, &file) {
		return nil, file // says it all
	}
	return r, err
}

// hintedError is an error with a hint of its own.
type hintedError struct {
	error
	hint string
}

// Hinted returns err with a hint.
func Hinted(err error, hint string) error { return hintedError{err, hint} }

func (e hintedError) Unwrap() error { return e.error }

// foreignFile says what a file is that is no recording, and what to do about it; ""
// where that is not known.
func foreignFile(path string, cause error) (what, hint string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	quoted := command.New(path).String()
	switch {
	case n == 0:
		return "it is empty", "the copy or the recording was interrupted before anything was written; copy it again"
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "it is compressed with gzip", "decompress it first: gzip -dk " + quoted
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "it is compressed with zstd", "decompress it first: zstd -d " + quoted
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X'}):
		return "it is compressed with xz", "decompress it first: xz -dk " + quoted
	case bytes.HasPrefix(head, []byte("PK")):
		return "it is a zip archive", "unpack it first"
	case errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrUnexpectedEOF) || strings.Contains(cause.Error(), "EOF"):
		return "it is truncated", "the file is shorter than it says; copy it again"
	}
	return "", ""
}

// Readable refuses what cannot be a recording: a folder, and a pipe, for which
// one would wait.
func Readable(path string) error {
	switch st, err := os.Stat(path); {
	case err != nil: // whoever opens it says so
	case st.IsDir():
		return Usage(fmt.Errorf("open %s: it is a folder, not a recording", path), "")
	case !st.Mode().IsRegular():
		return Usage(fmt.Errorf("open %s: it is not a regular file", path), "recordings need random access; save it to a file first")
	}
	return nil
}

// WarnOfDamage says that a recording is not as it was written. Whatever is
// answered from it then ends with the code for that. It also says that one is
// not redacted.
func (a *App) WarnOfDamage(path string, r *store.Recording) {
	path = bucket.PublicAddress(path)
	if r.Info().Redaction.Policy == "none" {
		a.Warn("%s was recorded with --no-redact and may hold secrets; `%s share` makes one to give away", report.Clean(path), a.Name)
	}
	if err := r.Damage(); err != nil {
		a.Damaged = true
		a.Warn("%s is damaged, and what follows rests on what could be read; `%s verify` says what that is", report.Clean(path), a.Name)
	}
}

// ErrDifferent is returned after a diff that found something, as kubectl diff
// does; it is no failure.
var ErrDifferent = errors.New("the two instants differ")

// ErrExpectation is returned when an expectation failed; it has been printed.
var ErrExpectation = errors.New("an expectation failed")

// ErrLeak is returned when a scan found something; it has been printed.
var ErrLeak = errors.New("something looks like a secret")

// ErrShare is returned where what would be given away still has a secret in it.
var ErrShare = errors.New("the new recording still has something in it that looks like a secret, and was removed")

// ErrDamaged is returned after verify has printed what is wrong.
var ErrDamaged = errors.New("damaged")

// Exited is a child process that ended with a status of its own.
type Exited struct{ Code int }

func (e Exited) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// ErrUnsealed is returned when record was interrupted twice.
var ErrUnsealed = fmt.Errorf("%w before the recording was sealed", ErrInterrupted)

// Writable refuses a path that cannot become a recording before the cluster is
// bothered. "" is a new name in the current folder.
func Writable(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	_, err := os.Stat(filepath.Dir(path))
	return err
}

// Interrupted returns what an error means when ctrl-C was pressed.
func Interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

var ErrInterrupted = errors.New("interrupted")
