package analyzer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcspy/svcspy/analyzer/kube"
)

// quantity is "1 Pod", "3 Pods".
func quantity(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "y") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// enumerate is "a, b and 3 more".
func enumerate(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// clock prints a moment the way a sentence about now needs it: the time of day
// in UTC, with the date if it is not of today.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("15:04:05Z")
}

// sentence joins a reason and a message, of which either may be empty or say
// the same.
func sentence(reason, message string) string {
	message = strings.TrimRight(firstWords(message, 160), ". ")
	switch {
	case message == "":
		return reason
	case reason == "" || strings.Contains(message, reason):
		return message
	}
	return reason + ": " + message
}

// firstWords cuts a text to its first line and about so many bytes, between
// words and never inside a character.
func firstWords(text string, most int) string {
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

var digits = regexp.MustCompile(`[0-9a-f]{8,}|[0-9]+`)

// messageClass makes messages comparable that differ in numbers, hashes and
// addresses only.
func messageClass(message string) string { return digits.ReplaceAllString(message, "#") }

// containsAny reports whether text contains one of the words, separated by |.
func containsAny(text, words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// prefixed puts a prefix before text, unless there is none.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// allOf names all of a few things.
func allOf(n int, noun string) string {
	if n == 2 {
		return "both " + noun + "s"
	}
	return "all " + quantity(n, noun)
}

// portLabel is how a Service port is called in sentences: its name, else its
// number.
func portLabel(sp *corev1.ServicePort) string {
	if sp.Name != "" {
		return sp.Name
	}
	return fmt.Sprint(sp.Port)
}

// portPath is where a Service port stands, in evidence.
func portPath(sp *corev1.ServicePort) string { return "/spec/ports[" + portLabel(sp) + "]" }

// servicePorts lists the ports of a Service: "http 80/TCP".
func servicePorts(svc *corev1.Service) string {
	var list []string
	for i := range svc.Spec.Ports {
		sp := &svc.Spec.Ports[i]
		name := sp.Name
		if name == "" {
			name = "unnamed"
		}
		list = append(list, fmt.Sprintf("%s %d/%s", name, sp.Port, sp.Protocol))
	}
	return enumerate(list, 5)
}

// managerName names who manages a slice, in a sentence.
func managerName(sl *discoveryv1.EndpointSlice) string {
	if by := kube.ManagedBy(sl); by != "" {
		return by
	}
	return "nobody in particular"
}

// sliceNodes lists the nodes of a slice's usable endpoints.
func sliceNodes(sl *discoveryv1.EndpointSlice) []string {
	var names []string
	for i := range sl.Endpoints {
		if e := &sl.Endpoints[i]; kube.EndpointUsable(e) && e.NodeName != nil {
			names = append(names, *e.NodeName)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// conditionPath is where a condition stands, in evidence.
func conditionPath[T ~string](t T) string { return "/status/conditions[type=" + string(t) + "]" }

// pairs prints labels as kubectl takes them: a=b,c=d, sorted.
func pairs(labels map[string]string) string {
	list := make([]string, 0, len(labels))
	for k, v := range labels {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}
