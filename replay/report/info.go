package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// RecordingInfo says what a recording holds.
type RecordingInfo struct {
	APIVersion    string      `json:"apiVersion"`
	Kind          string      `json:"kind"` // RecordingInfo
	Recording     Recording   `json:"recording"`
	FormatVersion int         `json:"formatVersion"`
	Recorder      string      `json:"recorder"`
	Scope         store.Scope `json:"scope"`
	FileBytes     int64       `json:"fileBytes"`
	Events        uint64      `json:"events"`
	FirstSeq      store.Seq   `json:"firstSeq"`
	LastSeq       store.Seq   `json:"lastSeq"`
	// Redacted is how many values were replaced by tokens, by the classes of
	// the policy; none where the recorder did not say.
	Redacted  map[string]uint64 `json:"redacted,omitempty"`
	Clock     *Clock            `json:"clock,omitempty"` // nil where no clocks were recorded
	Resources []Recorded        `json:"resources"`
	Listening []Listening       `json:"coverage"`
	Marks     []store.Mark      `json:"marks,omitempty"`
	Past      *KnownPast        `json:"reconstructed,omitempty"` // absent if nothing is known of the time before
}

// KnownPast says how far back the time before the recording can be
// reconstructed.
type KnownPast struct {
	Objects int       `json:"objects"`       // in the first lists, which tell of it
	Facts   int       `json:"facts"`         // what they tell; 0 with objects if they are too many to be asked here
	Hour    int       `json:"hour"`          // of these, from the hour before the recording
	From    time.Time `json:"from,omitzero"` // of the oldest
}

// KnownPastOf counts facts, which are in order, of so many objects.
func KnownPastOf(objects int, facts []past.Fact, start time.Time) *KnownPast {
	known := &KnownPast{Objects: objects, Facts: len(facts)}
	for i := range facts {
		if !facts[i].Time.Before(start.Add(-time.Hour)) {
			known.Hour++
		}
	}
	if len(facts) > 0 {
		known.From = facts[0].Time
	}
	return known
}

func (k *KnownPast) words(start time.Time) string {
	switch {
	case k == nil || k.Objects == 0:
		return "nothing is known"
	case k.Facts == 0:
		return fmt.Sprintf("reconstructed from %d objects: svcspy events FILE --reconstructed", k.Objects)
	}
	return fmt.Sprintf("reconstructed back to %s (%s): %d facts, %d of the last hour", when.Format(k.From), Duration(start.Sub(k.From)), k.Facts, k.Hour)
}

// Recorded is how much there is of one resource.
type Recorded struct {
	Resource string `json:"resource"`
	Events   uint64 `json:"events"`
	Bytes    uint64 `json:"bytes"` // of JSON, before compression
}

// Listening is a stretch of time in which a stream had one status.
type Listening struct {
	Resource  string       `json:"resource"`
	Namespace string       `json:"namespace,omitempty"`
	From      time.Time    `json:"from"`
	To        time.Time    `json:"to"`
	Status    store.Status `json:"status"`
	Reason    string       `json:"reason,omitempty"`
	Resumed   bool         `json:"resumed,omitempty"` // nothing was lost in the stretch before
}

// NewInfo describes a recording; kinds are its resources with their counts,
// clocks the looks at the clocks that it holds.
func NewInfo(t replay.Timeline, kinds []store.Kind, clocks []store.Clock, fileBytes int64) (RecordingInfo, error) {
	info := t.Info()
	ledger, err := t.Ledger(0, info.Last)
	if err != nil {
		return RecordingInfo{}, err
	}
	out := RecordingInfo{
		APIVersion: APIVersion, Kind: "RecordingInfo", Recording: RecordingOf(info), FormatVersion: info.FormatVersion,
		Recorder: info.Recorder, Scope: info.Scope, FileBytes: fileBytes, Events: info.Events, FirstSeq: info.First, LastSeq: info.Last,
		Redacted: info.Redacted, Clock: newClock(clocks), Resources: []Recorded{}, Listening: []Listening{},
	}
	for _, k := range kinds {
		out.Resources = append(out.Resources, Recorded{k.Resource.GroupResource().String(), k.Events, k.Bytes})
	}
	open := map[[2]string]int{} // stream to its latest stretch
	for _, c := range ledger {
		resource := c.Resource.GroupResource().String()
		key := [2]string{resource, c.Namespace}
		if i, ok := open[key]; ok {
			out.Listening[i].To = c.Time.UTC()
		}
		if c.Reason == store.Stopped {
			delete(open, key)
			continue
		}
		open[key] = len(out.Listening)
		out.Listening = append(out.Listening, Listening{resource, c.Namespace, c.Time.UTC(), info.End.UTC(), c.Status, c.Reason, c.Resumed})
	}
	return out, nil
}

