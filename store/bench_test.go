package store

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestBars prints the figures `make bench` collects. It takes minutes, so it
// runs only when SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	events := loadCorpus(t, math.MaxInt)
	t.Run("size", func(t *testing.T) { benchSize(t, events) })
	t.Run("seek", func(t *testing.T) { benchSeek(t, events) })
}

func bench(name string, value float64, unit string) {
	fmt.Printf("bench %s %.4g %s\n", name, value, unit)
}

// benchSize writes the corpus as fast as it goes, committing every 4 MiB.
func benchSize(t *testing.T, events []Event) {
	w, path := create(t, Header{Start: start})
	begun := time.Now()
	for _, e := range events {
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
		if w.Pending() >= 4<<20 {
			if err := w.Commit(e.Time); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := events[len(events)-1].Time
	if err := w.Commit(end); err != nil {
		t.Fatal(err)
	}
	bench("store_ingest_events_per_s", float64(len(events))/time.Since(begun).Seconds(), "events/s")
	begun = time.Now()
	if _, err := w.Seal(end); err != nil {
		t.Fatal(err)
	}
	bench("seal_ms", float64(time.Since(begun).Microseconds())/1000, "ms")
	bench("bytes_per_event", float64(sizeOf(t, path))/float64(len(events)), "B")
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// benchSeek measures how long it takes from Open until what a report of one
// Service needs has been read at a random instant.
func benchSeek(t *testing.T, events []Event) {
	times := map[int]float64{}
	for _, copies := range []int{3, 32} {
		path := filepath.Join(t.TempDir(), "many.svcspy")
		n, objects := manyClusters(t, path, events, copies)
		fmt.Printf("seek over %d events, %d objects, %d MiB\n", n, objects, sizeOf(t, path)>>20)
		var took []float64
		random := rand.New(rand.NewPCG(1, uint64(copies)))
		for range 60 {
			begun := time.Now()
			readService(t, path, random)
			took = append(took, float64(time.Since(begun).Microseconds())/1000)
		}
		slices.Sort(took)
		times[copies] = took[len(took)/2]
		bench(fmt.Sprintf("seek_cold_ms_%d", n), took[len(took)/2], "ms")
		bench(fmt.Sprintf("seek_cold_worst_ms_%d", n), took[len(took)-1], "ms")
	}
	bench("seek_cold_ms", times[32], "ms")
	bench("seek_growth", times[3]/times[32], "ratio")
}

// manyClusters writes the corpus as it were if many namespaces did the same at
// the same time. Only some of its Kubernetes Events are in it, so that about
// 100,000 objects come to 1,000,000 events.
func manyClusters(t *testing.T, path string, events []Event, copies int) (n, objects int) {
	w, err := Create(path, Header{Start: start})
	if err != nil {
		t.Fatal(err)
	}
	w.db.NoSync = true // the disk is not what is measured
	refs := map[Ref]bool{}
	for _, e := range events {
		if e.Resource == eventsResource && !strings.HasSuffix(e.Name, "0") {
			continue
		}
		for c := range copies {
			one := e
			one.Object = inNamespace(e.Object, c)
			if e.Namespace != "" {
				one.Namespace = fmt.Sprintf("team-%02d", c)
			} else if c > 0 {
				continue
			}
			id, _ := scan(one.Resource, one.Object)
			one.UID = id.uid
			refs[one.Ref()] = true
			if _, err := w.Append(one); err != nil {
				t.Fatal(err)
			}
			n++
			if w.Pending() >= 4<<20 {
				if err := w.Commit(e.Time); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := w.Seal(events[len(events)-1].Time); err != nil {
		t.Fatal(err)
	}
	return n, len(refs)
}

// inNamespace rewrites an object of namespace default as of the c-th team's,
// with UIDs of its own.
func inNamespace(raw []byte, c int) []byte {
	raw = bytes.ReplaceAll(raw, []byte(`"namespace":"default"`), fmt.Appendf(nil, `"namespace":"team-%02d"`, c))
	for at := 0; ; {
		n := bytes.Index(raw[at:], []byte(`uid":"`))
		if n < 0 {
			return raw
		}
		at += n + 6
		copy(raw[at:], fmt.Sprintf("%02x", (int(raw[at])+c*37)&0xff))
	}
}

func readService(t *testing.T, path string, random *rand.Rand) {
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info := r.Info()
	instant := info.Start.Add(time.Duration(random.Int64N(int64(info.End.Sub(info.Start)))))
	at, err := r.SeqAt(instant)
	if err != nil {
		t.Fatal(err)
	}
	read := func(q Query) (objects []Event) {
		seqs, err := r.Find(q, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range seqs {
			e, err := r.Event(seq)
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, e)
		}
		return objects
	}
	app := fmt.Sprintf("app%d", random.IntN(20))
	ns := fmt.Sprintf("team-%02d", random.IntN(3))
	read(Query{Resource: corpusResources["Service"], Namespace: ns, Name: app})
	slices := read(Query{Resource: corpusResources["EndpointSlice"], Namespace: ns, Labels: map[string]string{"kubernetes.io/service-name": app}})
	pods := read(Query{Resource: corpusResources["Pod"], Namespace: ns, Labels: map[string]string{"app": app}})
	nodes := read(Query{Resource: corpusResources["Node"]})
	if testing.Verbose() {
		fmt.Printf("at %d: %d slices, %d pods, %d nodes\n", at, len(slices), len(pods), len(nodes))
	}
}
