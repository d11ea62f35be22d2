package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/expect"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

type assertOptions struct {
	*cli.Query
	files  []string
	alerts []string
	holds  time.Duration
}

// assertResult is what expectations about a recording came to.
type assertResult struct {
	APIVersion   string             `json:"apiVersion"`
	Kind         string             `json:"kind"`
	Recording    report.Recording   `json:"recording"`
	Passed       bool               `json:"passed"` // every expectation came true
	Expectations []expectationTruth `json:"expectations"`
	Alerts       []alertTruth       `json:"alerts"`
}

// expectationTruth is one expectation and what became of it.
type expectationTruth struct {
	Name      string           `json:"name,omitempty"`
	Expect    string           `json:"expect"` // the sentence
	Outcome   expect.Outcome   `json:"outcome"`
	Reason    string           `json:"reason"`
	From      time.Time        `json:"from"`
	To        time.Time        `json:"to"`
	Stretches []expect.Stretch `json:"stretches"` // that decided it, in order
	More      int              `json:"more,omitempty"`
}

// alertTruth is one alert and when it would have fired.
type alertTruth struct {
	Name      string          `json:"name,omitempty"`
	Condition string          `json:"condition"`
	For       string          `json:"for"` // how long the condition must hold
	Fired     []expect.Firing `json:"fired"`
	Longest   string          `json:"longest,omitempty"` // for which the condition held without firing
}

func assertCommand(a *cli.App) *cobra.Command {
	o := &assertOptions{Query: &cli.Query{App: a}}
	cmd := &cobra.Command{
		Use:   "assert FILE ['SENTENCE'...] [-f EXPECTATIONS]",
		Short: "Hold a recording against what should have happened",
		Long: `Assert checks sentences about verdicts over time, for a test that recorded what it
did to a cluster:

  TYPE/[NAMESPACE/]NAME never STATE[|STATE...] [because DIAGNOSIS] [for more than 5s]
  TYPE/[NAMESPACE/]NAME always STATE[|STATE...] [but for 5s]
  TYPE/[NAMESPACE/]NAME eventually STATE[|STATE...] [because DIAGNOSIS] [within 30s]
  TYPE/[NAMESPACE/]NAME finally STATE[|STATE...]

each with "after" and "before" an instant, a mark (@deploy) or a state: after
Ready begins when the subject first serves. Where the verdict is Unknown, for
example in a gap, the sentence is undecided, which does not count as success.

With --alert it says whether, and when, an alert on a condition of record --keep-on
would have fired. A file of expectations holds both:

  apiVersion: svcspy.dev/v1
  kind: Expectations
  namespace: shop
  expectations:
  - name: the rollout keeps the shop up
    expect: svc/web never NotServing for more than 5s after Ready
  alerts:
  - name: ShopDown
    when: svc/web NotServing
    for: 30s

EXIT STATUS
  0 all came true, 1 error, 2 wrong words, 3 an expectation failed, 4 something is
  undecided, 130 interrupted.`,
		Example: `  # a test of a rollout
  svcspy assert incident.db 'svc/web never NotServing for more than 5s after Ready' -n shop

  # the expectations of a team, for CI
  svcspy assert incident.db -f expectations.yaml -o junit > result.xml

  # would this alert have fired?
  svcspy assert incident.db -n shop --alert 'svc/web NotServing' --for 30s`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && len(o.files)+len(o.alerts) == 0 {
				return cli.Usage(errors.New("assert takes a recording, and what should be so"), cmd.CommandPath()+" --help shows examples")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return o.run(ctx, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&o.files, "file", "f", nil, "a file of expectations (- for standard input); may be given again")
	flags.StringArrayVar(&o.alerts, "alert", nil, "a condition, such as 'svc/web NotServing': say when an alert on it would have fired; may be given again")
	flags.DurationVar(&o.holds, "for", 0, "how long the condition of --alert must hold before it fires")
	flags.StringVarP(&o.Namespace, "namespace", "n", "", "namespace of subjects that name none (default: the one that has it)")
	a.AddOutput(cmd, "json", "yaml", "jsonl", "junit", "tap")
	return cmd
}

// read collects what is expected.
func (o *assertOptions) read(sentences []string) (all expect.File, err error) {
	for _, s := range sentences {
		e, err := expect.Parse(s)
		if err != nil {
			return all, err
		}
		all.Expectations = append(all.Expectations, e)
	}
	for _, s := range o.alerts {
		a, err := expect.ParseAlert(s, o.holds.String())
		if err != nil {
			return all, err
		}
		all.Alerts = append(all.Alerts, a)
	}
	for _, name := range o.files {
		var in io.Reader = o.In
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return all, err
			}
			defer f.Close()
			in = f
		}
		f, err := expect.ReadFile(in)
		var syntax *expect.SyntaxError
		if errors.As(err, &syntax) {
			return all, &expect.SyntaxError{Problem: fmt.Sprintf("%s: %s", name, syntax.Problem), Hint: syntax.Hint}
		}
		if err != nil {
			return all, err
		}
		for _, e := range f.Expectations {
			e.Subject = inNamespace(f.Namespace, e.Subject)
			all.Expectations = append(all.Expectations, e)
		}
		for _, a := range f.Alerts {
			a.Subject = inNamespace(f.Namespace, a.Subject)
			all.Alerts = append(all.Alerts, a)
		}
	}
	return all, nil
}

