package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/block"
)

// longRun records a run of many whole blocks: objects that look like their siblings,
// change often, rarely or never, are deleted, or vanish from a list and come back.
func longRun(t *testing.T, path string, random *rand.Rand) {
	t.Helper()
	begin := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	w, err := Create(path, Header{ID: "run", Start: begin}, noSync)
	if err != nil {
		t.Fatal(err)
	}
	const objects = 60
	noise := make([]byte, 6000)
	for i := range noise {
		noise[i] = 'a' + byte(random.IntN(26))
	}
	there := map[int]string{}
	at := begin
	put := func(e Event) {
		t.Helper()
		at = at.Add(time.Second)
		e.Time, e.Resource = at, resources[0]
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	object := func(i, rv int) (kind watch.EventType, e Event) {
		if kind = watch.Modified; there[i] == "" {
			kind, there[i] = watch.Added, fmt.Sprintf("uid-%d-%d", i, rv)
		}
		for range 1500 {
			noise[random.IntN(len(noise))] = 'a' + byte(random.IntN(26))
		}
		name, owner := fmt.Sprintf("pod-%d", i), fmt.Sprintf("owner-%d", i%7)
		return kind, Event{Type: kind, Namespace: "shop", Name: name, UID: types.UID(there[i]), ResourceVersion: fmt.Sprint(rv), Object: fmt.Appendf(nil,
			`{"metadata":{"namespace":"shop","name":%q,"uid":%q,"resourceVersion":"%d","labels":{"app":"a%d"},"ownerReferences":[{"uid":%q}]},"data":%q}`,
			name, there[i], rv, rv/100%3, owner, noise)}
	}
	list := func(rv int, without func(i int) bool) {
		put(Event{Type: Relist})
		for i := range objects {
			if without(i) {
				delete(there, i)
				continue
			}
			_, e := object(i, rv)
			e.Type = watch.Added
			put(e)
		}
		put(Event{Type: watch.Bookmark, Object: endOfList})
	}
	list(1, func(int) bool { return false })
	if _, err := w.Cover(Coverage{Time: at, Resource: resources[0], Status: Current}); err != nil {
		t.Fatal(err)
	}
	for rv := 2; rv < 2500; rv++ {
		i := min(random.IntN(objects), random.IntN(objects)) // those at the end seldom change
		switch _, e := object(i, rv); {
		case rv%700 == 0:
			list(rv, func(i int) bool { return i%5 == 0 })
		case rv%40 == 0 && e.Type == watch.Modified:
			e.Type = watch.Deleted
			put(e)
			delete(there, i)
		default:
			put(e)
		}
		if rv%10 == 0 {
			if err := w.Commit(at); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Seal(at); err != nil {
		t.Fatal(err)
	}
}

// TestBlocksAreCopied cuts a long run into excerpts and joins them: each answers as the
// run does, and no version takes more deltas and blocks than a reader goes through.
func TestBlocksAreCopied(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "run.db")
	longRun(t, path, random)
	run := openRecording(t, path)
	info := run.Info()
	var parts []*Recording
	whole := 0
	for first := Seq(1); first <= info.Last; {
		last := min(first+Seq(200+random.IntN(600)), info.Last)
		begin, err1 := run.TimeOf(first)
		end, err2 := run.TimeOf(last)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if first == 1 {
			begin = info.Start
		}
		out := fmt.Sprintf("%s-%d", path, len(parts))
		x := Excerpt{Header: Header{ID: out, Start: begin, Source: &Source{ID: info.ID, Start: info.Start, End: info.End}}, First: first, End: end}
		if _, err := run.Excerpt(out, x, noSync); err != nil {
			t.Fatal(err)
		}
		part := openRecording(t, out)
		answersAs(t, run, part)
		parts = append(parts, part)
		first = part.Info().Last + 1
		whole += len(blockSums(t, part))
	}
	joined := path + "-joined"
	if _, err := Join(joined, Header{ID: "joined"}, parts, noSync); err != nil {
		t.Fatal(err)
	}
	r := openRecording(t, joined)
	if got, want := r.Info().Events, info.Events; got != want || fmt.Sprint(r.Kinds()) != fmt.Sprint(run.Kinds()) {
		t.Errorf("%d events %v, want %d %v", got, r.Kinds(), want, run.Kinds())
	}
	answersAs(t, run, r)
	same := 0
	of := blockSums(t, r)
	for _, p := range parts {
		for sum := range blockSums(t, p) {
			if of[sum] {
				same++
			}
		}
	}
	t.Logf("%d parts; %d of %d blocks, %d of them as they were", len(parts), len(of), whole, same)
	if len(parts) < 5 || same < len(parts) {
		t.Errorf("%d parts, %d blocks were taken over as they were", len(parts), same)
	}
}

// blockSums returns the contents of a recording's blocks without their chains.
func blockSums(t *testing.T, r *Recording) map[string]bool {
	t.Helper()
	sums := map[string]bool{}
	for from := Seq(1); from <= r.Info().Last; {
		b, value, err := r.rawBlock(from)
		if err != nil {
			t.Fatal(err)
		}
		sums[string(value[33:])] = true
		from = b.Last() + 1
	}
	return sums
}

// answersAs checks a recording that was made of a run, from its First on.
func answersAs(t *testing.T, run, r *Recording) {
	t.Helper()
	v, err := Verify(r.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Damage {
		t.Fatalf("%s: %v", r.path, d)
	}
	first, last := r.Info().First, r.Info().Last
	var want []Event
	for e, err := range run.Events(first, last) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	n := 0
	for e, err := range r.Events(first, last) {
		if err != nil {
			t.Fatal(err)
		}
		if n >= len(want) || !reflect.DeepEqual(e, want[n]) {
			t.Fatalf("event %d is another", e.Seq)
		}
		n++
	}
	if n != len(want) {
		t.Fatalf("%d events, want %d", n, len(want))
	}
	for seq := first; seq <= last; seq += 37 {
		for _, q := range []Query{{}, {Resource: resources[0], Labels: map[string]string{"app": "a1"}}, {Resource: resources[0], Owner: "owner-3"}} {
			got, err1 := r.Find(q, seq)
			want, err2 := run.Find(q, seq)
			if err1 != nil || err2 != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("find %v at %d: %v, want %v; %v %v", q, seq, got, want, err1, err2)
			}
		}
		got, err1 := r.TimeOf(seq)
		want, err2 := run.TimeOf(seq)
		if err1 != nil || err2 != nil || !got.Equal(want) {
			t.Fatalf("time of %d: %s, want %s; %v %v", seq, got, want, err1, err2)
		}
	}
	type chain struct{ hops, blocks int }
	chains := map[Seq]chain{}
	for from := Seq(1); from <= last; {
		b, err := r.block(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Entries {
			own := chain{0, 1}
			if e.Tag&block.TagDelta != 0 {
				before, there := chains[e.Seq-Seq(e.Back)]
				if !there {
					t.Fatalf("the base of %d is missing", e.Seq)
				}
				if own = (chain{before.hops + 1, before.blocks}); e.Seq-Seq(e.Back) < b.First {
					own.blocks++
				}
			}
			if chains[e.Seq] = own; own.hops > 512 || own.blocks > 18 {
				t.Fatalf("position %d takes %d deltas and %d blocks", e.Seq, own.hops, own.blocks)
			}
		}
		from = b.Last() + 1
	}
}

func openRecording(t *testing.T, path string) *Recording {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
