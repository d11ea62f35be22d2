package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

var ErrShell = errors.New("completion takes a shell: bash, zsh, fish or powershell")

// Completing is how long a shell waits for completions at most. Tests, which
// want all of them also from a slow machine, wait longer.
var Completing = 500 * time.Millisecond

// subjects are the resources that verdicts are about.
var subjects = []string{"services", "deployments", "replicasets", "statefulsets", "daemonsets", "pods", "nodes", "ingresses", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "udproutes"}

// Completions gives a command and those below it what their words and flags
// complete to. It follows from how they are called: FILE is a recording, TYPE a
// subject in it, and flags of one name mean the same everywhere.
func (a *App) Completions(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		a.Completions(c)
	}
	if cmd.ValidArgs == nil && cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = a.completeWords(strings.Fields(cmd.Use))
	}
	flag := func(name string, complete cobra.CompletionFunc) {
		if cmd.LocalFlags().Lookup(name) != nil {
			// It fails only for a flag that is not there or has one already.
			_ = cmd.RegisterFlagCompletionFunc(name, complete)
		}
	}
	for _, name := range []string{"at", "since", "until", "good", "bad"} {
		if cmd.Name() != "record" {
			flag(name, a.completeTime)
		}
	}
	flag("file", recordings)
	flag("namespace", inside(namespacesIn))
	flag("from", inside(clientsIn))
	flag("profile", OneOf(recorder.Minimal, recorder.Standard, recorder.Full))
	flag("symptom", OneOf("refused", "timeout", "nxdomain"))
	flag("color", OneOf("auto", "always", "never"))
	flag("tz", OneOf("UTC", localZone().String()))
	flag("context", fromKubeconfig)
	for _, name := range []string{"port", "speed", "for", "ring", "keep-for", "keep-max", "keep-on", "max-size", "selector", "cluster", "user", "token", "server", "as", "as-group", "as-uid", "username", "password", "proxy-url", "tls-server-name", "request-timeout", "command", "verbosity"} {
		flag(name, cobra.NoFileCompletions)
	}
}

// completeWords completes the words of a command that is used like this.
func (a *App) completeWords(use []string) cobra.CompletionFunc {
	has := func(word string) bool {
		return slices.ContainsFunc(use, func(w string) bool { return strings.Contains(w, word) })
	}
	inFile := len(use) > 1 && strings.Trim(use[1], "[]") == "FILE"
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if inFile {
			switch {
			case len(args) == 0:
				return recordings(cmd, args, typed)
			case has("OUT") && len(args) == 1:
				return nil, cobra.ShellCompDirectiveDefault
			}
			args = args[1:]
		}
		switch more := cmd.Name() == "get"; { // which takes any number of names
		case !has("TYPE"), !more && (len(args) > 1 || len(args) == 1 && strings.Contains(args[0], "/")):
			return nil, cobra.ShellCompDirectiveNoFileComp
		case more && len(args) > 0 && strings.Contains(args[0], "/"):
			args = nil
		case more && len(args) > 1:
			args = args[:1]
		}
		return inside(func(in *content) ([]cobra.Completion, bool) { return in.subject(args, typed, cmd.Name()) })(cmd, args, typed)
	}
}

// recordings completes to recordings.
func recordings(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"db"}, cobra.ShellCompDirectiveFilterFileExt
}

