package segment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/recorder/alert"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Summary is what is known of a segment without opening it. It is stored beside the
// segment, as JSON.
type Summary struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // Segment
	Cluster    string `json:"cluster"`
	ClusterUID string `json:"clusterUID,omitempty"`
	Run        string `json:"run"` // ID of the recorder's run
	// Previous is the digest of the segment before it in the same run, "" for the
	// first: the digests of a run are a chain.
	Previous string    `json:"previous,omitempty"`
	First    store.Seq `json:"first"`
	Last     store.Seq `json:"last"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Events   uint64    `json:"events"`
	SHA256   string    `json:"sha256"` // of the content, as its seal has it
	Bytes    int64     `json:"bytes"`
	FileSum  string    `json:"fileSHA256"` // of the file as it is stored
	Cause    string    `json:"cause"`      // why it was cut: Time, Verdict, Alert, Request, Stop, Restart
	// Missing is how many positions of the run before it are in no segment,
	// because the ring had dropped them.
	Missing uint64 `json:"missing,omitempty"`
	Gaps    []Gap  `json:"gaps"`
	// Services are those that were not Serving all the time, worst first, and at
	// most mostCourses; Healthy counts the others, Unjudged those that were left
	// out.
	Services []Course `json:"services"`
	Healthy  int      `json:"healthy"`
	Unjudged int      `json:"unjudged,omitempty"`
	// Alerts are those that fired when the segment was cut, or are told for the
	// first time, by start, and at most mostAlerts; AlertsOmitted counts the others.
	Alerts        []alert.Alert `json:"alerts,omitempty"`
	AlertsOmitted int           `json:"alertsOmitted,omitempty"`
}

// Gap is a stretch in which the recorder was not listening to a resource.
type Gap struct {
	Resource  string    `json:"resource"`
	Namespace string    `json:"namespace,omitempty"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Reason    string    `json:"reason,omitempty"`
}

// Course is what the verdict on a Service was, from when on.
type Course struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Verdicts  []Change `json:"verdicts"`
}

// Change is a verdict and when it began.
type Change struct {
	From     time.Time `json:"from"`
	State    string    `json:"state"`
	ID       string    `json:"id,omitempty"`
	Headline string    `json:"headline,omitempty"`
}

// servingFrom is the worst verdict of a Service that nobody has to look at.
const servingFrom = analyzer.Converging

// At returns the verdict that held at an instant, the first one before that.
func (c *Course) At(t time.Time) Change {
	at := c.Verdicts[0]
	for _, v := range c.Verdicts[1:] {
		if v.From.After(t) {
			break
		}
		at = v
	}
	return at
}

const (
	apiVersion = "svcspy.dev/v1"
	summary    = "Segment"
	// mostCourses, mostChanges, mostGaps, mostText and mostAlerts bound a Summary: it is read
	// by the thousand.
	mostCourses, mostChanges, mostGaps, mostText = 50, 20, 50, 300
	mostAlerts                                   = 50
	// largestSummary is more than those can make.
	largestSummary = 1 << 20
)

// summarize says what is in a recording. Of its Services it judges as many as
// services says.
func summarize(ctx context.Context, r *store.Recording, services int) (Summary, error) {
	info := r.Info()
	s := Summary{
		APIVersion: apiVersion, Kind: summary, ClusterUID: info.Cluster.UID, Run: info.Run(),
		First: info.First, Last: info.Last, Start: info.Start.UTC(), End: info.End.UTC(), Events: info.Events, SHA256: info.SHA256,
		Gaps: []Gap{}, Services: []Course{},
	}
	if err := s.gaps(r); err != nil {
		return s, err
	}
	return s, s.judge(ctx, r, services)
}

