package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer/command"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

// mostExplained is of how many outages trigger and recovery are looked for.
const mostExplained = 10

// Outages prints the outages of a recording: of all Services, or of those in the
// namespace.
func (l *Query) Outages(ctx context.Context, t replay.Timeline, file string) error {
	if err := NotEmpty(t); err != nil {
		return err
	}
	bar := l.Counter("Services")
	defer bar.End()
	list, _, err := l.OutageList(ctx, t, file, bar.Show)
	bar.End()
	if err != nil {
		return err
	}
	if l.Output == "text" {
		return report.OutageText(l.Out, list, l.Text())
	}
	return report.Document(l.Out, l.Output, list)
}

// OutageList finds the outages of a recording, worst first, those with one cause
// under the first of them, and returns the courses of its Services.
func (l *Query) OutageList(ctx context.Context, t replay.Timeline, file string, progress func(done, total int)) (report.OutageList, []verdict.Course, error) {
	list := report.NewOutageList(t.Info())
	all, quiet, courses, err := l.findOutages(ctx, t, progress)
	if err != nil {
		return list, nil, err
	}
	list.Quiet = quiet
	for n := range all {
		o := &all[n]
		var told *story.Explanation
		if n < mostExplained {
			if told, err = explainOutage(ctx, t, o); err != nil {
				return list, nil, Interrupted(ctx, err)
			}
		}
		item := report.NewOutageItem(o, told)
		if i := slices.IndexFunc(list.Items, func(other report.OutageItem) bool { return other.SameCause(&item) }); i >= 0 {
			list.Items[i].Also = append(list.Items[i].Also, item.Brief())
			continue
		}
		item.Next = l.outageCommands(file, o)
		list.Items = append(list.Items, item)
	}
	return list, courses, nil
}

// findOutages returns the outages, worst first, the Services that had none, and
// the courses of all.
func (l *Query) findOutages(ctx context.Context, t replay.Timeline, progress func(done, total int)) ([]story.Outage, []string, []verdict.Course, error) {
	info := t.Info()
	all, quiet, courses := []story.Outage{}, []string{}, []verdict.Course{}
	for c, err := range verdict.All(ctx, t, info.Start, info.End, progress) {
		if err != nil {
			return nil, nil, nil, Interrupted(ctx, err)
		}
		if l.Namespace != "" && l.Namespace != c.Subject.Namespace || !Holds(&info, c.Subject) {
			continue
		}
		courses = append(courses, c)
		found := story.Outages(c.Subject, verdict.Settle(c.Segments))
		if len(found) == 0 {
			quiet = append(quiet, c.Subject.Namespace+"/"+c.Subject.Name)
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b story.Outage) int { return story.CompareOutages(&a, &b) })
	return all, quiet, courses, nil
}

// explainOutage tells how an outage came about; nil where there is nothing to tell.
func explainOutage(ctx context.Context, t replay.Timeline, o *story.Outage) (*story.Explanation, error) {
	info := t.Info()
	segments, err := verdict.Of(ctx, t, o.Subject, info.Start, info.End)
	if err != nil {
		return nil, err
	}
	return o.Explain(ctx, t, verdict.Settle(segments))
}

// outageCommands are what to run next: the story, and the state at its worst.
func (l *Query) outageCommands(file string, o *story.Outage) []string {
	subject := []string{file, "svc/" + o.Subject.Name, "-n", o.Subject.Namespace}
	explain := slices.Concat(l.Program(), []string{"explain"}, subject, []string{"--at", when.Format(o.Worst.ShownAt())})
	at := slices.Concat(l.Program(), []string{"replay"}, subject, []string{"--at", when.Format(o.Worst.ShownAt())})
	return []string{command.New(explain...).String(), command.New(at...).String()}
}

// WorstSubject returns the words that name the Service with the worst outage of the
// recording.
func (l *Query) WorstSubject(ctx context.Context, t replay.Timeline) ([]string, error) {
	bar := l.Counter("Services")
	defer bar.End()
	all, _, _, err := l.findOutages(ctx, t, bar.Show)
	bar.End()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &when.NotThere{Problem: "no Service had an outage in this recording", Hint: "name a subject as TYPE/NAME; `" + l.Name + " timeline FILE` shows what each Service was"}
	}
	ref := all[0].Subject
	l.Namespace = ref.Namespace
	l.Note("the worst outage is that of svc/%s in namespace %s, %s at %s", ref.Name, ref.Namespace, all[0].Worst.Report.Verdict.State, when.Format(all[0].Worst.ShownAt()))
	return []string{"svc/" + ref.Name}, nil
}

