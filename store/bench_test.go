package store

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.etcd.io/bbolt"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/kinds"
	"github.com/svcspy/svcspy/store/rawjson"
)

// TestBars prints the figures `make bench` collects. It takes minutes, so it
// runs only when SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	events := loadCorpus(t, corpus.Chosen(), math.MaxInt)
	t.Run("ingest", func(t *testing.T) { benchIngest(t, events) })
	t.Run("peers", func(t *testing.T) { benchPeers(t, events) })
	t.Run("memory", func(t *testing.T) { benchMemory(t, events) })
	t.Run("seek", func(t *testing.T) { benchSeek(t, events) })
}

func bench(name string, value float64, unit string) {
	fmt.Printf("bench %s %.4g %s\n", name, value, unit)
}

// rate runs work over the events and prints how many a second of it.
func rate(t *testing.T, name string, events []Event, work func() error) {
	t.Helper()
	begun := time.Now()
	if err := work(); err != nil {
		t.Fatal(err)
	}
	bench(name, float64(len(events))/time.Since(begun).Seconds(), "events/s")
}

// benchIngest writes the corpus as fast as it goes, committing every 4 MiB.
func benchIngest(t *testing.T, events []Event) {
	w, path := create(t, Header{Start: start})
	end := events[len(events)-1].Time
	rate(t, "store_ingest_events_per_s", events, func() error {
		for _, e := range events {
			if err := recordOne(w, e); err != nil {
				return err
			}
		}
		return w.Commit(end)
	})
	begun := time.Now()
	if _, err := w.Seal(end); err != nil {
		t.Fatal(err)
	}
	bench("store_seal_ms", float64(time.Since(begun).Microseconds())/1000, "ms")
	bench("bytes_per_event", float64(sizeOf(t, path))/float64(len(events)), "B")
	r := open(t, path)
	rate(t, "store_read_events_per_s", events, func() error {
		for _, err := range r.Events(1, r.Info().Last) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func sizeOf(t testing.TB, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

func recordOne(w *Writer, e Event) error {
	if _, err := w.Append(e); err != nil {
		return err
	}
	if w.Pending() >= 4<<20 {
		return w.Commit(e.Time)
	}
	return nil
}

// benchPeers does with the same events what others do.
func benchPeers(t *testing.T, events []Event) {
	perEvent := func(name string, size int64) { bench(name, float64(size)/float64(len(events)), "B") }
	packed, err := corpus.Size()
	if err != nil {
		t.Fatal(err)
	}
	perEvent("bytes_per_event_file", packed) // of the rollout: zstd -19 --long=27
	var size counter
	zip, err := gzip.NewWriterLevel(&size, 6)
	if err != nil {
		t.Fatal(err)
	}
	rate(t, "ingest_events_per_s_gzip6_jsonl", events, func() error { return writeLines(zip, events) })
	perEvent("bytes_per_event_gzip6_jsonl", int64(size))
	path := filepath.Join(t.TempDir(), "raw")
	rate(t, "ingest_events_per_s_bbolt_json", events, func() error { return writeBolt(path, events) })
	perEvent("bytes_per_event_bbolt_json", sizeOf(t, path))
	best, err := zstd.NewWriter(&size, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	size = 0
	rate(t, "ingest_events_per_s_zstd_best_jsonl", events, func() error { return writeLines(best, events) })
	perEvent("bytes_per_event_zstd_best_jsonl", int64(size))
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func writeLines(to io.WriteCloser, events []Event) error {
	for _, e := range events {
		if _, err := fmt.Fprintf(to, `{"time":%q,"type":%q,"object":%s}`+"\n", e.Time.Format(time.RFC3339Nano), e.Type, e.Object); err != nil {
			return err
		}
	}
	return to.Close()
}

// writeBolt puts each event under its number, with as many to a transaction as
// the recorder would.
func writeBolt(path string, events []Event) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	for from := 0; from < len(events); {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("events"))
			for size := 0; err == nil && size < 4<<20 && from < len(events); from++ {
				size += len(events[from].Object)
				err = b.Put(encoding.SeqKey(Seq(from+1)), events[from].Object)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// measured is the environment variable that makes the test binary do one thing
// whose memory is measured: record the corpus to the file it names, or read it.
const measured = "SVCSPY_TEST_MEASURE"

// benchMemory prints the peak memory of recording and of reading everything,
// each in a process of its own. The corpus comes through a pipe, because
// unpacking it takes more than recording it.
func benchMemory(t *testing.T, events []Event) {
	path := filepath.Join(t.TempDir(), "memory")
	for _, what := range []string{"record", "read"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), measured+"="+what+":"+path)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if what == "record" {
			go func() {
				for _, e := range events {
					fmt.Fprintf(stdin, "%s %s\n", e.Resource.Resource, e.Object)
				}
				stdin.Close()
			}()
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", what, err, out)
		}
		kib, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			t.Skipf("%s: %v", what, err)
		}
		bench("store_"+what+"_rss_mib", kib/1024, "MiB")
	}
}

// measure does what the variable says and prints the peak memory in KiB.
func measure(what string) error {
	do, path, _ := strings.Cut(what, ":")
	use := measureRead
	if do == "record" {
		use = measureRecord
	}
	if err := use(path); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	fmt.Println(strings.TrimSpace(peak))
	return nil
}

func measureRecord(path string) error {
	w, err := Create(path, Header{Start: start})
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for n := 0; lines.Scan(); n++ {
		resource, object, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		e := Event{Time: start.Add(time.Duration(n) * time.Millisecond), Type: watch.Modified, Object: object}
		e.Resource = schema.GroupVersionResource{Version: "v1", Resource: string(resource)}
		id, _ := rawjson.Identify(e.Resource, object)
		e.Namespace, e.Name, e.UID, e.ResourceVersion = id.Namespace, id.Name, id.UID, id.ResourceVersion
		if err := recordOne(w, e); err != nil {
			return err
		}
	}
	_, err = w.Seal(start)
	return err
}

func measureRead(path string) error {
	r, err := Open(path)
	if err != nil {
		return err
	}
	for _, err := range r.Events(1, r.Info().Last) {
		if err != nil {
			return err
		}
	}
	return r.Close()
}

// benchSeek measures how long it takes from Open until what a report of one
// Service needs has been read at a random instant.
func benchSeek(t *testing.T, events []Event) {
	services := servicesOf(events)
	if len(services) == 0 {
		t.Skip("no Service of the corpus has a selector")
	}
	times := map[int]float64{}
	for _, copies := range []int{3, 32} {
		path := filepath.Join(t.TempDir(), "many.svcspy")
		n, objects := manyNamespaces(t, path, events, copies)
		var took []float64
		random := rand.New(rand.NewPCG(1, uint64(copies)))
		for range 60 {
			begun := time.Now()
			readService(t, path, services, random)
			took = append(took, float64(time.Since(begun).Microseconds())/1000)
		}
		slices.Sort(took)
		times[copies] = took[len(took)/2]
		name := fmt.Sprintf("store_seek_%dk_", n/1000)
		bench(name+"objects", float64(objects), "objects")
		bench(name+"file_mib", float64(sizeOf(t, path))/(1<<20), "MiB")
		bench(name+"p50_ms", took[len(took)/2], "ms")
		bench(name+"worst_ms", took[len(took)-1], "ms")
	}
	bench("store_seek_cold_ms", times[32], "ms")
	bench("store_seek_growth", times[3]/times[32], "ratio")
}

// manyNamespaces writes the corpus as if many namespaces did the same at the
// same time. Only some of its Kubernetes Events are in it, so that 1,000,000
// events come to about 100,000 objects.
func manyNamespaces(t *testing.T, path string, events []Event, copies int) (n, objects int) {
	w, err := Create(path, Header{Start: start}, noSync) // the disk is not what is measured
	if err != nil {
		t.Fatal(err)
	}
	refs := map[Ref]bool{}
	for _, e := range events {
		if e.Resource == eventsResource && !strings.HasSuffix(e.Name, "0") {
			continue
		}
		for c := range copies {
			one := e
			if e.Namespace != "" {
				one.Namespace = copied(e.Namespace, c)
				one.Object = inNamespace(e.Object, e.Namespace, c)
			} else if c > 0 {
				continue
			}
			id, _ := rawjson.Identify(one.Resource, one.Object)
			one.UID = id.UID
			refs[one.Ref()] = true
			if err := recordOne(w, one); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if _, err := w.Seal(events[len(events)-1].Time); err != nil {
		t.Fatal(err)
	}
	return n, len(refs)
}

// inNamespace rewrites an object of a namespace as of the c-th team's, with UIDs of its own.
func inNamespace(raw []byte, namespace string, c int) []byte {
	raw = bytes.ReplaceAll(raw, fmt.Appendf(nil, `"namespace":%q`, namespace), fmt.Appendf(nil, `"namespace":%q`, copied(namespace, c)))
	for at := 0; ; {
		n := bytes.Index(raw[at:], []byte(`uid":"`))
		if n < 0 {
			return raw
		}
		at += n + 6
		copy(raw[at:], fmt.Sprintf("%02x", (int(raw[at])+c*37)&0xff))
	}
}

func copied(namespace string, c int) string { return fmt.Sprintf("%s-%02d", namespace, c) }

// servicesOf returns the Services of the corpus that have a selector.
func servicesOf(events []Event) (services []Event) {
	seen := map[string]bool{}
	for _, e := range events {
		if e.Resource == kindOf("Service") && !seen[e.Namespace+"/"+e.Name] && rawjson.Member(rawjson.Member(e.Object, "spec"), "selector") != nil {
			seen[e.Namespace+"/"+e.Name] = true
			services = append(services, e)
		}
	}
	return services
}

func kindOf(name string) schema.GroupVersionResource {
	k, _ := kinds.ByName(name)
	return k.Resource
}

// readService reads one of the Services, of one of the first copies, with its
// EndpointSlices, Pods and all Nodes.
func readService(t *testing.T, path string, services []Event, random *rand.Rand) {
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	info := r.Info()
	at, err := r.SeqAt(info.Start.Add(time.Duration(random.Int64N(int64(info.End.Sub(info.Start))))))
	if err != nil {
		t.Fatal(err)
	}
	read := func(kind, ns, name string, labels map[string]string) {
		seqs, err := r.Find(Query{Resource: kindOf(kind), Namespace: ns, Name: name, Labels: labels}, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, seq := range seqs {
			if _, err := r.Event(seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	of := services[random.IntN(len(services))]
	var service struct {
		Spec struct{ Selector map[string]string }
	}
	if err := json.Unmarshal(of.Object, &service); err != nil {
		t.Fatal(err)
	}
	ns := copied(of.Namespace, random.IntN(3))
	read("Service", ns, of.Name, nil)
	read("EndpointSlice", ns, "", map[string]string{"kubernetes.io/service-name": of.Name})
	read("Pod", ns, "", service.Spec.Selector)
	read("Node", "", "", nil)
}
