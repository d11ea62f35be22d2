package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/alert"
	"github.com/svcspy/svcspy/recorder/segment"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store/bucket"
)

// ListCommand returns the command ls.
func ListCommand(a *cli.App) *cobra.Command {
	at := ""
	cmd := &cobra.Command{
		Use:   "ls BUCKET",
		Short: "List the clusters and coverage in a bucket",
		Long: `Ls lists the clusters whose agents store segments in BUCKET: since which day there
are segments, until when the newest one reaches, which Services were not serving at
its end, and which alerts fired then, as far as they were sent to the agent. With --at
it says what was recorded at an instant, which Services were not serving and which
alerts fired then, in all clusters. It reads the summaries beside the segments, not
the segments.

BUCKET is s3://NAME/PREFIX, file:///FOLDER or the path of a folder, as of
svcspy agent. Times are read as everywhere; a time of day without a date is the last
one before now.

EXIT STATUS
  0 listed, 1 error, 2 wrong words or time, 130 interrupted.`,
		Example: `  svcspy ls s3://outages/svcspy
  svcspy ls s3://outages/svcspy --at 14:02`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage(errors.New("ls takes one bucket"), a.Name+" ls s3://NAME/PREFIX")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := a.Interruptible(cmd.Context())
			defer stop()
			return cli.Interrupted(ctx, list(ctx, a, args[0], at))
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, such as 14:02 or -30m (default: the newest segment of each cluster)")
	_ = cmd.RegisterFlagCompletionFunc("at", cobra.NoFileCompletions)
	a.AddOutput(cmd, "json", "yaml", "jsonl")
	return cmd
}

// instantIn reads a time that is about no recording yet: what a bucket holds ends
// about now. From is what +30m counts from.
func instantIn(a *cli.App, text string, from time.Time) (time.Time, error) {
	zone, err := a.Zone()
	if err != nil {
		return time.Time{}, err
	}
	now := a.Now().Round(0)
	i, err := when.Parse(text, when.Range{
		Start: now.Add(-24*time.Hour + time.Nanosecond), End: now, Live: true, Now: now, Zone: zone, From: from,
		Past: func() (time.Time, error) { return time.Unix(0, 0), nil },
	})
	return i.Time, err
}

// openBucket opens a bucket with an error that says how addresses are written.
func openBucket(address string) (bucket.Bucket, error) {
	b, err := bucket.Open(address)
	if errors.Is(err, bucket.ErrAddress) {
		return nil, cli.Usage(err, "")
	}
	return b, err
}

// held is what a bucket has of a cluster.
type held struct {
	cluster string
	days    []string
	summary segment.Summary
	alerts  []alert.Alert
	found   bool // there is a segment, of the instant that was asked for
	err     error
}

// listers is how many clusters are asked about at a time.
const listers = 16

func list(ctx context.Context, a *cli.App, address, text string) error {
	var at time.Time
	if text != "" {
		var err error
		if at, err = instantIn(a, text, time.Time{}); err != nil {
			return err
		}
	}
	b, err := openBucket(address)
	if err != nil {
		return err
	}
	clusters, err := segment.Clusters(ctx, b)
	if err != nil {
		return cli.StorageError(address, fmt.Errorf("list %s: %w", address, err))
	}
	if len(clusters) == 0 {
		return cli.Hinted(fmt.Errorf("list %s: no agent has stored anything there", address), "`svcspy agent --to BUCKET` stores segments")
	}
	all := make([]held, len(clusters))
	var working sync.WaitGroup
	places := make(chan struct{}, listers)
	for i, cluster := range clusters {
		places <- struct{}{}
		working.Go(func() {
			defer func() { <-places }()
			all[i] = look(ctx, b, cluster, at)
		})
	}
	working.Wait()
	for _, h := range all {
		if h.err != nil {
			return cli.StorageError(address, fmt.Errorf("list %s: %w", h.cluster, h.err))
		}
	}
	l := listOf(all, at)
	if a.Output != "text" {
		return report.Document(a.Out, a.Output, l)
	}
	if at.IsZero() {
		return printNewest(a, l)
	}
	a.Note("at %s", when.Format(at))
	return printInstant(a, l)
}

// look reads what there is of a cluster at an instant, or last.
func look(ctx context.Context, b bucket.Bucket, cluster string, at time.Time) held {
	h := held{cluster: cluster}
	var of segment.Stored
	var later []segment.Stored
	if at.IsZero() {
		of, h.days, h.err = segment.Newest(ctx, b, cluster)
		if errors.Is(h.err, fs.ErrNotExist) {
			h.err = nil
			return h
		}
	} else {
		var found []segment.Stored
		if found, h.err = segment.Find(ctx, b, cluster, at, at.Add(told)); h.err != nil {
			return h
		}
		then := slices.IndexFunc(found, func(s segment.Stored) bool { return s.Start.After(at) })
		if then < 0 {
			then = len(found)
		}
		if then == 0 {
			return h
		}
		of, later = found[then-1], found[then:min(len(found), then+mostLater)]
	}
	if h.err == nil {
		h.summary, h.err = of.Summary(ctx, b)
		h.found, h.alerts = h.err == nil, h.summary.Alerts
	}
	for i := range later {
		if h.err != nil {
			break
		}
		var s segment.Summary
		s, h.err = later[i].Summary(ctx, b)
		h.alerts = append(h.alerts, s.Alerts...)
	}
	return h
}

const (
	// told is how long after an alert fires it is sent at the latest, as a rule:
	// senders wait for others to send them together.
	told = 10 * time.Minute
	// mostLater is how many segments after the instant are asked for such alerts.
	mostLater = 3
)

// BucketList is what a bucket has of each cluster, as ls prints it.
type BucketList struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"` // BucketList
	// At is the instant that was asked for; without it each cluster is told at the
	// end of its newest segment.
	At       time.Time       `json:"at,omitzero"`
	Clusters []BucketCluster `json:"clusters"`
}

