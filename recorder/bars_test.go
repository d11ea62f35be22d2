package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/client-go/kubernetes/scheme"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/svcspy/svcspy/fixtures/corpus"
	"github.com/svcspy/svcspy/store"
)

// TestBars prints the figures `make bench` collects, of the real program
// against a server in a process of its own. It takes minutes, so it runs only
// when SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	t.Run("record_ingest", benchIngest)
	t.Run("record_rss", benchMemory)
	t.Run("record_cpu", benchCPU)
	t.Run("record_kill", benchKill)
	t.Run("agent", benchAgent)
}

func bench(name string, value float64, unit string) {
	fmt.Printf("bench %s %.4g %s\n", name, value, unit)
}

// benchIngest records the corpus as fast as it goes, from the first byte until
// everything is durable, and lets others read the same: client-go, from memory
// and with nothing to do afterwards, and kubectl.
func benchIngest(t *testing.T) {
	s := startServerProcess(t, fmt.Sprint("corpus:", 1<<30))
	w, err := readWatches(corpus.Chosen(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	p := startRecorder(t, s, "--profile", "full")
	lists := uint64(2 * len(w.kinds)) // a RELIST and a bookmark each
	p.durable(t, lists)
	begun := time.Now()
	s.begin(t)
	p.durable(t, lists+uint64(w.events))
	took := time.Since(begun)
	p.seal(t)
	rate := float64(w.events) / took.Seconds()
	bench("ingest_events_per_s", rate, "events/s")
	bench("ingest_events_per_cpu_s", float64(w.events)/(p.cmd.ProcessState.SystemTime()+p.cmd.ProcessState.UserTime()).Seconds(), "events/s")

	begun, used := time.Now(), cpuTime(t)
	if n, err := decodeAll(w); err != nil || n != w.events {
		t.Fatalf("client-go decoded %d of %d events: %v", n, w.events, err)
	}
	decoded := float64(w.events) / time.Since(begun).Seconds()
	bench("decode_events_per_s_client_go", decoded, "events/s")
	bench("decode_events_per_cpu_s_client_go", float64(w.events)/(cpuTime(t)-used).Seconds(), "events/s")
	bench("ingest_ratio_decode", rate/decoded, "ratio")
	t.Run("kubectl", benchKubectl)
}

// decodeAll reads the corpus as the watch of a dynamic client does, and returns
// how many events that was.
func decodeAll(w *watches) (int, error) {
	n := 0
	serializer := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{})
	for _, text := range w.byKind {
		frames := json.Framer.NewFrameReader(io.NopCloser(bytes.NewReader(text)))
		decoder := restwatch.NewDecoder(streaming.NewDecoder(frames, serializer), unstructured.UnstructuredJSONScheme)
		for {
			_, _, err := decoder.Decode()
			if err == io.EOF {
				break
			}
			if err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// benchKubectl has kubectl print the beginning of the corpus, of the kind of which there
// is most.
func benchKubectl(t *testing.T) {
	kubectl, err := findKubectl()
	if err != nil {
		fmt.Printf("bench ingest_events_per_s_kubectl skipped: %v\n", err)
		t.Skip(err)
	}
	const events = 12_000
	w, err := readWatches(corpus.Chosen(), events)
	if err != nil {
		t.Fatal(err)
	}
	kind, most := "", 0
	for _, k := range slices.Sorted(maps.Keys(w.byKind)) {
		if n := bytes.Count(w.byKind[k], []byte("\n")); n > most {
			kind, most = w.kinds[k].Name+"."+w.kinds[k].Version+"."+w.kinds[k].Group, n
		}
	}
	s := startServerProcess(t, fmt.Sprint("corpus:", events))
	cmd := exec.Command(kubectl, "get", kind, "-A", "-w", "-o", "json", "--output-watch-events", "--server", s.url)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+os.DevNull, "HOME="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	s.begin(t)
	begun := time.Now()
	buf := make([]byte, 1<<20)
	for seen := 0; seen < most; { // an event is a line
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("kubectl printed %d of %d events: %v", seen, most, err)
		}
		seen += bytes.Count(buf[:n], []byte("\n"))
	}
	took := time.Since(begun)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	bench("ingest_events_per_s_kubectl", float64(most)/took.Seconds(), "events/s")
	bench("ingest_events_per_cpu_s_kubectl", float64(most)/(cmd.ProcessState.SystemTime()+cmd.ProcessState.UserTime()).Seconds(), "events/s")
}

// findKubectl returns the kubectl that fixtures/controlplane has built, or the
// user's own.
func findKubectl() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	built, err := filepath.Glob(filepath.Join(cache, "svcspy", "controlplane", "*", "kubectl"))
	if err != nil {
		return "", err
	}
	if len(built) > 0 {
		return built[len(built)-1], nil
	}
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return "", errors.New("there is no kubectl; `make cluster-up` builds one")
	}
	return path, nil
}

// benchMemory records 100,000 Pods, 600 MB of JSON, and changes to a tenth of
// them, and prints how much memory that took at most.
func benchMemory(t *testing.T) {
	const pods = 100_000
	s := startServerProcess(t, fmt.Sprint("pods:", pods))
	p := startRecorder(t, s)
	p.durable(t, pods+2) // with RELIST and the bookmark
	listed := statusField(p.cmd.Process.Pid, "VmHWM:")
	s.begin(t)
	p.durable(t, pods+2+pods/10)
	watched := statusField(p.cmd.Process.Pid, "VmHWM:")
	p.seal(t)
	t.Logf("peak after the list %d MiB, after the changes %d MiB, after sealing %d MiB", listed>>10, watched>>10, p.peak>>10)
	bench("record_rss_mib", float64(p.peak)/1024, "MiB")
}

// benchCPU prints how much of one core recording 1,000 events a second takes.
func benchCPU(t *testing.T) {
	s := startServerProcess(t, "rate:1000")
	p := startRecorder(t, s)
	p.durable(t, 3000)
	before, begun := p.cpu(t), time.Now()
	time.Sleep(15 * time.Second)
	used, took := p.cpu(t)-before, time.Since(begun)
	p.seal(t)
	bench("record_cpu_at_1k", 100*used.Seconds()/took.Seconds(), "%")
}

// cpu returns the processor time the recorder has used.
func (p *recorderProcess) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	ticks := 0
	for _, f := range fields[11:13] { // user and system time, in hundredths of a second on every Linux
		n, err := strconv.Atoi(string(f))
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// benchAgent runs the agent on 100,000 Pods that change 1,000 times a second, and prints
// its memory at most and its part of a core, from one segment to the next but one. That
// takes as long as SVCSPY_BENCH_AGENT says, three minutes without it: then segments are
// cut twelve times as often as in 35m, which has the ring of half an hour filled.
func benchAgent(t *testing.T) {
	const pods, rate = 100_000, 1000
	length := 3 * time.Minute
	if text := os.Getenv("SVCSPY_BENCH_AGENT"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	every := (length * 2 / 7).Truncate(10 * time.Second)
	s := startServerProcess(t, fmt.Sprintf("rate:%d:%d", rate, pods))
	dir, to := t.TempDir(), t.TempDir()
	p := startProgram(t, s, filepath.Join(dir, "ring.db"), "agent", "--dir", dir, "--to", to, "--cluster-name", "bench", "--every", every.String())
	begun := time.Now()
	p.durable(t, pods+2)
	t.Logf("the list took %s; a segment each %s", time.Since(begun).Round(time.Second), every)
	segments := func() int {
		found, err := filepath.Glob(filepath.Join(to, "bench", "*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	stored := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(3*every + 2*time.Minute); segments() < n; time.Sleep(50 * time.Millisecond) {
			select {
			case <-p.done:
				t.Fatalf("the agent ended: %v\n%s", p.err, &p.errors)
			default:
			}
			if time.Now().After(deadline) {
				p.seal(t)
				t.Fatalf("%d segments, want %d\n%s", segments(), n, &p.errors)
			}
		}
	}
	stored(1)
	before, from := p.cpu(t), time.Now()
	stored(3)
	used, took := p.cpu(t)-before, time.Since(from)
	t.Logf("%s of a core from the first to the third segment, in %s", used, took.Round(time.Second))
	time.Sleep(time.Until(begun.Add(length)))
	p.seal(t)
	r, err := filepath.Glob(filepath.Join(to, "bench", "*", "*.db"))
	if err != nil || len(r) < 4 {
		t.Fatalf("%q, %v", r, err)
	}
	last := 0
	for _, path := range r {
		rv, err := lastRecorded(path)
		if err != nil {
			t.Fatal(err)
		}
		last = max(last, rv)
	}
	if want := int(length.Seconds()) * rate * 9 / 10; last < want {
		t.Errorf("it recorded up to change %d, want at least %d: it did not keep up", last, want)
	}
	bench("agent_rss_mib", float64(p.peak)/1024, "MiB")
	bench("agent_cpu", 100*used.Seconds()/took.Seconds(), "%")
}

// benchKill ends recorders with kill -9, 200 times, and prints the longest time
// before a kill of which something is missing in the file.
func benchKill(t *testing.T) {
	const (
		rate    = 250 // events a second for each
		atOnce  = 4
		rounds  = 50
		longest = time.Second
	)
	s := startServerProcess(t, fmt.Sprint("rate:", rate))
	started, err := strconv.ParseInt(s.words[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	sent := &pace{start: time.UnixMicro(started), rate: rate}
	var mu sync.Mutex
	var lost []time.Duration
	for range rounds {
		var recorders []*recorderProcess
		for range atOnce {
			recorders = append(recorders, startRecorder(t, s))
		}
		var killed sync.WaitGroup
		for _, p := range recorders {
			p.durable(t, 1003)
			killed.Go(func() {
				time.Sleep(rand.N(longest))
				at := time.Now()
				if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
					t.Error(err)
					return
				}
				<-p.done
				rv, err := lastRecorded(p.path)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				lost = append(lost, at.Sub(sent.at(rv+1)))
			})
		}
		killed.Wait()
		if t.Failed() {
			return
		}
	}
	slices.Sort(lost)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	bench("kill_lost_median_ms", ms(lost[len(lost)/2]), "ms")
	bench("kill_lost_ms", ms(lost[len(lost)-1]), "ms")
}

// lastRecorded returns the resourceVersion of the last event of a file.
func lastRecorded(path string) (int, error) {
	r, err := store.Open(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	last, newest := r.Info().Last, 0
	for e, err := range r.Events(max(last, 1000)-999, last) {
		if err != nil {
			return 0, err
		}
		if rv, err := strconv.Atoi(e.ResourceVersion); err == nil {
			newest = rv
		}
	}
	if newest > 0 {
		return newest, nil
	}
	return 0, errors.New("nothing was recorded")
}
