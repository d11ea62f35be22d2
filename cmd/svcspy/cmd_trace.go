package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/flight"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

type traceOptions struct {
	cli.Query
	cli.Cluster
	file    string
	leading bool // the file is the first word
	watch   bool
}

func traceCommand(a *cli.App) *cobra.Command {
	o := &traceOptions{Query: cli.Query{App: a}}
	cmd := &cobra.Command{
		Use:   "trace TYPE/NAME",
		Short: "Explain why a Service gets no traffic, live or from a recording",
		Long: `Trace answers, for a Service in the cluster or in a recording (-f): does it get
traffic, and if not, why? One cause first, then the evidence, then kubespy's
checklist step by step, and what could not be decided.

Against a cluster it lists and watches, in memory, the objects that decide about
the subject, as ` + "`record TYPE/NAME`" + ` does; the same analyzer sees the same
timeline. With -w it continues: when the answer changes, it appends the time,
what is new, and what was written in the cluster in between. With -o jsonl it
prints each answer in full. A subject that does not exist is an error, which -o
json prints in place of the report; with --exit-code it counts as not serving.

EXIT STATUS
  0 answered, 1 error, 2 wrong words or time, 3 not serving (with --exit-code),
  4 answered, but the recording has a gap at that time.`,
		Example: `  # why does nobody reach it?
  svcspy trace svc/web -n shop

  # as it happens
  svcspy trace svc/web -n shop -w

  # the same question to a recording
  svcspy trace svc/web -f incident.db --at 14:02`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.file == "" && len(args) > 1 && cli.IsFile(args[0]) {
				o.file, o.leading = args[0], true
				args = args[1:]
			}
			if len(args) == 0 || len(args) > 2 {
				return cli.Usage(errors.New("trace takes one subject"), "name it as TYPE/NAME, for example svc/web")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Check(); err != nil {
				return err
			}
			if o.leading {
				args = args[1:]
			}
			if o.file != "" {
				if o.watch {
					return cli.Usage(errors.New("-w watches the cluster and -f reads a recording"), "leave one of them out")
				}
				o.Query.Namespace = o.Overrides.Context.Namespace
				return runReplay(&o.Query, cmd.Context(), o.file, args)
			}
			if o.At != "" {
				return cli.Usage(errors.New("--at needs a recording"), "name it with -f")
			}
			return o.live(cmd.Context(), args)
		},
	}
	o.Query.AddFlags(cmd)
	o.Cluster.AddFlags(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "file", "f", "", "answer from this recording instead of a cluster")
	flags.BoolVarP(&o.watch, "watch", "w", false, "go on and print what is new whenever the answer changes")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// live records the subject's surroundings into memory and answers from there.
func (o *traceOptions) live(ctx context.Context, words []string) error {
	config, contextName, err := o.Config()
	if err != nil {
		return err
	}
	namespace, err := o.Cluster.Namespace()
	if err != nil {
		return err
	}
	ctx, over := o.Interruptible(ctx)
	defer over()
	references := flight.NewReferences()
	options := recorder.Options{
		Config: config, Profile: recorder.Standard, Redactor: redact.Standard(false), Now: o.Now, Follow: references.Targets,
	}
	limited, cancel, err := o.Limited(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	header, err := recorder.Prepare(limited, options)
	if err != nil {
		return err
	}
	header.Cluster.Context = contextName
	ref, err := replay.ParseSubject(words, namespace, header.Resources)
	if err != nil {
		return err
	}
	o.ClientIn(ref.Namespace)
	o.Live = true
	client, err := cli.NewAccess(config)
	if err != nil {
		return err
	}
	options.Subjects, options.Confined = []store.Ref{ref}, client.Forbidden(limited, "services")
	header.Scope = options.Scope()
	memory := store.NewMemory(header)
	if o.watch {
		memory.KeepWindow(traceWindow)
	}
	ready := make(chan struct{})
	options.Sink, options.Ready = memory, func() { close(ready) }
	recording, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- recorder.Run(recording, options)
	}()
	select {
	case <-ready:
	case err := <-ended:
		if err == nil {
			err = cli.ErrInterrupted
		}
		return err
	case <-ctx.Done():
		return errors.Join(cli.ErrInterrupted, <-ended)
	}
	err = o.follow(recording, memory, ref, references)
	stop()
	return errors.Join(err, <-ended)
}

// traceWindow is how much of the past -w holds in memory: as much as an answer
// looks back for what was changed before.
const traceWindow = 30 * time.Minute

// settle is how long -w waits after something happened before it answers: one
// write usually brings others within this time.
const settle = 200 * time.Millisecond

// follow prints the answer, and with -w each new one until interrupted.
func (o *traceOptions) follow(ctx context.Context, t replay.Timeline, ref store.Ref, references *flight.References) error {
	cursor := replay.NewCursor(t)
	var last string
	var before *replay.State
	for {
		s, r, err := o.diagnose(ctx, cursor, ref, references)
		if err != nil {
			return err
		}
		if before == nil {
			if err := o.KnowClient(s, ref); err != nil {
				return err
			}
		}
		if !o.watch {
			return o.once(s, ref, r)
		}
		if now := fingerprint(r); now != last {
			last = now
			if err := o.news(ctx, before, s, ref, r); err != nil && !errors.Is(err, cli.ErrCondition) && !errors.Is(err, cli.ErrGap) {
				return err
			}
			before = s
		}
		s.Cache().Age()
		if err := wait(ctx, t, s.Seq()); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// news prints an answer: the first in full, and of the others what is new. Each
// begins with its instant, so that a pasted piece still says when it was.
func (o *traceOptions) news(ctx context.Context, before, s *replay.State, subject store.Ref, r analyzer.Report) error {
	if o.Output != "text" {
		return o.Print(s, subject, r)
	}
	at := "=== " + when.Format(s.Instant().Truncate(time.Millisecond))
	if before == nil {
		fmt.Fprintln(o.Out, at)
		return o.Print(s, subject, r)
	}
	between, err := story.Diff(before, s, subject)
	if err != nil {
		return err
	}
	was, err := verdict.ReportAt(ctx, before, subject, o.Options)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	old, err := report.New(before, was)
	if err != nil {
		return err
	}
	e, err := report.New(s, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\n%s\n", at)
	return report.NewsText(o.Out, old, e, between, o.Text())
}

// diagnose answers for the present. Where the answer leads to something that is
// not listened to yet, it is given when that is known.
func (o *traceOptions) diagnose(ctx context.Context, cursor *replay.Cursor, ref store.Ref, references *flight.References) (*replay.State, analyzer.Report, error) {
	for {
		s, err := cursor.SeekTime(o.Now())
		if err != nil {
			return nil, analyzer.Report{}, err
		}
		view := &flight.View{State: s}
		r := analyzer.Diagnose(view, ref, o.Options)
		news := references.Follow(ctx, view)
		if len(news) == 0 {
			if err := verdict.Date(ctx, s, ref, &r); err != nil && ctx.Err() == nil {
				return s, r, err
			}
			return s, r, nil
		}
		if err := heardOf(ctx, s.Timeline(), news); err != nil {
			return nil, r, err
		}
	}
}

// heardOf waits until the targets are listened to or refused, for some seconds.
func heardOf(ctx context.Context, t replay.Timeline, targets []recorder.Target) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		last := t.Info().Last
		waiting := false
		for _, target := range targets {
			c, err := t.Coverage(target.Resource, target.Namespace, last)
			if err != nil {
				return err
			}
			waiting = waiting || c.Status == store.Listing || c.Status == store.NotRecorded && c.Reason == ""
		}
		if !waiting || ctx.Err() != nil {
			return nil
		}
		if err := t.Wait(ctx, last); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// wait returns when something new was heard and has settled, or after a second
// in any case: graces end without an event.
func wait(ctx context.Context, t replay.Timeline, after store.Seq) error {
	tick, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := t.Wait(tick, after)
	switch {
	case err == nil:
		select {
		case <-time.After(settle):
		case <-ctx.Done():
		}
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

// fingerprint is what makes an answer a new one: not its ages, not its evidence
// numbers.
func fingerprint(r analyzer.Report) string {
	key := fmt.Sprint(r.Verdict.State, r.Headline.ID, r.Headline.Message, r.Verdict.Classes)
	for _, s := range r.Checklist {
		key += s.Step + s.Result + s.Evidence
	}
	items := slices.Clone(r.Endpoints.Items)
	for _, e := range items {
		key += fmt.Sprint(e)
	}
	return key
}

// once prints the one answer. That there is no such subject is an error, so that a
// typo is not taken for an outage, unless --exit-code asks just whether it serves.
// As data there is one value: the report, or the error.
func (o *traceOptions) once(s *replay.State, ref store.Ref, r analyzer.Report) error {
	if o.ExitCode {
		return o.Print(s, ref, r)
	}
	absent := o.unseen(s.Timeline(), ref, r)
	if absent != nil && o.Output != "text" {
		return absent
	}
	return errors.Join(o.Print(s, ref, r), absent)
}

// unseen is an error where nothing by the name of the subject was found.
func (o *traceOptions) unseen(t replay.Timeline, ref store.Ref, r analyzer.Report) error {
	if r.Verdict.State != analyzer.Absent {
		return nil
	}
	return &replay.SubjectError{
		Problem: fmt.Sprintf("the cluster has no %s %q in namespace %s", ref.Resource.Resource, ref.Name, report.Clean(ref.Namespace)),
		Hint:    o.Names(t, ref, t.Info().Last),
	}
}