// redacted says what the policy has replaced.
func (i *RecordingInfo) redacted() string {
	var total uint64
	var classes []string
	for _, class := range slices.Sorted(maps.Keys(i.Redacted)) {
		total += i.Redacted[class]
		classes = append(classes, fmt.Sprintf("%s %d", class, i.Redacted[class]))
	}
	policy := i.Recording.Redaction.Policy
	if shared := i.Recording.Redaction.Shared; shared != "" {
		policy += ", shared " + shared
	}
	if total == 0 {
		return policy
	}
	return fmt.Sprintf("%s, %d values replaced (%s)", policy, total, strings.Join(classes, ", "))
}

// InfoText prints what a recording holds, with a picture of what was being
// listened to when.
func InfoText(w io.Writer, path string, i RecordingInfo, o Options) error {
	p := &printer{w: bufio.NewWriter(w), o: o, at: i.Recording.End}
	state := "sealed"
	if !i.Recording.Closed {
		state = "not sealed"
	}
	digest := i.Recording.SHA256
	if digest == "" {
		digest = "none, as it is not sealed"
	}
	p.line("%s  %s", p.paint(bold, Clean(path)), state)
	rows := [][]string{
		{"cluster", Clean(strings.Join(strings.Fields(i.Recording.Cluster.Version+" "+i.Recording.Cluster.Context+" "+i.Recording.Cluster.UID), "  "))},
		{"before", i.Past.words(i.Recording.Start)},
		{"from", when.Format(i.Recording.Start)},
		{"to", when.Format(i.Recording.End) + "  (" + Duration(i.Recording.End.Sub(i.Recording.Start)) + ")"},
		{"scope", Clean(ScopeWords(i.Scope))},
		{"events", fmt.Sprintf("%d (#%d to #%d)", i.Events, i.FirstSeq, i.LastSeq)},
		{"size", Bytes(i.FileBytes) + perEvent(i)},
		{"redaction", Clean(i.redacted())},
		{"written by", Clean(fmt.Sprintf("svcspy %s, format %d", i.Recorder, i.FormatVersion))},
		{"sha256", digest},
	}
	for n, line := range i.Clock.words() {
		rows = append(rows, []string{map[bool]string{true: "clocks"}[n == 0], line})
	}
	if s := i.Recording.Source; s != nil {
		rows = append(rows, []string{"cut from", Clean(s.ID) + " of " + when.Format(s.Start) + " to " + when.Format(s.End)})
		if s.SHA256 != "" {
			rows = append(rows, []string{"", "sha256 " + Clean(s.SHA256)})
		}
		if len(s.Subjects) > 0 {
			rows = append(rows, []string{"cut down to", Clean(strings.Join(s.Subjects, ", "))})
		}
	}
	p.table(rows)
	if len(i.Marks) > 0 {
		p.title("marks")
		for _, m := range marksBetween(i.Marks, time.Time{}, time.Unix(1<<40, 0)) {
			p.line("  %s  %s", when.Format(m.Time), p.remark(&m, MarkOrigin(&m, i.Recording.SHA256, i.Recording.End)))
		}
	}
	p.title("resources")
	rows = [][]string{{"RESOURCE", "EVENTS", "JSON", "LISTENING", ""}}
	for _, r := range i.Resources {
		rows = append(rows, p.resource(i, r.Resource, fmt.Sprint(r.Events), Bytes(int64(r.Bytes))))
	}
	quiet := 0 // resources of which nothing was heard, and nothing is to be said
	for _, name := range silent(i) {
		row := p.resource(i, name, "0", "")
		if row[4] == "" {
			quiet++
			continue
		}
		rows = append(rows, row)
	}
	p.table(rows)
	if quiet > 0 {
		p.line("  and %d more that were listened to and had no events", quiet)
	}
	return p.w.Flush()
}

// ScopeWords says in words what was asked for.
func ScopeWords(s store.Scope) string {
	where := "all namespaces"
	if len(s.Namespaces) > 0 {
		where = "namespace " + strings.Join(s.Namespaces, ", ")
	}
	if len(s.Subjects) > 0 {
		var names []string
		for _, subject := range s.Subjects {
			names = append(names, subject.String())
		}
		where = strings.Join(names, ", ") + " and what decides about it"
		if len(names) > 1 {
			where = strings.Join(names, ", ") + " and what decides about them"
		}
	}
	if s.Selector != "" {
		where += ", only " + s.Selector
	}
	return where + ", profile " + s.Profile
}

