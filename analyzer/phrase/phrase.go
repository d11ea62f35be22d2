// Package phrase has the parts that sentences are made of: numbers of things,
// lists of names, times of day, the first words of a message, ports and labels as
// kubectl writes them.
package phrase

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
)

// Quantity is "1 Pod", "3 Pods".
func Quantity(n int, noun string) string { return fmt.Sprintf("%d %s", n, Plural(n, noun)) }

// Plural is "Pod" for one and "Pods" for any other number.
func Plural(n int, noun string) string {
	switch {
	case n == 1:
		return noun
	case strings.HasSuffix(noun, "y"):
		return strings.TrimSuffix(noun, "y") + "ies"
	case strings.HasSuffix(noun, "s"):
		return noun + "es"
	}
	return noun + "s"
}

// ReadyOf is "2 of 3 ready", and "3 ready, 2 wanted" where there are more than are wanted.
func ReadyOf(ready, wanted int) string {
	if ready > wanted {
		return fmt.Sprintf("%d ready, %d wanted", ready, wanted)
	}
	return fmt.Sprintf("%d of %d ready", ready, wanted)
}

// Enumerate is "a, b and 3 more".
func Enumerate(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Clock prints a moment the way a sentence about now needs it: the time of day
// in UTC, with the date if it is not of today.
func Clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("15:04:05Z")
}

// Sentence joins a reason and a message, of which either may be empty or say
// the same.
func Sentence(reason, message string) string {
	message = strings.TrimRight(FirstWords(message, 160), ". ")
	switch {
	case message == "":
		return reason
	case reason == "" || strings.Contains(message, reason):
		return message
	}
	return reason + ": " + message
}

// FirstWords cuts a text to its first line and about so many bytes, between
// words and never inside a character.
func FirstWords(text string, most int) string {
	text, _, cut := strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
		if i := strings.LastIndexByte(text, ' '); i > most/2 {
			text = text[:i]
		}
		cut = true
	}
	if cut {
		text += "..."
	}
	return text
}

var digits = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[0-9a-f]{8,}|[0-9]+`) })

// MessageClass makes messages comparable that differ in numbers, hashes and
// addresses only.
func MessageClass(message string) string { return digits().ReplaceAllString(message, "#") }

// ContainsAny reports whether text contains one of the words, separated by |.
func ContainsAny(text, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// Prefixed puts a prefix before text, unless there is none.
func Prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// AllOf names all of a few things.
func AllOf(n int, noun string) string {
	if n == 2 {
		return "both " + noun + "s"
	}
	return "all " + Quantity(n, noun)
}

// PortLabel is how a Service port is called in sentences: its name, else its
// number.
func PortLabel(sp *corev1.ServicePort) string {
	if sp.Name != "" {
		return sp.Name
	}
	return fmt.Sprint(sp.Port)
}

// PortPath is where a Service port stands, in evidence.
func PortPath(sp *corev1.ServicePort) string { return "/spec/ports[" + PortLabel(sp) + "]" }

// ServicePorts lists the ports of a Service: "http 80/TCP".
func ServicePorts(svc *corev1.Service) string {
	var list []string
	for i := range svc.Spec.Ports {
		sp := &svc.Spec.Ports[i]
		name := sp.Name
		if name == "" {
			name = "unnamed"
		}
		list = append(list, fmt.Sprintf("%s %d/%s", name, sp.Port, sp.Protocol))
	}
	return Enumerate(list, 5)
}

// ManagerName names who manages a slice, in a sentence.
func ManagerName(sl *discoveryv1.EndpointSlice) string {
	if by := kube.ManagedBy(sl); by != "" {
		return by
	}
	return "nobody in particular"
}

// SliceNodes lists the nodes of a slice's usable endpoints.
func SliceNodes(sl *discoveryv1.EndpointSlice) []string {
	var names []string
	for i := range sl.Endpoints {
		if e := &sl.Endpoints[i]; kube.EndpointUsable(e) && e.NodeName != nil {
			names = append(names, *e.NodeName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ConditionPath is where a condition stands, in evidence.
func ConditionPath[T ~string](t T) string { return "/status/conditions[type=" + string(t) + "]" }

// Pairs prints labels as kubectl takes them: a=b,c=d, sorted.
func Pairs(labels map[string]string) string {
	list := make([]string, 0, len(labels))
	for k, v := range labels {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}