// worstOutage returns instants shortly before the worst outage of a subject and in
// its worst stretch.
func worstOutage(ctx context.Context, t replay.Timeline, ref store.Ref) (before, in time.Time, ok bool, err error) {
	info := t.Info()
	segments, err := verdict.Of(ctx, t, ref, info.Start, info.End)
	if err != nil {
		return before, in, false, err
	}
	all := story.Outages(ref, verdict.Settle(segments))
	if len(all) == 0 {
		return before, in, false, nil
	}
	worst := slices.MinFunc(all, func(a, b story.Outage) int { return story.CompareOutages(&a, &b) })
	before = worst.From.Add(-2 * time.Second)
	if before.Before(info.Start) {
		before = info.Start
	}
	return before, worst.Worst.ShownAt(), true, nil
}

// IsFile reports whether a word of the command line is the path of a file, or the
// address of an object.
func IsFile(word string) bool {
	if bucket.IsAddress(word) {
		return true
	}
	st, err := os.Stat(LocalPath(word))
	return err == nil && st.Mode().IsRegular()
}

// WithFile turns `svcspy FILE ...` into `svcspy replay FILE ...`.
func WithFile(root *cobra.Command, words []string) []string {
	if len(words) == 0 || len(words[0]) == 0 || words[0][0] == '-' {
		return words
	}
	if found, _, err := root.Find(words); err == nil && found != root {
		return words
	}
	if !IsFile(words[0]) {
		return words
	}
	return append([]string{"replay"}, words...)
}

// habits answers commands of kubectl that svcspy does not have.
var habits = map[string]string{
	"describe": "`%[1]s replay FILE TYPE/NAME` explains an object, and `%[1]s shell FILE` opens a shell in which kubectl describe works",
	"logs":     "`%[1]s get FILE containerlogs -o yaml` prints the last lines of containers that failed, if it was recorded with --logs-of-failed; `%[1]s events FILE` lists what was reported",
	"top":      "a recording holds no usage metrics; `%[1]s replay FILE` shows what was unhealthy, and now `kubectl top` asks the cluster",
	"exec":     "a recording can only be read; `%[1]s get FILE pods` shows the Pods, and now `kubectl exec` asks the cluster",
	"open":     "`%[1]s replay FILE` looks at a recording",
	"ui":       "`%[1]s replay FILE` looks at a recording on the whole terminal",
	"rollout":  "`%[1]s changes FILE TYPE/NAME` lists the changes of an object, and `%[1]s shell FILE` opens a shell in which kubectl rollout works",
}

// habit returns the hint for a command of kubectl, "" for others.
func (a *App) habit(word string) string {
	if text, is := habits[word]; is {
		return fmt.Sprintf(text, a.Name)
	}
	return ""
}

// AroundWorst fills in what was left out of a question that compares two instants:
// the subject with the worst outage, and instants before and in it.
func (s *Range) AroundWorst(ctx context.Context, t replay.Timeline, words []string) ([]string, error) {
	if err := NotEmpty(t); err != nil {
		return nil, err
	}
	if len(words) == 0 {
		var err error
		if words, err = s.WorstSubject(ctx, t); err != nil {
			return nil, err
		}
		s.Words = words
	}
	if s.Since != "" || s.Until != "" {
		return words, nil
	}
	ref, err := s.Subject(t, words, t.Info().Last)
	if err != nil {
		return nil, err
	}
	before, in, ok, err := worstOutage(ctx, t, ref)
	if err != nil || !ok {
		return words, Interrupted(ctx, err)
	}
	s.Since, s.Until = when.Format(before), when.Format(in)
	return words, nil
}

// OpeningInstant returns the instant to look at where none was asked for: the
// incident of the subject, or "" for the end where there was none or the recording
// is still being written.
func (l *Query) OpeningInstant(t replay.Timeline) (string, error) {
	if !t.Info().Closed {
		return "", nil
	}
	var at time.Time
	var err error
	if len(l.Words) == 0 {
		at, err = l.firstIncident(t)
	} else {
		var segments []verdict.Segment
		if segments, err = l.verdicts(t); err != nil {
			return "", err
		}
		at, err = when.IncidentOf(segments)
	}
	if nothing := (*when.NotThere)(nil); errors.As(err, &nothing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return when.Format(at), nil
}
