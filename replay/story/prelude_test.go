package story

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// hindsight is what is to be told of an incident by a recording that began so
// long after one of its operations, inside the outage: as link and words, in any
// order.
var hindsight = []struct {
	incident string
	Step     int // from 1
	after    time.Duration
	dark     bool // and since when
	want     []string
}{
	{"bad-image-rollout", 1, 20 * time.Second, false, []string{
		`^structural Deployment shop/web revision 2: /spec/template/spec/containers\[name=web\]/image web:ok1 -> web:badtag by kubectl-set$`,
		`^ Pod shop/web-\w+-\w+ became Ready=False \(ContainersNotReady\)$`,
		`^ Deployment shop/web became Progressing=False \(ProgressDeadlineExceeded\)$`,
		`^ Pod shop/web-\w+-\w+ Failed: Failed to pull image "web:badtag"`,
	}},
	{"unready-after-full-rollout", 1, 20 * time.Second, true, []string{
		`^structural Deployment shop/web revision 2: .*/image web:ok1 -> web:unready by kubectl-set$`,
		`^ Pod shop/web-\w+-\w+ became Ready=False`,
		`^ Pod shop/web-\w+-\w+ Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500$`,
	}},
	{"headless-not-ready", 1, 20 * time.Second, true, []string{`^ Pod shop/web-\w+-\w+ became Ready=False`}},
	{"crash-without-probe", 1, 20 * time.Second, false, []string{
		`^structural Deployment shop/web revision 2: .*/image web:ok1 -> web:crash by kubectl-set$`,
		`^ Pod shop/web-\w+-\w+ container web ended with exit code 1 \(Error\)$`,
	}},
	{"out-of-memory", 1, 20 * time.Second, true, []string{
		`^ Pod shop/web-\w+-\w+ container web ended with exit code 137 \(OOMKilled\)$`,
	}},
	{"statefulset-blocked", 1, 15 * time.Second, false, []string{
		`^structural StatefulSet shop/db revision 2: .*/image db:ok1 -> db:badtag by kubectl-set$`,
	}},
	{"port-renamed", 1, 20 * time.Second, false, []string{
		`^structural Deployment shop/web revision 2: .*/ports\[containerPort=8080,protocol=TCP\]/name http -> web and 1 more by kubectl-patch$`,
	}},
	{"selector-edited", 1, 15 * time.Second, true, []string{
		`^correlated Service shop/web was written by kubectl-client-side-apply, who owns /spec/selector, /spec/type$`,
	}},
	{"scale-to-zero", 1, 20 * time.Second, true, []string{
		`^correlated Deployment shop/web ScalingReplicaSet: Scaled down replica set web-\w+ from 3 to 0$`,
	}},
	{"node-loss", 1, 15 * time.Second, false, []string{
		`^structural Node n2 became Ready=Unknown \(NodeStatusUnknown\)$`,
		`^structural Node n2 got the taint node.kubernetes.io/unreachable:NoExecute$`,
	}},
	{"all-nodes-silent", 1, 20 * time.Second, true, []string{`^structural Node n1 became Ready=Unknown`}},
	{"node-deleted", 1, 20 * time.Second, false, []string{`^structural Node n2 RemovingNode: `}},
	{"drain-nowhere-to-go", 1, 18 * time.Second, true, []string{
		`^correlated Node n1 was written by kubectl, who owns /spec/unschedulable: true$`,
		`^ Pod shop/web-\w+-\w+ became PodScheduled=False \(Unschedulable\)$`,
	}},
	{"quota-exceeded", 1, 15 * time.Second, false, []string{
		`^correlated ResourceQuota shop/pods was created by kubectl-client-side-apply$`,
		`^ ReplicaSet shop/web-\w+ FailedCreate: .*exceeded quota`,
	}},
	{"controllers-stalled", 1, 20 * time.Second, false, []string{`^ Lease kube-system/kube-controller-manager was renewed for the last time`}},
	{"requests-too-large", 1, 20 * time.Second, false, []string{`^structural Deployment shop/web revision 2: .*requests added: {"cpu":"64"} by kubectl-set$`}},
	{"volume-unavailable", 1, 20 * time.Second, false, []string{`^ Pod shop/web-\w+-\w+ FailedScheduling: `}},
}

