package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
)

func (a *app) keepCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keep FILE",
		Short: "Have a flight recorder keep its window",
		Long: `Keep asks the ` + "`record --ring`" + ` that writes FILE to keep what it holds and what
follows for as long as its --keep-for says, and prints the path of the recording
that will hold it. The flight recorder goes on. It is what SIGUSR1 does, from
another shell, or from a container that shares the folder.

It leaves a request beside FILE, which the recorder takes within a second and
answers; without an answer it is taken back.

EXIT STATUS
  0 it is kept, 1 error (nobody records FILE, or it has ended), 2 wrong words.`,
		Example: `  svcspy record -f ring.db --ring 30m &
  svcspy keep ring.db`,
		Args: oneFile,
		RunE: func(cmd *cobra.Command, args []string) error { return a.keep(cmd.Context(), args[0]) },
	}
}

// A request is a file beside a recording that is being written: whoever asks
// makes it, the recorder replaces its content by an answer, and whoever asked
// removes it. So no process has to be found, and none is waited for in vain.
const (
	requestEvery    = 500 * time.Millisecond // how often the recorder looks
	requestPatience = 10 * time.Second       // how long an answer is waited for
)

var (
	requestText = []byte("keep\n")
	answerText  = []byte("answer\n") // then the path, and "\n" and a remark
)

func requestPath(recording string) string { return recording + ".keep" }

var (
	// errNoRecorder is returned when nobody writes a recording any more.
	errNoRecorder = errors.New("nobody records it; it ends where its recorder stopped writing")
	// errNoAnswer is returned when nobody takes a request.
	errNoAnswer = errors.New("its recorder does not answer")
)

func (a *app) keep(ctx context.Context, file string) error {
	r, err := openRecording(file)
	if err != nil {
		return err
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	last := r.Info().Last
	over := errors.Is(r.Wait(done, last), io.EOF) // whether somebody writes it
	closed := r.Info().Closed
	if err := r.Close(); err != nil {
		return err
	}
	switch {
	case closed:
		return fmt.Errorf("keep %s: the recording has ended; it is kept as it is", file)
	case over:
		return fmt.Errorf("keep %s: %w", file, errNoRecorder)
	}
	ctx, stop := a.interruptible(ctx)
	defer stop()
	answer, err := request(ctx, requestPath(file))
	if err != nil {
		return fmt.Errorf("keep %s: %w", file, err)
	}
	path, remark, _ := bytes.Cut(answer, []byte("\n"))
	a.note("%s", report.Clean(string(bytes.TrimSpace(remark))))
	_, err = fmt.Fprintln(a.out, report.Clean(string(path)))
	return err
}

// request leaves a request and returns the answer.
func request(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	made := false
	defer func() {
		if made {
			os.Remove(path)
		}
	}()
	for {
		if !made {
			// Somebody else's is answered first.
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			switch {
			case err == nil:
				made = true
				_, err = f.Write(requestText)
				if err = errors.Join(err, f.Close()); err != nil {
					return nil, err
				}
			case !errors.Is(err, fs.ErrExist):
				return nil, err
			}
		} else {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			if answer, ok := bytes.CutPrefix(text, answerText); ok {
				return answer, nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, errNoAnswer
			}
			return nil, errInterrupted
		}
	}
}

// answerRequests answers requests for the recording until ctx is done. It also
// takes away an answer that nobody came for.
func answerRequests(ctx context.Context, recording string, keep func(why string) (path string, remark string)) error {
	path := requestPath(recording)
	defer os.Remove(path)
	os.Remove(path) // of an earlier recorder
	var answered time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(requestEvery):
		}
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("read request: %w", err)
		case bytes.Equal(text, requestText):
			kept, remark := keep("asked for by svcspy keep")
			if err := replaceFile(path, fmt.Appendf(bytes.Clone(answerText), "%s\n%s\n", kept, remark)); err != nil {
				return fmt.Errorf("answer request: %w", err)
			}
			answered = time.Now()
		case bytes.HasPrefix(text, answerText) && time.Since(answered) > requestPatience:
			os.Remove(path)
		}
	}
}

// replaceFile gives a file a new content at once.
func replaceFile(path string, content []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// keptRemark says until when what follows is kept.
func keptRemark(until time.Time) string {
	return "what follows is kept until " + replay.FormatInstant(until.Truncate(time.Second))
}
