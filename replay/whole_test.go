package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/store"
)

// TestWhole walks over a recording at random, with one cursor that remembers and
// one for each place: both see the same objects.
func TestWhole(t *testing.T) {
	r, err := store.Open("../fixtures/incidents/node-loss.db")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
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
	for range 300 {
		at := store.Seq(random.IntN(last + 1))
		one, err := walker.Seek(at)
		if err != nil {
			t.Fatal(err)
		}
		other, err := NewCursor(r).Seek(at)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []store.Query{{Resource: Services}, {Resource: podResource}, {Resource: nodeResource}} {
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
