package replay

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// Services is the resource most questions are about.
var Services = schema.GroupVersionResource{Version: "v1", Resource: "services"}

// SubjectError says why the words on the command line name no object.
type SubjectError struct {
	Problem string
	Hint    string // a command or a list of what would work
	Usage   bool   // the words are wrong, not the recording
}

func (e *SubjectError) Error() string { return e.Problem }

// FindResource returns the resource a user means by its name: plural, singular,
// short name or kind, in any case, optionally with its group (deploy,
// Deployment, deployments.apps). The discovery document of the recording
// decides, so it works without a cluster.
func FindResource(name string, resources []metav1.APIResource) (metav1.APIResource, error) {
	word, group, grouped := strings.Cut(strings.ToLower(name), ".")
	for _, r := range resources {
		if grouped && !strings.EqualFold(r.Group, group) && !strings.HasPrefix(strings.ToLower(r.Group), group+".") {
			continue
		}
		if word == r.Name || word == r.SingularName || word == strings.ToLower(r.Kind) || slices.Contains(r.ShortNames, word) {
			return r, nil
		}
	}
	e := &SubjectError{Problem: fmt.Sprintf("the cluster has no resource type %q", name), Usage: true}
	if len(resources) == 0 {
		e.Problem = "the recording has no discovery document, so no resource type is known"
	} else if near := nearest(word, resourceWords(resources)); near != "" {
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	}
	return metav1.APIResource{}, e
}

// ParseSubject reads TYPE/NAME, TYPE NAME or kubespy's TYPE [NS/]NAME. The
// namespace is the one in the text, else the given one; it is empty for
// cluster-scoped resources.
func ParseSubject(words []string, namespace string, resources []metav1.APIResource) (store.Ref, error) {
	var kind, name string
	switch {
	case len(words) == 1 && strings.Count(words[0], "/") == 1:
		kind, name, _ = strings.Cut(words[0], "/")
	case len(words) == 1 && strings.Count(words[0], "/") == 2: // TYPE/NAMESPACE/NAME
		kind, name, _ = strings.Cut(words[0], "/")
		ns, n, _ := strings.Cut(name, "/")
		if namespace != "" && namespace != ns {
			return store.Ref{}, &SubjectError{Problem: fmt.Sprintf("two namespaces for one subject: %q and %q", ns, namespace), Usage: true}
		}
		if namespace, name = ns, n; ns == "" {
			name = ""
		}
	case len(words) == 2 && !strings.Contains(words[0], "/"):
		kind, name = words[0], words[1]
		if ns, n, ok := strings.Cut(name, "/"); ok {
			if namespace != "" && namespace != ns {
				return store.Ref{}, &SubjectError{Problem: fmt.Sprintf("two namespaces for one subject: %q and %q", ns, namespace), Usage: true}
			}
			namespace, name = ns, n
		}
	}
	if kind == "" || name == "" || strings.Contains(name, "/") {
		return store.Ref{}, &SubjectError{
			Problem: fmt.Sprintf("%q does not name a subject", strings.Join(words, " ")),
			Hint:    "name it as TYPE/NAME, for example svc/web",
			Usage:   true,
		}
	}
	r, err := FindResource(kind, resources)
	if err != nil {
		return store.Ref{}, err
	}
	ref := store.Ref{Resource: schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Name}, Namespace: namespace, Name: name}
	if !r.Namespaced {
		ref.Namespace = ""
	}
	return ref, nil
}

// Locate fills in the namespace of a subject that was named without one: the
// one in which it exists at the position, else the only one of the whole
// timeline that ever had it. Known says whether the object was ever seen.
// Several namespaces are an error that lists them: never guess.
func Locate(t Timeline, ref store.Ref, namespaced bool, at store.Seq) (_ store.Ref, known bool, err error) {
	last := t.Info().Last
	if ref.Namespace != "" || !namespaced {
		seqs, err := t.History(ref, last)
		return ref, len(seqs) > 0, err
	}
	for _, search := range []func() ([]string, error){
		func() ([]string, error) { return namespacesAt(t, ref, at) },
		func() ([]string, error) { return namespacesAt(t, ref, last) },
		func() ([]string, error) { return namespacesEver(t, ref) },
	} {
		in, err := search()
		switch {
		case err != nil:
			return ref, false, err
		case len(in) == 1:
			ref.Namespace = in[0]
			return ref, true, nil
		case len(in) > 1:
			return ref, false, &SubjectError{
				Problem: fmt.Sprintf("%s/%s exists in several namespaces: %s", ref.Resource.Resource, ref.Name, strings.Join(in, ", ")),
				Hint:    "choose one with -n",
				Usage:   true,
			}
		}
	}
	return ref, false, nil
}

func namespacesAt(t Timeline, ref store.Ref, at store.Seq) ([]string, error) {
	if at == 0 {
		return nil, nil
	}
	seqs, err := t.Find(store.Query{Resource: ref.Resource, Name: ref.Name}, at)
	if err != nil {
		return nil, err
	}
	var in []string
	for _, seq := range seqs {
		e, err := t.Event(seq)
		if err != nil {
			return nil, err
		}
		in = append(in, e.Namespace)
	}
	return in, nil
}

// namespacesEver reads everything: for an object that is neither there at the
// instant nor at the end.
func namespacesEver(t Timeline, ref store.Ref) ([]string, error) {
	info := t.Info()
	var in []string
	for e, err := range t.Events(info.First, info.Last) {
		if err != nil {
			continue // damage is reported where it matters: when the report is read
		}
		if e.IsObject() && e.Resource == ref.Resource && e.Name == ref.Name && !slices.Contains(in, e.Namespace) {
			in = append(in, e.Namespace)
		}
	}
	slices.Sort(in)
	return in, nil
}

func resourceWords(resources []metav1.APIResource) []string {
	var words []string
	for _, r := range resources {
		words = append(words, r.Name, r.SingularName)
	}
	return words
}

// nearest returns the word at edit distance 1 or 2, the closest and first one;
// "" if there is none.
func nearest(word string, words []string) string {
	best, at := "", min(3, 1+len(word)/2) // "foo" is no mistyped "pod"
	for _, w := range words {
		if w == "" {
			continue
		}
		if d := analyzer.Distance(word, w); d < at {
			best, at = w, d
		}
	}
	return best
}
