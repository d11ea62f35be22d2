package cli

import (
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
)

// clientKinds are the kinds that --from may name, by the words for them.
var clientKinds = map[string]string{"pod": "pod", "pods": "pod", "po": "pod", "node": "node", "nodes": "node", "no": "node"}

// checkClient refuses what --from cannot mean, and writes it as the analyzer
// reads it.
func (l *Query) checkClient() error {
	from := l.Options.From
	if from == "" {
		return nil
	}
	if _, err := netip.ParseAddr(from); err == nil {
		return nil
	}
	word, name, _ := strings.Cut(from, "/")
	kind := clientKinds[strings.ToLower(word)]
	parts := strings.Split(name, "/")
	if kind == "" || name == "" || parts[0] == "" || parts[len(parts)-1] == "" || len(parts) > 2 || kind == "node" && len(parts) > 1 {
		return Usage(fmt.Errorf("--from %q names no client", from), "write it as pod/NAME, pod/NAMESPACE/NAME, node/NAME or an IP address")
	}
	l.Options.From = kind + "/" + name
	return nil
}

// ClientIn takes a Pod that --from names without its namespace for the one in
// that namespace.
func (l *Query) ClientIn(namespace string) {
	if name, ok := strings.CutPrefix(l.Options.From, "pod/"); ok && !strings.Contains(name, "/") {
		l.Options.From = "pod/" + namespace + "/" + name
	}
}

// KnowClient refuses a client that does not exist at the instant: an answer for
// it would be one for nobody in particular. Where that cannot be known, it says
// so. A Pod that is named without its namespace is the one in that of the
// subject, else the only one of that name.
func (l *Query) KnowClient(s *replay.State, subject store.Ref) error {
	kind, name, ok := strings.Cut(l.Options.From, "/")
	if !ok {
		return nil
	}
	q := store.Query{Resource: schema.GroupVersionResource{Version: "v1", Resource: kind + "s"}, Name: name}
	if namespace, in, ok := strings.Cut(name, "/"); ok {
		q.Namespace, q.Name = namespace, in
	}
	found := s.List(q)
	for _, o := range found {
		if len(found) > 1 && o.Ref().Namespace == subject.Namespace {
			l.ClientIn(subject.Namespace)
			return nil
		}
	}
	switch covered := s.Coverage(q.Resource, q.Namespace).Status.AbsenceProven(); {
	case len(found) == 1:
		return nil
	case len(found) > 1:
		var all []string
		for _, o := range found {
			all = append(all, kind+"/"+o.Ref().Namespace+"/"+o.Ref().Name)
		}
		return &replay.SubjectError{Problem: fmt.Sprintf("--from %s could be %s", l.Options.From, strings.Join(all, " or ")), Hint: "name it with its namespace", Usage: true}
	case !covered:
		l.Warn("%s is not known, as not all %ss are recorded at that time: the answer is the same as without --from", report.Clean(l.Options.From), kind)
		return nil
	}
	return &replay.SubjectError{
		Problem: fmt.Sprintf("--from %s: there is no such %s at that time", l.Options.From, kind),
		Hint:    l.Names(s.Timeline(), store.Ref{Resource: q.Resource}, s.Seq()),
	}
}