// inNamespace puts a subject that names no namespace into one.
func inNamespace(namespace, subject string) string {
	kind, name, _ := strings.Cut(subject, "/")
	if namespace == "" || strings.Contains(name, "/") {
		return subject
	}
	return kind + "/" + namespace + "/" + name
}

func (o *assertOptions) run(ctx context.Context, file string, sentences []string) error {
	all, err := o.read(sentences)
	if err != nil {
		return err
	}
	r, err := o.Open(ctx, file, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	result := assertResult{APIVersion: report.APIVersion, Kind: "AssertResult", Recording: report.RecordingOf(r.Info()), Passed: true, Expectations: []expectationTruth{}, Alerts: []alertTruth{}}
	words := map[store.Ref][]string{}
	find := func(subject string) (store.Ref, error) {
		l := *o.Query
		if strings.Count(subject, "/") == 2 { // it names its own
			l.Namespace = ""
		}
		ref, err := l.Subject(r, []string{subject}, r.Info().Last)
		words[ref] = []string{subject}
		return ref, err
	}
	results, err := expect.Of(ctx, r, all.Expectations, find, func(ref store.Ref) expect.Times {
		l := *o.Query
		l.Words, l.Namespace = words[ref], ref.Namespace
		return func(text string) (when.Instant, error) { return l.When(r, text, time.Time{}) }
	})
	if err != nil {
		return errOr(ctx, err)
	}
	failed, undecided := false, false
	for i := range results {
		e := &results[i]
		failed = failed || e.Outcome == expect.Failed
		undecided = undecided || e.Outcome == expect.Undecided
		result.Expectations = append(result.Expectations, expectationTruth{e.Name, e.String(), e.Outcome, e.Reason, e.From.UTC(), e.To.UTC(), e.Stretches, e.More})
	}
	result.Passed = !failed && !undecided
	for i := range all.Alerts {
		a := &all.Alerts[i]
		truth, err := alertIn(ctx, r, a, find)
		if err != nil {
			return errOr(ctx, err)
		}
		result.Alerts = append(result.Alerts, truth)
	}
	if err := o.print(file, &result, results); err != nil {
		return err
	}
	switch {
	case failed:
		return cli.ErrExpectation
	case undecided:
		return cli.ErrGap
	}
	return nil
}

// errOr is the interrupt, if that is why it failed.
func errOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return cli.ErrInterrupted
	}
	return err
}

func alertIn(ctx context.Context, t replay.Timeline, a *expect.Alert, find func(string) (store.Ref, error)) (alertTruth, error) {
	truth := alertTruth{Name: a.Name, Condition: a.Condition, For: a.For.String(), Fired: []expect.Firing{}}
	ref, err := find(a.Subject)
	if err != nil {
		return truth, err
	}
	info := t.Info()
	segments, err := verdict.Of(ctx, t, ref, info.Start, info.End)
	if err != nil || ctx.Err() != nil {
		return truth, errors.Join(err, ctx.Err())
	}
	fired, longest := a.Firings(segments)
	for _, f := range fired {
		f.At, f.Pending = f.At.UTC(), f.Pending.UTC()
		if !f.Resolved.IsZero() {
			f.Resolved = f.Resolved.UTC()
		}
		truth.Fired = append(truth.Fired, f)
	}
	if longest > 0 {
		truth.Longest = longest.Round(time.Millisecond).String()
	}
	return truth, nil
}

func (o *assertOptions) print(file string, result *assertResult, results []expect.Result) error {
	switch o.Output {
	case "junit":
		return expect.WriteJUnit(o.Out, report.Clean(file), results)
	case "tap":
		return expect.WriteTAP(o.Out, results)
	case "text":
	default:
		return report.Document(o.Out, o.Output, result)
	}
	zone, err := o.Zone()
	if err != nil {
		return err
	}
	if err := expect.WriteText(o.Out, results, zone, report.Clean); err != nil {
		return err
	}
	clock := func(t time.Time) string { return t.In(zone).Format("15:04:05") }
	for _, a := range result.Alerts {
		name := a.Condition
		if a.Name != "" {
			name = a.Name + " (" + a.Condition + ")"
		}
		fmt.Fprintf(o.Out, "alert %s for %s\n", report.Clean(name), a.For)
		for _, f := range a.Fired {
			resolved := "until the recording ends"
			if !f.Resolved.IsZero() {
				resolved = "until " + clock(f.Resolved)
			}
			fmt.Fprintf(o.Out, "  would have fired at %s %s; the condition held from %s\n", clock(f.At), resolved, clock(f.Pending))
		}
		if len(a.Fired) == 0 {
			longest := "the condition never held"
			if a.Longest != "" {
				longest = "the condition held for " + a.Longest + " at the longest"
			}
			fmt.Fprintf(o.Out, "  would not have fired: %s\n", longest)
		}
	}
	return nil
}