func OneOf(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

func fromKubeconfig(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []string
	if config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load(); err == nil {
		for name := range config.Contexts {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// content is the recording that a command line names, opened to complete it.
type content struct {
	*store.Recording
	ctx       context.Context
	namespace string
	words     []string // after the recording
}

// inside completes from inside the recording: the first word, or that of -f. It
// is silent: where there is none, nothing is completed.
func inside(complete func(*content) (all []cobra.Completion, unfinished bool)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		words := cmd.Flags().Args()
		path := ""
		if use := strings.Fields(cmd.Use); len(use) > 1 && use[1] == "FILE" && len(words) > 0 {
			path, words = words[0], words[1:]
		} else if f := cmd.Flags().Lookup("file"); f != nil {
			path = f.Value.String()
		}
		if path == "" || bucket.IsAddress(path) { // a shell does not wait for a network
			return nil, nothing
		}
		r, err := openFile(LocalPath(path))
		if err != nil {
			return nil, nothing
		}
		defer r.Close()
		ctx, cancel := context.WithTimeout(context.Background(), Completing)
		defer cancel()
		in := &content{Recording: r, ctx: ctx, words: words}
		if f := cmd.Flags().Lookup("namespace"); f != nil {
			in.namespace = f.Value.String()
		}
		all, unfinished := complete(in)
		all = slices.DeleteFunc(all, func(c cobra.Completion) bool {
			word, _, _ := strings.Cut(c, "\t")
			// A name with an escape in it is not put on a command line.
			return !strings.HasPrefix(word, typed) || report.Clean(word) != word
		})
		if unfinished {
			return all, nothing | cobra.ShellCompDirectiveNoSpace
		}
		return all, nothing
	}
}

// subject completes TYPE/NAME or TYPE NAME.
func (in *content) subject(args []string, typed, command string) (all []cobra.Completion, unfinished bool) {
	info := in.Info()
	if len(args) == 1 {
		r, err := replay.FindResource(args[0], info.Resources)
		if err != nil {
			return nil, false
		}
		return in.names(r, ""), false
	}
	if kind, _, ok := strings.Cut(typed, "/"); ok {
		r, err := replay.FindResource(kind, info.Resources)
		if err != nil {
			return nil, false
		}
		return in.names(r, kind+"/"), false
	}
	// Of a list of types the last is completed.
	list := ""
	if at := strings.LastIndex(typed, ","); command == "get" && at >= 0 {
		list, typed = typed[:at+1], typed[at+1:]
	}
	anything := command == "get" || command == "events" || command == "changes"
	end := "/"
	if command == "get" {
		end = ""
	}
	for _, k := range in.Kinds() {
		if !anything && !slices.Contains(subjects, k.Resource.Resource) {
			continue
		}
		for _, r := range info.Resources {
			if r.Name != k.Resource.Resource || r.Group != k.Resource.Group {
				continue
			}
			words := append(slices.Clone(r.ShortNames), r.SingularName, r.Name)
			words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
			if typed == "" {
				words = words[:1]
			}
			for _, w := range words {
				all = append(all, cobra.CompletionWithDesc(list+w+end, r.Kind))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), end == "/" // some have one word for both numbers
}

// enough is how many versions are looked at for names of what is gone.
const enough = 2000

// names returns the names of all objects of a resource, also of those that were
// deleted, with their namespaces.
func (in *content) names(r metav1.APIResource, prefix string) []cobra.Completion {
	q := store.Query{Namespace: in.namespace}
	q.Resource.Group, q.Resource.Version, q.Resource.Resource = r.Group, r.Version, r.Name
	if !r.Namespaced {
		q.Namespace = ""
	}
	last := in.Info().Last
	seqs, err := in.Find(q, last)
	if err != nil {
		return nil
	}
	if more, err := in.Touched(q, 1, last); err == nil {
		seqs = append(seqs, more[:min(len(more), enough)]...)
	}
	spaces := map[string]string{}
	for _, seq := range seqs {
		e, err := in.Event(seq)
		if err != nil || !e.IsObject() || in.ctx.Err() != nil {
			continue
		}
		switch where, known := spaces[e.Name]; {
		case !known:
			spaces[e.Name] = e.Namespace
		case !slices.Contains(strings.Split(where, ", "), e.Namespace):
			spaces[e.Name] += ", " + e.Namespace
		}
	}
	var all []cobra.Completion
	for name, where := range spaces {
		c := prefix + name
		if where != "" {
			c = cobra.CompletionWithDesc(c, report.Clean(where))
		}
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// namespacesIn completes -n.
func namespacesIn(in *content) ([]cobra.Completion, bool) {
	var spaces []string
	for _, resource := range []string{"namespaces", "services", "pods"} {
		r, err := replay.FindResource(resource, in.Info().Resources)
		if err != nil {
			continue
		}
		q := store.Query{}
		q.Resource.Version, q.Resource.Resource = r.Version, r.Name
		seqs, err := in.Find(q, in.Info().Last)
		if err != nil {
			continue
		}
		for _, seq := range seqs {
			e, err := in.Event(seq)
			name := e.Namespace
			if resource == "namespaces" {
				name = e.Name
			}
			if err == nil && !slices.Contains(spaces, name) {
				spaces = append(spaces, name)
			}
		}
		if len(spaces) > 0 {
			break
		}
	}
	slices.Sort(spaces)
	return spaces, false
}

// clientsIn completes --from.
func clientsIn(in *content) ([]cobra.Completion, bool) {
	var all []cobra.Completion
	for _, kind := range []string{"node", "pod"} {
		if r, err := replay.FindResource(kind, in.Info().Resources); err == nil {
			all = append(all, in.names(r, kind+"/")...)
		}
	}
	return all, false
}

// completeTime completes an instant: the anchors of the recording, and when the
// verdict on the subject changed.
func (a *App) completeTime(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return inside(func(in *content) ([]cobra.Completion, bool) {
		info := in.Info()
		all := []cobra.Completion{
			cobra.CompletionWithDesc("start", when.Format(info.Start)),
			cobra.CompletionWithDesc("end", when.Format(info.End)),
		}
		if len(in.words) > 0 {
			all = append(all, a.turns(in)...)
		}
		marks, err := in.Marks()
		if err != nil {
			marks = nil
		}
		for _, m := range marks {
			all = append(all, cobra.CompletionWithDesc("@"+m.Text, when.Format(m.Time)))
		}
		return all, false
	})(cmd, args, typed)
}

// turns are the changes of the verdict, each as an anchor and as an instant.
func (a *App) turns(in *content) []cobra.Completion {
	l := Query{App: a, Ctx: in.ctx, Words: in.words, Namespace: in.namespace}
	segments, err := l.verdicts(in.Recording)
	if err != nil {
		return nil
	}
	var anchors, instants []cobra.Completion
	if at, err := when.IncidentOf(segments); err == nil {
		anchors = append(anchors, cobra.CompletionWithDesc("incident", when.Format(at)))
	}
	for i, s := range segments {
		at := when.Format(s.From)
		what := strings.TrimSpace(string(s.Report.Verdict.State) + " " + report.Clean(s.Report.Headline.ID))
		anchors = append(anchors, cobra.CompletionWithDesc(fmt.Sprintf("verdict:%d", i+1), at+" "+what))
		instants = append(instants, cobra.CompletionWithDesc(at, what))
	}
	return append(anchors, instants...)
}