// BucketCluster is what a bucket has of one cluster at an instant.
type BucketCluster struct {
	Cluster  string    `json:"cluster"`
	Recorded bool      `json:"recorded"`        // there is a segment of the instant
	Since    string    `json:"since,omitempty"` // the first day with segments, where no instant was asked for
	Start    time.Time `json:"start,omitzero"`  // of the segment
	End      time.Time `json:"end,omitzero"`
	Gaps     []string  `json:"gaps"` // resources that were not listened to at the instant
	// Services are those that served not, or not all, at the instant.
	Services []BucketService `json:"services"`
	Judged   int             `json:"judged"`   // Services whose verdict is known
	Unjudged int             `json:"unjudged"` // and those that were too many
	// Alerts are those that fired at the instant, as far as the agent was told.
	Alerts []BucketAlert `json:"alerts"`
}

// BucketAlert is an alert that fired.
type BucketAlert struct {
	Name        string    `json:"name"`
	Namespace   string    `json:"namespace,omitempty"`
	Service     string    `json:"service,omitempty"` // that it is about, as far as labels say
	Start       time.Time `json:"start"`
	End         time.Time `json:"end,omitzero"` // where it is known
	Fingerprint string    `json:"fingerprint"`
	Link        string    `json:"link,omitempty"`
}

// BucketService is a Service that served not, or not all.
type BucketService struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	State     string `json:"state"`
	ID        string `json:"id,omitempty"` // of the diagnosis
}

func listOf(all []held, at time.Time) BucketList {
	l := BucketList{APIVersion: report.APIVersion, Kind: "BucketList", At: at, Clusters: []BucketCluster{}}
	for _, h := range all {
		c := BucketCluster{Cluster: h.cluster, Gaps: []string{}, Services: []BucketService{}, Alerts: []BucketAlert{}}
		if s := &h.summary; h.found {
			then := at
			if at.IsZero() {
				then, c.Since = s.End, h.days[0]
			}
			c.Recorded = !then.Before(s.Start) && !then.After(s.End)
			c.Start, c.End = s.Start, s.End
			c.Gaps, c.Services = gapsAt(s, then), unwell(s, then)
			c.Judged, c.Unjudged = s.Healthy+len(s.Services), s.Unjudged
			c.Alerts = firing(h.alerts, then)
		}
		l.Clusters = append(l.Clusters, c)
	}
	return l
}

