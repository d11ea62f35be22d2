package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/svcspy/svcspy/store"
)

// A request is for the recorder that writes a recording. It is a file beside
// that: whoever asks makes it, the recorder replaces its content by an answer,
// and whoever asked removes it. So no process has to be found, and none is waited
// for in vain.
type request struct {
	Verb string      `json:"verb"`
	Mark *store.Mark `json:"mark,omitempty"` // without a time it is about now
}

const (
	verbKeep = "keep"
	verbMark = "mark"
)

// answer is what the recorder says to a request.
type answer struct {
	Answered bool      `json:"answered"` // tells it from a request
	Path     string    `json:"path,omitempty"`
	Remark   string    `json:"remark,omitempty"`
	Time     time.Time `json:"time,omitzero"` // that the mark is about
	Error    string    `json:"error,omitempty"`
}

const (
	requestEvery   = 500 * time.Millisecond // how often the recorder looks
	largestRequest = 64 << 10
)

// requestPatience is how long an answer is waited for.
var requestPatience = 10 * time.Second

func requestPath(recording string) string { return recording + ".request" }

// errNoAnswer is returned when nobody takes a request.
var errNoAnswer = errors.New("its recorder does not answer")

// abandoned reports whether nobody writes a recording any more.
func abandoned(ctx context.Context, r *store.Recording) bool {
	done, cancel := context.WithCancel(ctx)
	cancel()
	return errors.Is(r.Wait(done, r.Info().Last), io.EOF)
}

// ask leaves a request for the recorder of a recording and returns its answer.
func ask(ctx context.Context, recording string, q request) (answer, error) {
	path := requestPath(recording)
	text, err := json.Marshal(q)
	if err != nil {
		return answer{}, err
	}
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
			if made, err = leave(path, text); err != nil {
				return answer{}, err
			}
		} else if is, err := answerIn(path); err != nil || is.Answered {
			if is.Error != "" {
				err = errors.New(is.Error)
			}
			return is, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return answer{}, errNoAnswer
			}
			return answer{}, errInterrupted
		}
	}
}

// leave makes the file, at once with its content. While there is somebody
// else's, that is answered first.
func leave(path string, text []byte) (made bool, err error) {
	tmp, err := writeBeside(path, text)
	if err != nil {
		return false, err
	}
	err = os.Link(tmp, path)
	made = err == nil
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return made, errors.Join(err, os.Remove(tmp))
}

func answerIn(path string) (answer, error) {
	var is answer
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &is)
	}
	return is, err
}

// answerRequests answers requests for the recording until ctx is done. It also
// takes away an answer that nobody came for.
func answerRequests(ctx context.Context, recording string, reply func(request) answer) error {
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
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("read request: %w", err)
		case !st.Mode().IsRegular() || st.Size() > largestRequest:
			return fmt.Errorf("read request: %s is none", path)
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // whoever asked has waited too long
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if is := (answer{}); json.Unmarshal(text, &is) == nil && is.Answered {
			if time.Since(answered) > requestPatience {
				os.Remove(path)
			}
			continue
		}
		is := answer{Error: "that is no request"}
		if q := (request{}); json.Unmarshal(text, &q) == nil {
			is = reply(q)
		}
		is.Answered = true
		if text, err = json.Marshal(is); err == nil {
			err = replaceFile(path, text)
		}
		if err != nil {
			return fmt.Errorf("answer request: %w", err)
		}
		answered = time.Now()
	}
}

// replaceFile gives a file a new content at once.
func replaceFile(path string, content []byte) error {
	tmp, err := writeBeside(path, content)
	if err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// writeBeside writes a file that is to take the place of another.
func writeBeside(path string, content []byte) (tmp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
