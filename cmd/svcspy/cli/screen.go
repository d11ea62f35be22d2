package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/tui"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// OnScreen reports whether text was asked for and there is a terminal to look
// at and to type on.
func (l *Query) OnScreen() bool {
	return (l.Output == "text" || l.Output == "") && !l.ExitCode && l.Options == (analyzer.Options{}) && IsTerminal(l.In) && IsTerminal(l.Out) && os.Getenv("TERM") != "dumb"
}

// Screen shows a recording on the whole terminal: at --at, or at the first incident,
// or where the recorder had first seen everything. Without words it lists all
// Services.
func (l *Query) Screen(ctx context.Context, file string, words []string) error {
	r, err := l.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	options, err := l.ScreenOptions(ctx, r, file)
	if err != nil {
		return err
	}
	if options.At, err = l.OpeningState(r); err != nil {
		return err
	}
	if len(words) > 0 {
		if options.Subject, err = l.Subject(r, words, options.At.Seq()); err != nil {
			return err
		}
	}
	return tui.Run(ctx, options)
}

// OpeningState is where the screen opens: at --at, at the first incident, or where the
// recorder had first seen everything.
func (l *Query) OpeningState(t replay.Timeline) (*replay.State, error) {
	if l.At == "" {
		var err error
		if l.At, err = l.OpeningInstant(t); err != nil {
			return nil, err
		}
	}
	if l.At == "" {
		return tui.Opening(t)
	}
	return l.state(t, l.At)
}

// ScreenOptions are those that do not depend on what is looked at.
func (l *Query) ScreenOptions(ctx context.Context, r *store.Recording, file string) (tui.Options, error) {
	text := l.Text()
	marks, err := r.Marks()
	options := tui.Options{
		Zone: text.Zone, ASCII: text.ASCII, Plain: !text.Color, Now: l.Now, Speed: l.Speed, File: file,
		Marks: marks, Author: Author(), AddMark: func(m store.Mark) error {
			ctx, cancel := context.WithTimeout(ctx, ScreenPatience)
			defer cancel()
			_, err := WriteMark(ctx, LocalPath(file), m, m.Time)
			return err
		},
		Command: func(subject store.Ref, at time.Time) string { return l.CommandLine(file, subject, at) },
		Save:    saveText,
	}
	if bucket.IsAddress(file) {
		options.AddMark = func(store.Mark) error { return errors.New("an object is only read") }
	}
	return options, err
}

// ScreenPatience is how long the screen stands still for a recorder that is
// asked to write a mark.
const ScreenPatience = 2 * time.Second

// Author is who makes marks, as far as the environment tells.
func Author() string {
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// CommandLine is what shows the subject of a recording at an instant.
func (l *Query) CommandLine(file string, subject store.Ref, at time.Time) string {
	words := append(l.Program(), "replay", file)
	if subject.Name != "" {
		words = append(words, resourceName(subject.Resource.Resource, subject.Resource.Group)+"/"+subject.Name)
	}
	if subject.Namespace != "" {
		words = append(words, "-n", subject.Namespace)
	}
	return command.New(append(words, "--at", when.Format(at))...).String()
}

// Program is the words with which svcspy was called: one, or two as a plugin.
func (a *App) Program() []string { return strings.Fields(a.Name) }

// saveText writes a new file in the current folder.
func saveText(name string, text []byte) (string, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return name, nil
}
