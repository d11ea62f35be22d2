package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// look is a question about a timeline: which subject, when, and how to say it.
type look struct {
	*app
	ctx       context.Context // of the command: what takes long ends with it
	words     []string        // that name the subject; see open
	namespace string
	at        string
	exitCode  bool
	noHeaders bool    // of a list
	speed     float64 // of the screen, to play at
	partial   bool    // the recording was cut down to other subjects
	options   analyzer.Options
	past      bool        // the instant may lie before the recording
	facts     []past.Fact // of that time, once they are asked for
}

func (l *look) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&l.at, "at", "", "the instant to look at, such as 14:02, 14:02:10.5Z, end-30s or '#812' (default: the first incident, else the end)")
	flags.StringVar(&l.options.From, "from", "", "the client: pod/NAME, pod/NAMESPACE/NAME, node/NAME or an IP address")
	flags.StringVar(&l.options.Port, "port", "", "the port the client calls, by number or name")
	flags.StringVar(&l.options.Symptom, "symptom", "", "what the client sees: refused, timeout or nxdomain")
	flags.BoolVar(&l.exitCode, "exit-code", false, "exit with 3 when the subject is not serving")
}

func (l *look) check() error {
	switch l.options.Symptom {
	case "", "refused", "timeout", "nxdomain":
		return l.checkClient()
	}
	return usageError{fmt.Errorf("--symptom %q is none of refused, timeout, nxdomain", l.options.Symptom), ""}
}

// subject resolves the words that name the subject.
func (l *look) subject(t replay.Timeline, words []string, at store.Seq) (store.Ref, error) {
	resources, err := t.Resources(at)
	if err != nil {
		return store.Ref{}, err
	}
	ref, err := replay.ParseSubject(words, l.namespace, resources)
	if err != nil {
		return ref, err
	}
	ref, known, err := replay.Locate(t, ref, namespaced(ref, resources), at)
	if err != nil {
		return ref, err
	}
	if !known {
		in := ""
		if ref.Namespace != "" {
			in = " in namespace " + ref.Namespace
		}
		return ref, &replay.SubjectError{
			Problem: fmt.Sprintf("the recording never saw %s %q%s", singular(ref, resources), ref.Name, in),
			Hint:    l.names(t, ref, at),
		}
	}
	return ref, nil
}

// singular names the type of an object: ingress, not ingresses.
func singular(ref store.Ref, resources []metav1.APIResource) string {
	for _, r := range resources {
		if r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group && r.Kind != "" {
			return strings.ToLower(r.Kind)
		}
	}
	return ref.Resource.Resource
}

// names lists what could have been meant.
func (l *look) names(t replay.Timeline, ref store.Ref, at store.Seq) string {
	seqs, err := t.Find(store.Query{Resource: ref.Resource}, at)
	if err != nil || len(seqs) == 0 {
		return "no such objects were recorded at that time"
	}
	var names []string
	for _, seq := range seqs[:min(len(seqs), 8)] {
		if e, err := t.Event(seq); err == nil {
			name := e.Name
			if e.Namespace != "" {
				name = e.Namespace + "/" + name
			}
			names = append(names, name)
		}
	}
	more := ""
	if len(seqs) > 8 {
		more = fmt.Sprintf(" and %d more", len(seqs)-8)
	}
	return "there are " + strings.Join(names, ", ") + more
}

func namespaced(ref store.Ref, resources []metav1.APIResource) bool {
	for _, r := range resources {
		if r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group {
			return r.Namespaced
		}
	}
	return false
}

// answer prints the report of the subject, or of all Services where none was
// named, and returns the errors that carry an exit code.
func (l *look) answer(s *replay.State, words []string) error {
	if s.Instant().Before(s.Timeline().Info().Start) {
		return l.reconstruct(s, words)
	}
	if len(words) == 0 {
		return l.overview(s)
	}
	ref, err := l.subject(s.Timeline(), words, s.Seq())
	if err != nil {
		return err
	}
	info := s.Timeline().Info()
	l.partial = !holds(&info, ref)
	if err := l.knowClient(s, ref); err != nil {
		return err
	}
	return l.print(s, ref, analyzer.Diagnose(s, ref, l.options))
}

func (l *look) print(s *replay.State, ref store.Ref, r analyzer.Report) error {
	e, err := report.New(s, r)
	if err != nil {
		return err
	}
	if e.Facts, err = story.PreludeAt(s, ref, &r); err != nil {
		return err
	}
	if err := l.show(e); err != nil {
		return err
	}
	if damaged := s.Err(); damaged != nil {
		l.warn("%s", report.Clean(damaged.Error()))
		return errGap
	}
	return l.verdict(e)
}

func (l *look) show(e report.Envelope) error {
	if l.output == "text" {
		return report.Text(l.out, e, l.text())
	}
	return report.Document(l.out, l.output, e)
}

// verdict turns an answer into its exit code.
func (l *look) verdict(e report.Envelope) error {
	if l.exitCode && e.Verdict.State != analyzer.Serving && e.Verdict.State != analyzer.Converging {
		return errCondition
	}
	if l.partial {
		l.warn("the recording was cut down to %s; of what else there was it holds only a part", report.Clean(strings.Join(e.Recording.Source.Subjects, ", ")))
		return errGap
	}
	for _, g := range e.Coverage.Gaps {
		if g.Status == store.Gap {
			return errGap
		}
	}
	return nil
}

func (l *look) overview(s *replay.State) error {
	info := s.Timeline().Info()
	reports := slices.DeleteFunc(verdict.Overview(s), func(r analyzer.Report) bool {
		ref := store.Ref{Resource: replay.Services, Namespace: r.Subject.Namespace, Name: r.Subject.Name}
		return l.namespace != "" && r.Subject.Namespace != l.namespace || !holds(&info, ref)
	})
	list, err := report.NewList(s, reports)
	if err != nil {
		return err
	}
	if l.output != "text" {
		return report.Document(l.out, l.output, list)
	}
	text := l.text()
	text.NoHeaders = l.noHeaders
	if err := report.ListText(l.out, list, text); err != nil {
		return err
	}
	if len(reports) > 0 && reports[0].Verdict.State != analyzer.Serving {
		fmt.Fprintln(l.out)
		return l.print(s, store.Ref{Resource: replay.Services, Namespace: reports[0].Subject.Namespace, Name: reports[0].Subject.Name}, reports[0])
	}
	return s.Err()
}