func TestPreludeTellsTheCause(t *testing.T) {
	for _, h := range hindsight {
		t.Run(h.incident, func(t *testing.T) {
			r := replaytest.Open(t, h.incident)
			from, err := r.SeqAt(replaytest.Steps(t, h.incident)[h.Step-1][1].Add(h.after))
			if err != nil {
				t.Fatal(err)
			}
			m, subject := replaytest.Late(t, r, from), replaytest.Subject(t, h.incident)
			segments, err := verdict.Of(t.Context(), m, subject, m.Info().Start, m.Info().End)
			if err != nil {
				t.Fatal(err)
			}
			p, err := PreludeTo(m, subject, verdict.Settle(segments))
			if err != nil || p == nil {
				t.Fatalf("no prelude, %v", err)
			}
			var said []string
			for i := range p.Facts {
				said = append(said, string(p.Facts[i].Link)+" "+p.Facts[i].String())
			}
			for _, want := range h.want {
				if !slices.ContainsFunc(said, regexp.MustCompile(want).MatchString) {
					t.Errorf("nothing tells %s; there is\n%s", want, strings.Join(said, "\n"))
				}
			}
			if h.dark == p.Dark.IsZero() {
				t.Errorf("dark since %s, want that it is told: %t", p.Dark, h.dark)
			}
		})
	}
}

// TestPreludeIsTrue holds what is said to have been dark against the verdicts
// of the recording that began earlier.
func TestPreludeIsTrue(t *testing.T) {
	files, err := filepath.Glob(replaytest.Folder(t) + "/*.db")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".db")
		t.Run(name, func(t *testing.T) {
			r, subject := replaytest.Open(t, name), replaytest.Subject(t, name)
			whole, err := verdict.Of(t.Context(), r, subject, r.Info().Start, r.Info().End)
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range replaytest.LateStarts(t, r, name) {
				m := replaytest.Late(t, r, from)
				began := m.Info().Start
				segments, err := verdict.Of(t.Context(), m, subject, began, m.Info().End)
				if err != nil {
					t.Fatal(err)
				}
				p, err := PreludeTo(m, subject, verdict.Settle(segments))
				if err != nil {
					t.Fatal(err)
				}
				if p == nil {
					continue
				}
				for i := range p.Facts {
					if f := &p.Facts[i]; f.Time.After(began) || f.Link != "" && !p.Dark.IsZero() && f.Time.After(p.Dark) {
						t.Errorf("from #%d: %s at %s comes too late", from, f, replaytest.Clock(f.Time))
					}
				}
				if p.Dark.IsZero() {
					continue
				}
				told++
				for _, s := range whole {
					// What was written at Dark was heard a moment later.
					if s.Gap == "" && s.To.After(p.Dark.Add(replaytest.Delay)) && s.From.Before(began.Add(-time.Second)) && s.Report.Endpoints.Ready > 0 {
						t.Errorf("from #%d: dark since %s, but at %s it was %s", from, replaytest.Clock(p.Dark), replaytest.Clock(s.From), s.Report.Verdict.State)
					}
				}
				for _, s := range p.Stretches(&segments[0]) {
					if !s.Reconstructed || !s.From.Before(s.To) || s.To.After(began) || s.Report.Verdict.Certainty != analyzer.Possible {
						t.Errorf("from #%d: %+v", from, s)
					}
				}
			}
		})
	}
	if told < 20 && !testing.Short() || told == 0 {
		t.Errorf("only %d recordings were found to begin in the dark", told)
	}
}

// chosen is a timeline of which the recorder was asked for a part only.
type chosen struct{ replay.Timeline }

func (c chosen) Ledger(from, to store.Seq) ([]store.Coverage, error) {
	ledger, err := c.Timeline.Ledger(from, to)
	ledger = slices.Clone(ledger)
	for i := range ledger {
		if ledger[i].Status == store.Current {
			ledger[i].Status, ledger[i].Reason = store.Partial, "only app=web"
		}
	}
	return ledger, err
}

// What a recording of a selection has, it has from before its beginning too.
func TestPastOfASelection(t *testing.T) {
	full := replaytest.Open(t, "bad-image-rollout")
	m := replaytest.Late(t, full, full.Info().Last/2)
	want, err := past.All(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := past.All(chosen{m})
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 || !reflect.DeepEqual(want, got) {
		t.Errorf("%d facts, want %d", len(got), len(want))
	}
}

// TestSinceOfALateRecording: what the selector brought about is not as old as
// its Service.
func TestSinceOfALateRecording(t *testing.T) {
	const incident = "selector-edited"
	r, subject := replaytest.Open(t, incident), replaytest.Subject(t, incident)
	edit := replaytest.Steps(t, incident)[0]
	from, err := r.SeqAt(edit[1].Add(15 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	m := replaytest.Late(t, r, from)
	s, err := replay.NewCursor(m).SeekTime(m.Info().Start.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	v := analyzer.Diagnose(s, subject, analyzer.Options{}).Verdict
	if v.State != analyzer.NotServing || v.SinceNote != "per status" || v.Since.Before(edit[0].Truncate(time.Second)) || v.Since.After(edit[1]) {
		t.Errorf("%s since %s, %s; want since the edit, from %s to %s, per status", v.State, v.Since, v.SinceNote, edit[0], edit[1])
	}
}
