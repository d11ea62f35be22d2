package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay/replaytest"
	"github.com/svcspy/svcspy/store"
)

// TestWhole walks over each recording, sometimes from a random place, with one cursor that remembers and
// one for each place: both see the same objects.
func TestWhole(t *testing.T) {
	replaytest.Recordings(t, testWhole)
}

func testWhole(t *testing.T, _ string, r *store.Recording) {
	if testing.Short() && r.Info().Last > 600 {
		t.Skip("long")
	}
	last := int(r.Info().Last)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	walker := NewCursor(r)
	seqs := func(list []*analyzer.Object) []store.Seq {
		var all []store.Seq
		for _, o := range list {
			all = append(all, o.Seq)
		}
		return all
	}
	at := store.Seq(0)
	for range 1000 {
		if at++; int(at) > last || random.IntN(20) == 0 {
			at = store.Seq(random.IntN(last + 1))
		}
		one, err := walker.Seek(at)
		if err != nil {
			t.Fatal(err)
		}
		other, err := NewCursor(r).Seek(at)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []store.Query{{Resource: Services}, {Resource: Pods}, {Resource: Nodes}} {
			got, want := one.List(k), other.find(k)
			if at == 0 {
				want = nil
			}
			if diff := cmp.Diff(seqs(want), seqs(got)); diff != "" {
				t.Fatalf("%s at #%d (-each +walking):\n%s", k.Resource.Resource, at, diff)
			}
			if len(got) > 0 {
				got[0] = nil // whoever is given a list may do with it as he likes
			}
		}
	}
}