// gapsAt returns to which resources the recorder did not listen at an instant.
func gapsAt(s *segment.Summary, at time.Time) []string {
	missing := []string{}
	for _, g := range s.Gaps {
		if !at.Before(g.From) && at.Before(g.To) {
			missing = append(missing, g.Resource)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// unwell returns the Services that served not, or not all, at an instant.
func unwell(s *segment.Summary, at time.Time) []BucketService {
	services := []BucketService{}
	for i := range s.Services {
		c := &s.Services[i]
		v := c.At(at)
		if rank := verdict.Rank(analyzer.State(v.State)); rank >= 0 && rank <= verdict.Rank(analyzer.PartiallyServing) {
			services = append(services, BucketService{c.Namespace, c.Name, v.State, v.ID})
		}
	}
	return services
}

// firing returns the alerts that fired at an instant, by start. Of those that several
// segments tell of, the last says when they ended.
func firing(all []alert.Alert, at time.Time) []BucketAlert {
	last := map[string]alert.Alert{}
	for _, a := range all {
		last[a.Key()] = a
	}
	fired := []BucketAlert{}
	for _, a := range last {
		if !a.Start.After(at) && (a.End.IsZero() || a.End.After(at)) {
			fired = append(fired, BucketAlert{a.Name, a.Namespace, a.Service, a.Start, a.End, a.Fingerprint, a.Link})
		}
	}
	slices.SortFunc(fired, func(a, b BucketAlert) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return fired
}

// alertWords names the alerts.
func (c *BucketCluster) alertWords() string {
	names := []string{}
	for _, a := range c.Alerts {
		if a.Service != "" {
			a.Name += " " + a.Namespace + "/" + a.Service
		}
		names = append(names, a.Name)
	}
	switch {
	case len(names) == 0:
		return "-"
	case len(names) > 3:
		names = append(names[:3], fmt.Sprintf("%d more", len(c.Alerts)-3))
	}
	return report.Clean(strings.Join(names, ", "))
}

func printNewest(a *cli.App, l BucketList) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tSINCE\tUNTIL\tNOT SERVING\tALERTS")
	for _, c := range l.Clusters {
		if !c.Recorded {
			fmt.Fprintf(w, "%s\t-\t-\tno segment\t-\n", c.Cluster)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.Cluster, c.Since, when.Format(c.End.Truncate(time.Second)), c.unwellWords(), c.alertWords())
	}
	return w.Flush()
}

func printInstant(a *cli.App, l BucketList) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLUSTER\tCOVERAGE\tNOT SERVING\tALERTS")
	for _, c := range l.Clusters {
		if c.Start.IsZero() {
			fmt.Fprintf(w, "%s\tnot recorded\tunknown\tunknown\n", c.Cluster)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Cluster, c.coverageWords(), c.unwellWords(), c.alertWords())
	}
	return w.Flush()
}

func (c *BucketCluster) coverageWords() string {
	switch {
	case !c.Recorded:
		return "not recorded"
	case len(c.Gaps) == 0:
		return "complete"
	case len(c.Gaps) > 3:
		return fmt.Sprintf("gap in %d resources", len(c.Gaps))
	}
	return report.Clean("gap in " + strings.Join(c.Gaps, ", "))
}

func (c *BucketCluster) unwellWords() string {
	var names []string
	for _, s := range c.Services {
		name := fmt.Sprintf("%s/%s %s", s.Namespace, s.Name, s.State)
		if s.ID != "" {
			name += " (" + s.ID + ")"
		}
		names = append(names, name)
	}
	text := strings.Join(names, ", ")
	switch {
	case len(names) > 3:
		text = fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	case text == "" && c.Unjudged > 0:
		text = fmt.Sprintf("none of %d; %d were not judged", c.Judged, c.Unjudged)
	case text == "":
		text = "-"
	}
	return report.Clean(text)
}
