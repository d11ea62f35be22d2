package tui

import (
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// meter counts what is read of a timeline, which the screen does from several
// goroutines.
type meter struct {
	*store.Memory
	events, positions atomic.Int64
	history           atomic.Int64 // positions of the versions of single objects, from the index
}

// readings are a meter's counts at one time.
type readings struct{ events, positions, history int64 }

func (c *meter) now() readings {
	return readings{c.events.Load(), c.positions.Load(), c.history.Load()}
}

func (c *meter) Event(seq store.Seq) (store.Event, error) {
	c.events.Add(1)
	return c.Memory.Event(seq)
}

func (c *meter) Events(from, to store.Seq) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		for e, err := range c.Memory.Events(from, to) {
			c.events.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}

func (c *meter) Touched(q store.Query, from, to store.Seq) ([]store.Seq, error) {
	seqs, err := c.Memory.Touched(q, from, to)
	c.positions.Add(int64(len(seqs)))
	return seqs, err
}

func (c *meter) History(ref store.Ref, at store.Seq) ([]store.Seq, error) {
	seqs, err := c.Memory.History(ref, at)
	c.history.Add(int64(len(seqs)))
	return seqs, err
}

func (c *meter) Ledger(from, to store.Seq) ([]store.Coverage, error) {
	ledger, err := c.Memory.Ledger(from, to)
	c.positions.Add(int64(len(ledger)))
	return ledger, err
}

// shift writes a recording of a cluster in which things go on: three Services
// whose Pods fail and are replaced, on Nodes that renew their Leases.
type shift struct {
	*testing.T
	m  *store.Memory
	at time.Time
	rv int
}

func (s *shift) say(typ watch.EventType, resource schema.GroupVersionResource, namespace, name, body string) {
	s.Helper()
	s.rv++
	meta := fmt.Sprintf(`"namespace":%q,"name":%q,"uid":"%s-%s","resourceVersion":"%d"`, namespace, name, resource.Resource, name, s.rv)
	_, err := s.m.Append(store.Event{
		Time: s.at, Type: typ, Resource: resource, Namespace: namespace, Name: name, UID: types.UID(resource.Resource + "-" + name),
		ResourceVersion: fmt.Sprint(s.rv), Object: []byte(strings.Replace(body, "META", meta, 1)),
	})
	if err != nil {
		s.Fatal(err)
	}
}

var (
	leaseResource = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	podsOfShift   = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

const shiftServices, shiftNodes = 3, 3

func (s *shift) begin() {
	for _, r := range []schema.GroupVersionResource{replay.Services, podsOfShift, replay.EndpointSlices, replay.Nodes, leaseResource} {
		if _, err := s.m.Cover(store.Coverage{Time: s.at, Resource: r, Status: store.Current}); err != nil {
			s.Fatal(err)
		}
	}
	for i := range shiftServices {
		name := fmt.Sprintf("web%d", i)
		s.say(watch.Added, replay.Services, "shop", name, fmt.Sprintf(`{"metadata":{META},"spec":{"clusterIP":"10.0.0.%d","type":"ClusterIP","ipFamilies":["IPv4"],"selector":{"app":%q},"ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080}]}}`, i+1, name))
		s.pod(watch.Added, i, 0, true)
		s.slice(i, 0, true)
	}
}

func (s *shift) pod(typ watch.EventType, service, generation int, ready bool) {
	name := fmt.Sprintf("web%d", service)
	s.say(typ, podsOfShift, "shop", fmt.Sprintf("%s-%d", name, generation), fmt.Sprintf(`{"metadata":{META,"labels":{"app":%q}},"spec":{"nodeName":"n%d","containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running","podIP":"10.1.%[2]d.%d","podIPs":[{"ip":"10.1.%[2]d.%[3]d"}],"conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":%[4]q,"lastTransitionTime":%[5]q},{"type":"ContainersReady","status":%[4]q}],"containerStatuses":[{"name":"c","ready":%[6]t,"started":true,"state":{"running":{"startedAt":%[5]q}}}]}}`,
		name, service, generation%250+1, map[bool]string{true: "True", false: "False"}[ready], s.at.Format(time.RFC3339), ready))
}

func (s *shift) slice(service, generation int, ready bool) {
	name := fmt.Sprintf("web%d", service)
	pod := fmt.Sprintf("%s-%d", name, generation)
	s.say(watch.Modified, replay.EndpointSlices, "shop", name+"-x", fmt.Sprintf(`{"metadata":{META,"labels":{"kubernetes.io/service-name":%q,"endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"},"ownerReferences":[{"apiVersion":"v1","kind":"Service","name":%[1]q,"uid":"services-%[1]s","controller":true}]},"addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":[{"addresses":["10.1.%d.%d"],"conditions":{"ready":%t,"serving":%[4]t},"nodeName":"n%[2]d","targetRef":{"kind":"Pod","namespace":"shop","name":%[5]q,"uid":"pods-%[5]s"}}]}`,
		name, service, generation%250+1, ready, pod))
}

// step writes what happens in twenty seconds.
func (s *shift) step(n int) {
	s.at = s.at.Add(20 * time.Second)
	for i := range shiftNodes {
		renewed := s.at.Format("2006-01-02T15:04:05.000000Z")
		s.say(watch.Modified, leaseResource, "kube-node-lease", fmt.Sprintf("n%d", i), fmt.Sprintf(`{"metadata":{META},"spec":{"holderIdentity":"n%d","leaseDurationSeconds":40,"renewTime":%q}}`, i, renewed))
		if n%3 == 0 {
			s.say(watch.Modified, replay.Nodes, "", fmt.Sprintf("n%d", i), fmt.Sprintf(`{"metadata":{META},"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":%q}]}}`, s.at.Format(time.RFC3339)))
		}
	}
	service := n % shiftServices
	generation := n / 30
	switch {
	case n%30 < shiftServices && generation > 0: // each Pod is replaced every ten minutes
		s.pod(watch.Deleted, service, generation-1, false)
		s.pod(watch.Added, service, generation, true)
		s.slice(service, generation, true)
	default: // and fails, and recovers
		ready := n/shiftServices%2 == 0
		s.pod(watch.Modified, service, generation, ready)
		s.slice(service, generation, ready)
	}
	if err := s.m.Commit(s.at); err != nil {
		s.Fatal(err)
	}
}

// TestShift follows a recording for eight hours, on the list of Services and on a
// Service: a refresh in the last hour reads no more than one in the second, and
// the screen holds no more.
func TestShift(t *testing.T) {
	for _, subject := range []store.Ref{{}, {Resource: replay.Services, Namespace: "shop", Name: "web0"}} {
		t.Run("subject="+subject.Name, func(t *testing.T) {
			begin := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
			s := &shift{T: t, m: store.NewMemory(store.Header{Start: begin}), at: begin}
			s.begin()
			const hour = 180
			work := &meter{Memory: s.m}
			for n := range 10 {
				s.step(n)
			}
			screen := newShiftStage(t, work, subject)
			var at [9]readings
			var held [9]int
			for n := 10; n < 8*hour; n++ {
				s.step(n)
				screen.grow()
				if n%hour == hour-1 {
					at[n/hour+1] = work.now()
					held[n/hour+1] = screen.held()
				}
			}
			for h := 2; h <= 8; h++ {
				t.Logf("hour %d: %d events and %d positions read, %d of histories, %d verdicts, places and interests held", h, at[h].events-at[h-1].events, at[h].positions-at[h-1].positions, at[h].history-at[h-1].history, held[h])
			}
			second, last := at[2].events-at[1].events, at[8].events-at[7].events
			if last > second+second/4 {
				t.Errorf("events read in the second hour: %d, in the eighth: %d", second, last)
			}
			second, last = at[2].positions-at[1].positions, at[8].positions-at[7].positions
			if last > second+second/4 {
				t.Errorf("positions read in the second hour: %d, in the eighth: %d", second, last)
			}
			if most := screen.m.moments.Limit + shiftServices*1100; held[8] > most {
				t.Errorf("held after eight hours: %d, want at most %d", held[8], most)
			}
			if screen.m.at() != s.at {
				t.Errorf("the screen shows %s, want the end %s", screen.m.at(), s.at)
			}
		})
	}
}

// newShiftStage is a stage whose screen does not wait for the recording to grow.
func newShiftStage(t *testing.T, timeline replay.Timeline, subject store.Ref) *stage {
	t.Helper()
	o, err := opened(timeline)
	if err != nil {
		t.Fatal(err)
	}
	o.Subject = subject
	m, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.tick = func(time.Duration, func(time.Time) tea.Msg) tea.Cmd { return nil }
	m.moments.Limit = 1000
	return &stage{T: t, m: m}
}

// grow tells the screen that the recording has grown, without the wait for more.
func (s *stage) grow() {
	s.Helper()
	m := s.m
	m.end()
	for _, cmd := range []tea.Cmd{m.survey(), m.beginPage()} {
		s.run(cmd)
	}
}

// held is how much the screen keeps of what it has seen.
func (s *stage) held() int {
	n := len(s.m.all.all)
	for _, c := range s.m.courses {
		n += len(c.segments)
	}
	for _, i := range s.m.interest {
		n += len(i.Places)
	}
	return n
}
