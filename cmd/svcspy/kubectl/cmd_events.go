package kubectl

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

type eventsOptions struct {
	cli.Range
	objects       bool
	reconstructed bool
}

// EventsCommand returns the command events.
func EventsCommand(a *cli.App) *cobra.Command {
	o := &eventsOptions{Range: cli.Range{Query: &cli.Query{App: a}}}
	cmd := &cobra.Command{
		Use:   "events FILE [TYPE/NAME]",
		Short: "The recorded events, in order",
		Long: `Events prints the recorded events, one a line: ADDED, MODIFIED and DELETED as
the API server sent them, RELIST and BOOKMARK around each list, and COVERAGE
where a watch began or was interrupted. (Kubernetes' own Events are a resource
like any other: svcspy get FILE events.) Every number can be used as an instant:
--at '#812'.

With --reconstructed it prints what happened before the recording, derived from
the objects that existed when it began: creation, writes and deletion requests,
condition transitions, starts and ends of containers, changes of each rollout,
and Kubernetes Events. Each line gives the uncertainty of its time and the event
it was read from. With TYPE/NAME it is limited to what can affect that object.

EXIT STATUS
  0 printed, 1 error, 2 wrong words or time.`,
		Example: `  # everything in ten seconds
  svcspy events incident.db --since 14:02:00 --until 14:02:10

  # all versions of one object
  svcspy events incident.db deploy/web --objects -o jsonl

  # what is known of the time before the recording, about one Service
  svcspy events incident.db svc/web --reconstructed`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 3 {
				return cli.Usage(errors.New("events takes a recording and at most one object"), a.Name+" events --help shows examples")
			}
			if o.objects && o.reconstructed {
				return cli.Usage(errors.New("--objects and --reconstructed cannot be used together"), "each fact names the event with its object: svcspy events FILE --objects")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0], args[1:]) },
	}
	o.AddFlags(cmd)
	cmd.Flags().BoolVar(&o.objects, "objects", false, "with the objects themselves (-o json, yaml or jsonl)")
	cmd.Flags().BoolVar(&o.reconstructed, "reconstructed", false, "what happened before the recording, reconstructed")
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

func (o *eventsOptions) run(ctx context.Context, file string, words []string) error {
	r, err := o.Open(ctx, file, words)
	if err != nil {
		return err
	}
	defer r.Close()
	if o.reconstructed {
		return o.facts(r)
	}
	first, last, err := o.Positions(r)
	if err != nil {
		return err
	}
	list := report.EventList{APIVersion: report.APIVersion, Kind: "EventList", Recording: report.RecordingOf(r.Info()), Items: []report.Event{}}
	out := bufio.NewWriter(o.Out)
	show := func(e report.Event) error {
		switch o.Output {
		case "text":
			return report.EventText(out, e, o.Text())
		case "jsonl":
			return report.Document(out, o.Output, report.EventLine{APIVersion: report.APIVersion, Kind: "Event", Event: e})
		}
		list.Items = append(list.Items, e)
		return nil
	}
	if len(words) > 0 {
		err = o.object(r, words, first, last, show)
	} else {
		err = o.everything(r, first, last, show)
	}
	if err != nil {
		return err
	}
	if o.Output == "json" || o.Output == "yaml" {
		err = report.Document(out, o.Output, list)
	}
	return errors.Join(err, out.Flush())
}

// facts shows what is known of the time before the recording.
func (o *eventsOptions) facts(r *store.Recording) error {
	o.Past = true
	if err := cli.NotEmpty(r); err != nil {
		return err
	}
	facts, err := o.Before(r)
	if err != nil {
		return err
	}
	from, to := when.Instant{}, when.Instant{Time: r.Info().End}
	if len(facts) > 0 {
		from.Time = facts[0].Time
	}
	if o.Since != "" {
		if from, err = o.When(r, o.Since, time.Time{}); err != nil {
			return err
		}
	}
	if o.Until != "" {
		if to, err = o.When(r, o.Until, from.Time); err != nil {
			return err
		}
	}
	facts = slices.DeleteFunc(slices.Clone(facts), func(f past.Fact) bool {
		return f.Time.Before(from.Time) || f.Time.After(to.Time) || o.Namespace != "" && len(o.Words) == 0 && f.Subject.Namespace != o.Namespace
	})
	list := report.NewFactList(r.Info(), facts)
	switch o.Output {
	case "text":
		return report.FactListText(o.Out, list, o.Text())
	case "jsonl":
		out := bufio.NewWriter(o.Out)
		for _, f := range facts {
			if err := report.Document(out, o.Output, report.NewFactLine(f)); err != nil {
				return err
			}
		}
		return out.Flush()
	}
	return report.Document(o.Out, o.Output, list)
}

// object shows all versions of one object.
func (o *eventsOptions) object(r *store.Recording, words []string, after, to store.Seq, show func(report.Event) error) error {
	if o.Since == "" {
		after = 0 // also what is carried over into a window
	}
	ref, err := o.Subject(r, words, to)
	if err != nil {
		return err
	}
	seqs, err := r.History(ref, to)
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		if seq <= after {
			continue
		}
		e, err := r.Event(seq)
		if err != nil {
			return err
		}
		if err := show(report.EventOf(&e, o.objects)); err != nil {
			return err
		}
	}
	return nil
}

// everything shows events and ledger in their one order.
func (o *eventsOptions) everything(r *store.Recording, after, to store.Seq, show func(report.Event) error) error {
	if first := max(r.Info().First, 1); after+1 < first || o.Since == "" {
		after = first - 1 // what is carried over into a window was not heard in it
	}
	ledger, err := r.Ledger(after+1, to)
	if err != nil {
		return err
	}
	marks, err := o.marks(r, after, to)
	if err != nil {
		return err
	}
	until := func(seq store.Seq, at time.Time) error {
		for len(marks) > 0 && marks[0].Time.Before(at) {
			if err := show(report.EventOfMark(marks[0])); err != nil {
				return err
			}
			marks = marks[1:]
		}
		for len(ledger) > 0 && ledger[0].Seq < seq {
			c := ledger[0]
			ledger = ledger[1:]
			if o.Namespace != "" && c.Namespace != "" && c.Namespace != o.Namespace {
				continue
			}
			if err := show(report.EventOfCoverage(&c)); err != nil {
				return err
			}
		}
		return nil
	}
	for e, err := range r.Events(after+1, to) {
		if err != nil {
			return err
		}
		if err := until(e.Seq, e.Time); err != nil {
			return err
		}
		if o.Namespace != "" && e.Namespace != o.Namespace {
			continue
		}
		if err := show(report.EventOf(&e, o.objects)); err != nil {
			return err
		}
	}
	return until(to+1, r.Info().End.Add(1))
}

// marks returns those between two positions, in the order of their moments.
func (o *eventsOptions) marks(r *store.Recording, after, to store.Seq) ([]store.Mark, error) {
	all, err := r.Marks()
	if err != nil || len(all) == 0 || o.Namespace != "" {
		return nil, err
	}
	from, end := r.Info().Start, r.Info().End
	if after > 0 {
		if from, err = r.TimeOf(after); err != nil {
			return nil, err
		}
	}
	if to < r.Info().Last {
		if end, err = r.TimeOf(to); err != nil {
			return nil, err
		}
	}
	all = slices.DeleteFunc(all, func(m store.Mark) bool { return m.Time.Before(from) || m.Time.After(end) })
	slices.SortStableFunc(all, func(a, b store.Mark) int { return a.Time.Compare(b.Time) })
	return all, nil
}