// silent returns the resources in the ledger that had no events, sorted.
func silent(i RecordingInfo) []string {
	var names []string
	for _, l := range i.Listening {
		heard := slices.ContainsFunc(i.Resources, func(r Recorded) bool { return r.Resource == l.Resource })
		if !heard && !slices.Contains(names, l.Resource) {
			names = append(names, l.Resource)
		}
	}
	slices.Sort(names)
	return names
}

func (p *printer) resource(i RecordingInfo, name, events, size string) []string {
	picture, words := p.picture(i, name)
	return []string{Clean(name), events, size, picture, words}
}

func perEvent(i RecordingInfo) string {
	if i.Events == 0 {
		return ""
	}
	return fmt.Sprintf(", %d bytes per event", uint64(i.FileBytes)/i.Events)
}

// pictureWidth is how many columns show the time from start to end.
const pictureWidth = 32

// picture draws when a resource was listened to, worst status of each column,
// and says in words what was not complete.
func (p *printer) picture(i RecordingInfo, resource string) (string, string) {
	symbols := map[store.Status]string{
		store.Current: "█", store.Revisions: "█", store.Listing: "▒", store.Gap: "╳", store.Forbidden: "·", store.Partial: "▓",
		store.Writes: "▓", store.Unseen: "░", store.Instant: "│", store.Derived: "·",
	}
	if p.o.ASCII {
		symbols = map[store.Status]string{
			store.Current: "=", store.Revisions: "=", store.Listing: "-", store.Gap: "X", store.Forbidden: ".", store.Partial: "+",
			store.Writes: "+", store.Unseen: "~", store.Instant: "|", store.Derived: ".",
		}
	}
	severity := map[store.Status]int{
		"": 0, store.Current: 1, store.Revisions: 1, store.Partial: 1, store.Writes: 1, store.Listing: 2, store.Instant: 2,
		store.Derived: 3, store.Forbidden: 3, store.Unseen: 4, store.Gap: 4,
	}
	var columns [pictureWidth]store.Status
	span := i.Recording.End.Sub(i.Recording.Start)
	gaps, words := 0, ""
	for _, l := range i.Listening {
		if l.Resource != resource || span <= 0 {
			continue
		}
		switch l.Status {
		case store.Gap:
			gaps++
			words = "last " + Clean(l.Reason)
		case store.Forbidden:
			words = "forbidden"
		case store.Partial:
			words = Clean(l.Reason)
		case store.Revisions, store.Writes, store.Unseen, store.Instant, store.Derived:
			words = CoverageWords(l.Status)
		}
		first := column(l.From.Sub(i.Recording.Start), span)
		for c := first; c <= column(l.To.Sub(i.Recording.Start), span); c++ {
			// A list ends where listening begins: that column is complete.
			if l.Status == store.Listing && c > first {
				break
			}
			if severity[l.Status] > severity[columns[c]] {
				columns[c] = l.Status
			}
		}
	}
	if gaps > 0 {
		words = fmt.Sprintf("%d interruptions, %s", gaps, words)
		if gaps == 1 {
			words = strings.Replace(words, "interruptions, last", "interruption,", 1)
		}
	}
	var b strings.Builder
	for _, c := range columns {
		if c == "" {
			b.WriteByte(' ')
			continue
		}
		b.WriteString(symbols[c])
	}
	return b.String(), words
}

// CoverageWords says what a status proves, in a few words.
func CoverageWords(s store.Status) string {
	switch s {
	case store.Current:
		return "every event, from a watch"
	case store.Partial:
		return "every event of some objects, from a watch"
	case store.Revisions:
		return "every revision, from etcd"
	case store.Writes:
		return "every write, from an audit log: absence is not proven"
	case store.Unseen:
		return "writes without their content, from an audit log"
	case store.Instant:
		return "one list, at its own instant"
	case store.Derived:
		return "only what other objects tell"
	case store.Listing:
		return "a list was under way"
	case store.Gap:
		return "nobody listened"
	case store.Forbidden:
		return "the API server refused"
	case store.NotRecorded:
		return "not recorded"
	}
	return "written by a later svcspy: proves nothing here"
}

func column(d, span time.Duration) int {
	return max(0, min(pictureWidth-1, int(int64(d)*pictureWidth/int64(span))))
}

// Bytes prints a size in decimal units.
func Bytes(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d KB", n/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
