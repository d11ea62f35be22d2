package flight

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

// soakServer is the environment variable that makes the test binary a flight
// recorder of the API server that it names, so that what is measured is the
// recorder alone.
const soakServer = "SVCSPY_SOAK_SERVER"

func TestMain(m *testing.M) {
	if url := os.Getenv(soakServer); url != "" {
		if err := soakRecorder(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// soakSample is what a flight recorder uses at a time.
type soakSample struct {
	seconds                   int
	rss, heap, file           int64 // bytes
	goroutines, files, events int
}

const soakFormat = "soak %d %d %d %d %d %d %d"

func (s soakSample) String() string {
	return fmt.Sprintf("%6d s  rss %4.0f MiB  heap %4.0f MiB  goroutines %3d  descriptors %3d  file %5.1f MiB  events %d",
		s.seconds, float64(s.rss)/(1<<20), float64(s.heap)/(1<<20), s.goroutines, s.files, float64(s.file)/(1<<20), s.events)
}

// The bounds: of the mean over the last fifth against the mean over the fifth
// around the middle. By then the window has been full for long.
const (
	soakMemory    = 1.10 // times
	soakMemoryAnd = 8 << 20
	soakFile      = 1.25
	soakCounts    = 8 // goroutines and descriptors
	soakRate      = 500
)

// TestSoak records a cluster that changes 500 times a second into a ring for as
// long as SOAK says, and fails if what the recorder uses grows. The window is a
// tenth of that.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("SOAK=2h runs it (make soak)")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("it needs /proc")
	}
	cluster := newChurn(1000)
	server := httptest.NewServer(cluster)
	defer server.Close()
	defer server.CloseClientConnections()
	ctx, cancel := context.WithTimeout(t.Context(), length+time.Minute)
	defer cancel()
	go cluster.run(ctx, soakRate)
	dir := t.TempDir()
	profile := os.Getenv("SOAK_PROFILE")
	if profile == "" {
		profile = filepath.Join(dir, "heap.pprof")
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), soakServer+"="+server.URL, "SOAK_DIR="+dir, "SOAK_LENGTH="+length.String(), "SOAK_PROFILE="+profile)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var samples []soakSample
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s soakSample
		if _, err := fmt.Sscanf(lines.Text(), soakFormat, &s.seconds, &s.rss, &s.heap, &s.file, &s.goroutines, &s.files, &s.events); err != nil {
			t.Errorf("%q: %v", lines.Text(), err)
		}
		samples = append(samples, s)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	n := len(samples)
	if n < 20 {
		t.Fatalf("only %d samples", n)
	}
	early, middle, end := mean(samples[n/5:2*n/5]), mean(samples[2*n/5:3*n/5]), mean(samples[4*n/5:])
	for name, s := range map[string]soakSample{"start ": early, "middle": middle, "end   ": end} {
		t.Logf("bench soak_%s %s", name, s)
	}
	if want := int(length.Seconds()) * soakRate * 8 / 10; samples[n-1].events < want {
		t.Errorf("%d events were recorded, want %d: it is no soak", samples[n-1].events, want)
	}
	if most := int64(float64(middle.rss)*soakMemory) + soakMemoryAnd; end.rss > most {
		t.Errorf("RSS grew from %d to %d MiB, at most %d are allowed", middle.rss>>20, end.rss>>20, most>>20)
	}
	if most := int64(float64(middle.file) * soakFile); end.file > most {
		t.Errorf("the file grew from %d to %d KiB", middle.file>>10, end.file>>10)
	}
	if end.goroutines > middle.goroutines+soakCounts || end.files > middle.files+soakCounts {
		t.Errorf("goroutines grew from %d to %d, descriptors from %d to %d", middle.goroutines, end.goroutines, middle.files, end.files)
	}
}

func mean(samples []soakSample) soakSample {
	var m soakSample
	for _, s := range samples {
		m.seconds += s.seconds
		m.rss, m.heap, m.file = m.rss+s.rss, m.heap+s.heap, m.file+s.file
		m.goroutines, m.files, m.events = m.goroutines+s.goroutines, m.files+s.files, m.events+s.events
	}
	n := len(samples)
	return soakSample{m.seconds / n, m.rss / int64(n), m.heap / int64(n), m.file / int64(n), m.goroutines / n, m.files / n, m.events / n}
}

// soakRecorder is a flight recorder that prints samples and ends by itself.
func soakRecorder(url string) error {
	length, err := time.ParseDuration(os.Getenv("SOAK_LENGTH"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	options := recorder.Options{Config: &rest.Config{Host: url}, Profile: recorder.Minimal, Redactor: redact.Standard(false)}
	header, err := recorder.Prepare(ctx, options)
	if err != nil {
		return err
	}
	header.Scope = options.Scope()
	path := filepath.Join(os.Getenv("SOAK_DIR"), "ring.db")
	w, err := store.Create(path, header, store.Window(length/10))
	if err != nil {
		return err
	}
	condition, err := ParseCondition("svc/shop/web NotServing")
	if err == nil {
		err = condition.Resolve("", header.Resources)
	}
	if err != nil {
		return err
	}
	silent := func(string, ...any) {}
	warn := func(format string, args ...any) { fmt.Fprintf(os.Stderr, "soak: "+format+"\n", args...) }
	ring := NewRing(w, path, "soak")
	ring.After, ring.Most, ring.Warn = length/40, 1, warn
	s := &Session{Path: path, Writer: w, Ring: ring, Watch: NewVerdictWatch(nil, nil, []Condition{condition}, false), Now: time.Now, Say: silent, Warn: warn}
	events := make(chan uint64, 1)
	options.Progress = func(p recorder.Progress) {
		select {
		case <-events:
		default:
		}
		events <- p.Events
	}
	began := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		known := uint64(0)
		for ticks := time.NewTicker(max(length/200, time.Second)); ; {
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
			select {
			case known = <-events:
			default:
			}
			printSample(time.Since(began), path, known)
			if err := writeHeapProfile(); err != nil {
				warn("%v", err)
			}
		}
	}()
	err = s.Run(ctx, options)
	<-done
	_, sealErr := s.Seal()
	return errors.Join(err, s.Err(), sealErr)
}

// writeHeapProfile writes what is in use now; the last one of a soak stays.
func writeHeapProfile() error {
	profile, err := os.Create(os.Getenv("SOAK_PROFILE"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(profile), profile.Close())
}

func printSample(at time.Duration, path string, events uint64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var rss int64
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, after, _ := strings.Cut(string(status), "VmRSS:")
		kib, _, _ := strings.Cut(strings.TrimSpace(after), " ")
		rss, _ = strconv.ParseInt(kib, 10, 64)
	}
	files, _ := os.ReadDir("/proc/self/fd")
	size := int64(0)
	if st, err := os.Stat(path); err == nil {
		size = st.Size()
	}
	fmt.Printf(soakFormat+"\n", int(at.Seconds()), rss<<10, m.HeapInuse, size, runtime.NumGoroutine(), len(files), events)
}
