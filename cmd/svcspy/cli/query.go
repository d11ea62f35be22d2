package cli

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

// Query is a question about a timeline: which subject, when, and how to say it.
type Query struct {
	*App
	Ctx       context.Context // of the command: what takes long ends with it
	Words     []string        // that name the subject; see open
	Namespace string
	At        string
	ExitCode  bool
	NoHeaders bool    // of a list
	Speed     float64 // of the screen, to play at
	Live      bool    // the cluster itself answers, not a recording
	partial   bool    // the recording was cut down to other subjects
	Options   analyzer.Options
	Past      bool        // the instant may lie before the recording
	facts     []past.Fact // of that time, once they are asked for
}

func (l *Query) AddFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&l.At, "at", "", "the instant to look at, such as 14:02, 14:02:10.5Z, end-30s or '#812' (default: the first incident, else the end)")
	flags.StringVar(&l.Options.From, "from", "", "the client: pod/NAME, pod/NAMESPACE/NAME, node/NAME or an IP address")
	flags.StringVar(&l.Options.Port, "port", "", "the port the client calls, by number or name")
	flags.StringVar(&l.Options.Symptom, "symptom", "", "what the client sees: refused, timeout or nxdomain")
	flags.BoolVar(&l.ExitCode, "exit-code", false, "exit with 3 when the subject is not serving")
}

func (l *Query) Check() error {
	switch l.Options.Symptom {
	case "", "refused", "timeout", "nxdomain":
		return l.checkClient()
	}
	return Usage(fmt.Errorf("--symptom %q is not one of refused, timeout, nxdomain", l.Options.Symptom), "")
}

// Subject resolves the words that name the subject.
func (l *Query) Subject(t replay.Timeline, words []string, at store.Seq) (store.Ref, error) {
	resources, err := t.Resources(at)
	if err != nil {
		return store.Ref{}, err
	}
	ref, err := replay.ParseSubject(words, l.Namespace, resources)
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
			Hint:    l.Names(t, ref, at),
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

// Names lists what could have been meant.
func (l *Query) Names(t replay.Timeline, ref store.Ref, at store.Seq) string {
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

// Answer prints the report of the subject, or of all Services where none was
// named, and returns the errors that carry an exit code.
func (l *Query) Answer(s *replay.State, words []string) error {
	if s.Instant().Before(s.Timeline().Info().Start) {
		return l.reconstruct(s, words)
	}
	if len(words) == 0 {
		return l.overview(s)
	}
	ref, err := l.Subject(s.Timeline(), words, s.Seq())
	if err != nil {
		return err
	}
	info := s.Timeline().Info()
	l.partial = !Holds(&info, ref)
	if err := l.KnowClient(s, ref); err != nil {
		return err
	}
	r, err := verdict.ReportAt(l.Ctx, s, ref, l.Options)
	if err != nil {
		return Interrupted(l.Ctx, err)
	}
	return l.Print(s, ref, r)
}

func (l *Query) Print(s *replay.State, ref store.Ref, r analyzer.Report) error {
	e, err := report.New(s, r)
	if err != nil {
		return err
	}
	e.Recording.Live = l.Live
	if e.Facts, err = story.PreludeAt(s, ref, &r); err != nil {
		return err
	}
	if err := l.show(e); err != nil {
		return err
	}
	if damaged := s.Err(); damaged != nil {
		l.Warn("%s", report.Clean(damaged.Error()))
		return ErrGap
	}
	return l.verdict(e)
}

func (l *Query) show(e report.Envelope) error {
	if l.Output == "text" {
		return report.Text(l.Out, e, l.Text())
	}
	return report.Document(l.Out, l.Output, e)
}

// verdict turns an answer into its exit code.
func (l *Query) verdict(e report.Envelope) error {
	if l.ExitCode && e.Verdict.State != analyzer.Serving && e.Verdict.State != analyzer.Converging {
		return ErrCondition
	}
	if l.partial {
		l.Warn("the recording was cut down to %s; of what else there was it holds only a part", report.Clean(strings.Join(e.Recording.Source.Subjects, ", ")))
		return ErrGap
	}
	for _, g := range e.Coverage.Gaps {
		if g.Status == store.Gap {
			return ErrGap
		}
	}
	return nil
}

// mostDated is how many reports of a list, the worst first, are dated by the
// timelines of their Services: each is another walk through the recording.
const mostDated = 20

func (l *Query) overview(s *replay.State) error {
	info := s.Timeline().Info()
	reports := slices.DeleteFunc(verdict.Overview(s), func(r analyzer.Report) bool {
		ref := store.Ref{Resource: replay.Services, Namespace: r.Subject.Namespace, Name: r.Subject.Name}
		return l.Namespace != "" && r.Subject.Namespace != l.Namespace || !Holds(&info, ref)
	})
	for i := range reports[:min(len(reports), mostDated)] {
		r := &reports[i]
		if err := verdict.Date(l.Ctx, s, store.Ref{Resource: replay.Services, Namespace: r.Subject.Namespace, Name: r.Subject.Name}, r); err != nil {
			return Interrupted(l.Ctx, err)
		}
	}
	list, err := report.NewList(s, reports)
	if err != nil {
		return err
	}
	if l.Output != "text" {
		return report.Document(l.Out, l.Output, list)
	}
	text := l.Text()
	text.NoHeaders = l.NoHeaders
	if err := report.ListText(l.Out, list, text); err != nil {
		return err
	}
	if len(reports) > 0 && reports[0].Verdict.State != analyzer.Serving {
		fmt.Fprintln(l.Out)
		return l.Print(s, store.Ref{Resource: replay.Services, Namespace: reports[0].Subject.Namespace, Name: reports[0].Subject.Name}, reports[0])
	}
	return s.Err()
}

// Holds reports whether everything that concerns an object is in a recording,
// which may have been cut down to some.
func Holds(info *store.Info, ref store.Ref) bool {
	return info.Source == nil || len(info.Source.Subjects) == 0 || slices.Contains(info.Source.Subjects, KindAndName(ref, info.Resources))
}

// Slash names an object for a person: services shop/web.
func Slash(ref store.Ref) string {
	if ref.Namespace == "" {
		return ref.Resource.Resource + " " + ref.Name
	}
	return ref.Resource.Resource + " " + ref.Namespace + "/" + ref.Name
}

func resourceName(name, group string) string {
	if group == "" {
		return name
	}
	return name + "." + group
}

// KindAndName is "Service shop/web".
func KindAndName(ref store.Ref, resources []metav1.APIResource) string {
	kind := ref.Resource.Resource
	for _, r := range resources {
		if r.Name == ref.Resource.Resource && r.Group == ref.Resource.Group {
			kind = r.Kind
		}
	}
	return kind + " " + strings.TrimPrefix(ref.Namespace+"/"+ref.Name, "/")
}
