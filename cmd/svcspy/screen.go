package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/replay/tui"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// onScreen reports whether text was asked for and there is a terminal to look
// at and to type on.
func (l *look) onScreen() bool {
	return (l.output == "text" || l.output == "") && !l.exitCode && l.options == (analyzer.Options{}) && isTerminal(l.in) && isTerminal(l.out) && os.Getenv("TERM") != "dumb"
}

// screen shows a recording on the whole terminal: at --at, or at the first incident,
// or where the recorder had first seen everything. Without words it lists all
// Services.
func (l *look) screen(ctx context.Context, file string, words []string) error {
	r, err := l.open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	options, err := l.screenOptions(ctx, r, file)
	if err != nil {
		return err
	}
	if l.at == "" {
		if l.at, err = l.openingInstant(r); err != nil {
			return err
		}
	}
	if l.at == "" {
		options.At, err = tui.Opening(r)
	} else {
		options.At, err = l.state(r, l.at)
	}
	if err != nil {
		return err
	}
	if len(words) > 0 {
		if options.Subject, err = l.subject(r, words, options.At.Seq()); err != nil {
			return err
		}
	}
	return tui.Run(ctx, options)
}

// screenOptions are those that do not depend on what is looked at.
func (l *look) screenOptions(ctx context.Context, r *store.Recording, file string) (tui.Options, error) {
	text := l.text()
	marks, err := r.Marks()
	return tui.Options{
		Zone: text.Zone, ASCII: text.ASCII, Plain: !text.Color, Now: l.now, Speed: l.speed, File: file,
		Marks: marks, Author: author(), AddMark: func(m store.Mark) error {
			ctx, cancel := context.WithTimeout(ctx, screenPatience)
			defer cancel()
			_, err := writeMark(ctx, file, m, m.Time)
			return err
		},
		Command: func(subject store.Ref, at time.Time) string { return l.commandLine(file, subject, at) },
		Save:    saveText,
	}, err
}

// screenPatience is how long the screen stands still for a recorder that is
// asked to write a mark.
const screenPatience = 2 * time.Second

// author is who makes marks, as far as the environment tells.
func author() string {
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// commandLine is what shows the subject of a recording at an instant.
func (l *look) commandLine(file string, subject store.Ref, at time.Time) string {
	words := append(l.program(), "replay", file)
	if subject.Name != "" {
		words = append(words, resourceName(subject.Resource.Resource, subject.Resource.Group)+"/"+subject.Name)
	}
	if subject.Namespace != "" {
		words = append(words, "-n", subject.Namespace)
	}
	return command.New(append(words, "--at", when.Format(at))...).String()
}

// program is the words with which svcspy was called: one, or two as a plugin.
func (a *app) program() []string { return strings.Fields(a.name) }

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