// gaps lists when streams were interrupted.
func (s *Summary) gaps(r *store.Recording) error {
	ledger, err := r.Ledger(1, s.Last)
	if err != nil {
		return err
	}
	type stream struct{ resource, namespace string }
	open := map[stream]store.Coverage{}
	end := func(k stream, at time.Time) {
		c, is := open[k]
		delete(open, k)
		if is && at.After(s.Start) && len(s.Gaps) < mostGaps {
			s.Gaps = append(s.Gaps, Gap{k.resource, k.namespace, c.Time.UTC(), at.UTC(), shorten(c.Reason)})
		}
	}
	for _, c := range ledger {
		k := stream{c.Resource.GroupResource().String(), c.Namespace}
		switch {
		case c.Status == store.Gap && c.Reason != store.Stopped:
			if _, is := open[k]; !is {
				open[k] = c
			}
		case c.Resumed: // it lost nothing
			delete(open, k)
		case c.Status.ContentCurrent():
			end(k, c.Time)
		}
	}
	for k := range open {
		end(k, s.End)
	}
	slices.SortFunc(s.Gaps, func(a, b Gap) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Namespace, b.Namespace))
	})
	return nil
}

func (s *Summary) judge(ctx context.Context, r *store.Recording, most int) error {
	seen, all := 0, 0
	for c, err := range verdict.All(ctx, r, s.Start, s.End, func(_, total int) { all = total }) {
		if err != nil {
			return err
		}
		if seen++; seen > most {
			s.Unjudged = max(1, all-most)
			break
		}
		course := Course{Namespace: c.Subject.Namespace, Name: c.Subject.Name}
		healthy := true
		for _, v := range verdict.Settle(c.Segments) {
			state := v.Report.Verdict.State
			healthy = healthy && verdict.Rank(state) >= verdict.Rank(servingFrom)
			if len(course.Verdicts) < mostChanges {
				course.Verdicts = append(course.Verdicts, Change{v.From.UTC(), string(state), v.Report.Headline.ID, shorten(v.Report.Headline.Message)})
			}
		}
		switch {
		case healthy || len(course.Verdicts) == 0:
			s.Healthy++
		case len(s.Services) == mostCourses:
			s.Unjudged++
		default:
			s.Services = append(s.Services, course)
		}
	}
	return ctx.Err()
}

// alerts takes over alerts, those that fire first.
func (s *Summary) alerts(all []alert.Alert) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b alert.Alert) int {
		return cmp.Or(cmp.Compare(endedRank(&a), endedRank(&b)), a.Start.Compare(b.Start), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	s.Alerts = all[:min(len(all), mostAlerts)]
	s.AlertsOmitted = len(all) - len(s.Alerts)
	slices.SortStableFunc(s.Alerts, func(a, b alert.Alert) int { return a.Start.Compare(b.Start) })
}

func endedRank(a *alert.Alert) int {
	if a.End.IsZero() {
		return 0
	}
	return 1
}

// shorten bounds a text of the cluster.
func shorten(text string) string {
	if len(text) <= mostText {
		return text
	}
	runes := []rune(text[:mostText])
	return string(runes[:len(runes)-1]) + "..."
}

// ParseSummary reads what Encode wrote, and checks it: an object of a bucket may be
// anything.
func ParseSummary(data []byte) (Summary, error) {
	var s Summary
	if err := json.Unmarshal(data, &s); err != nil {
		return s, err
	}
	for i := range s.Services {
		if len(s.Services[i].Verdicts) == 0 {
			return s, errors.New("a Service without a verdict")
		}
	}
	switch {
	case s.Kind != summary || s.APIVersion != apiVersion:
		return s, fmt.Errorf("%q %q is not the summary of a segment that this svcspy knows", s.APIVersion, s.Kind)
	case len(s.SHA256) < digestInName || s.Last < s.First || s.Bytes < 0 || s.Gaps == nil:
		return s, errors.New("it is damaged")
	}
	if _, ok := ParseKey(s.Name().Key()); !ok {
		return s, errors.New("it is damaged")
	}
	return s, nil
}

// Encode writes the Summary as it is stored.
func (s *Summary) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	return append(data, '\n'), err
}
