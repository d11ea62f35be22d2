package report

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/kinds"
)

// LastWords is what a container said before it failed, of a Pod that the report
// speaks of. Only recordings with the logs of failed containers have it.
type LastWords struct {
	Seq       store.Seq `json:"seq"`
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Restarts  int       `json:"restarts"`
	Reason    string    `json:"reason"` // Failed or NotReady
	ExitCode  *int      `json:"exitCode,omitempty"`
	Ended     string    `json:"ended,omitempty"` // as the kubelet calls that end: Error, OOMKilled, Completed
	ReadAt    time.Time `json:"readAt"`
	Lines     []string  `json:"lines"`         // oldest first, each behind its time
	Cut       bool      `json:"cut,omitempty"` // there are lines before them
	Error     string    `json:"error,omitempty"`
}

// LastWordsOf returns the last words of the Pods that the findings speak of, those
// that failed last first.
func LastWordsOf(s *replay.State, r *analyzer.Report) []LastWords {
	spoken := map[[2]string]bool{}
	for _, list := range [][]analyzer.Finding{r.Because, r.Also, r.Symptoms} {
		for _, f := range list {
			if f.Subject.Kind == "Pod" {
				spoken[[2]string{f.Subject.Namespace, f.Subject.Name}] = true
			}
			for _, e := range f.Evidence {
				if e.Kind == "Pod" {
					spoken[[2]string{e.Namespace, e.Name}] = true
				}
			}
		}
	}
	all := []LastWords{}
	for pod := range spoken {
		for _, container := range containersOf(s, pod[0], pod[1]) {
			o := s.Get(store.Ref{Resource: kinds.ContainerLogs, Namespace: pod[0], Name: pod[1] + "." + container})
			var log kinds.ContainerLog
			if o == nil || json.Unmarshal(o.Object, &log) != nil || len(log.Metadata.OwnerReferences) == 0 || log.Metadata.OwnerReferences[0].Name != pod[1] {
				continue
			}
			all = append(all, LastWords{
				Seq: o.Seq, Namespace: pod[0], Pod: pod[1], Container: log.Container, Restarts: log.Restarts, Reason: log.Reason,
				ExitCode: log.ExitCode, Ended: log.Ended, ReadAt: log.Metadata.CreationTimestamp, Lines: log.Lines, Cut: log.Cut, Error: log.Error,
			})
		}
	}
	slices.SortFunc(all, func(a, b LastWords) int { return cmp.Compare(b.Seq, a.Seq) })
	return all
}

// containersOf names the containers of a Pod, also of one that is deleted. Logs are
// asked for by these names: a namespace may hold thousands of them, and a report is
// made for each frame of a screen.
func containersOf(s *replay.State, namespace, name string) []string {
	ref := store.Ref{Resource: replay.Pods, Namespace: namespace, Name: name}
	o := s.Get(ref)
	if o == nil {
		for past := range s.Past(ref) {
			o = past
			break
		}
	}
	if o == nil {
		return nil
	}
	var names []string
	spec := &analyzer.As[corev1.Pod](o).Spec
	for i := range spec.InitContainers {
		names = append(names, spec.InitContainers[i].Name)
	}
	for i := range spec.Containers {
		names = append(names, spec.Containers[i].Name)
	}
	for i := range spec.EphemeralContainers {
		names = append(names, spec.EphemeralContainers[i].Name)
	}
	return names
}

const (
	// maxLastWords is of how many containers text shows the last words, and
	// maxLastLines how many lines of each; JSON has all.
	maxLastWords, maxLastLines = 2, 5
)

func (p *printer) lastWords(all []LastWords) {
	if len(all) == 0 {
		return
	}
	p.title("last words")
	for i, w := range all {
		if i == maxLastWords {
			p.line("  ... of %d more containers: svcspy get containerlogs -o yaml", len(all)-i)
			return
		}
		p.line("  %s %s", p.event(w.Seq), w.Whose())
		if w.Error != "" {
			p.line("      no log: %s", p.say(w.Error))
		}
		for _, line := range w.Lines[max(0, len(w.Lines)-maxLastLines):] {
			p.line("      %s", Clean(line))
		}
	}
}

// Whose names the container, and how it ended.
func (w *LastWords) Whose() string {
	return "pod/" + Clean(slash(w.Namespace, w.Pod)) + ", container " + Clean(w.Container) + w.end()
}

// end says how the container ended.
func (w *LastWords) end() string {
	switch {
	case w.Reason == kinds.LogOfNotReady:
		return " (running, not ready)"
	case w.ExitCode != nil && (w.Ended == "" || w.Ended == "Error" || w.Ended == "Completed"):
		return " (exit " + strconv.Itoa(*w.ExitCode) + ")" // which says as much
	case w.ExitCode != nil:
		return " (" + Clean(w.Ended) + ", exit " + strconv.Itoa(*w.ExitCode) + ")"
	}
	return ""
}
