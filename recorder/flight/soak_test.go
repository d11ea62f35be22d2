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
	"slices"
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

// The bounds on growth: of the trend after warming up, over the time that is left.
// A machine that is busy makes all of it slower, not larger.
const (
	soakWarm   = 2.0 / 5 // of the length: by then the window has been full for long
	soakMemory = 0.10    // of the median
	soakFile   = 0.25    // of the median
	soakCounts = 8       // goroutines and descriptors
	soakRate   = 500     // events/s that the cluster makes
	// soakSpare is how much RSS may grow besides: the collector's own steps. Within
	// the first hour the caches still fill up to their bounds (64 MiB of decoded
	// objects beside the recorder, 24 MiB of versions, 32 MiB each of blocks and of
	// bases for deltas), and the collector lets the heap grow to twice of that.
	soakSpare, soakShort, soakShortSpare = 8 << 20, time.Hour, 256 << 20
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
	warm := int(float64(n) * soakWarm)
	for name, s := range map[string]soakSample{"start ": samples[n/10], "middle": samples[n/2], "end   ": samples[n-1]} {
		t.Logf("bench soak_%s %s", name, s)
	}
	t.Logf("bench soak_rate %.0f events/s of %d", float64(samples[n-1].events)/float64(samples[n-1].seconds), soakRate)
	if samples[n-1].events <= samples[warm].events {
		t.Errorf("nothing was recorded after %d s", samples[warm].seconds)
	}
	spare := float64(soakSpare)
	if length < soakShort {
		spare = soakShortSpare
	}
	for _, of := range []struct {
		name        string
		value       func(soakSample) float64
		part, spare float64
	}{
		{"RSS", func(s soakSample) float64 { return float64(s.rss) }, soakMemory, spare},
		{"file", func(s soakSample) float64 { return float64(s.file) }, soakFile, 0},
		{"goroutines", func(s soakSample) float64 { return float64(s.goroutines) }, 0, soakCounts},
		{"descriptors", func(s soakSample) float64 { return float64(s.files) }, 0, soakCounts},
	} {
		median, growth := trend(samples[warm:], of.value)
		t.Logf("bench soak_%s median %.0f, trend %+.0f", of.name, median, growth)
		if most := of.part*median + of.spare; growth > most {
			t.Errorf("%s: the trend is %+.0f, at most %.0f is allowed; the median is %.0f", of.name, growth, most, median)
		}
	}
}

// trend returns the median of a value and by how much it grows over the samples:
// by the median of the slopes between all pairs of them, which a few samples at
// a bad moment do not change.
func trend(samples []soakSample, value func(soakSample) float64) (median, growth float64) {
	var values, slopes []float64
	for i, a := range samples {
		values = append(values, value(a))
		for _, b := range samples[i+1:] {
			if b.seconds > a.seconds {
				slopes = append(slopes, (value(b)-value(a))/float64(b.seconds-a.seconds))
			}
		}
	}
	slices.Sort(values)
	slices.Sort(slopes)
	if len(slopes) == 0 {
		return 0, 0
	}
	span := samples[len(samples)-1].seconds - samples[0].seconds
	return values[len(values)/2], slopes[len(slopes)/2] * float64(span)
}

// TestTrend: a leak of a little each second is seen through steps and outliers.
func TestTrend(t *testing.T) {
	var flat, leaking []soakSample
	for n := range 100 {
		s := soakSample{seconds: n, rss: 70<<20 + int64(n*7919%13)<<20} // up and down
		if n%17 == 0 {
			s.rss += 200 << 20
		}
		flat = append(flat, s)
		s.rss += int64(n) * (200 << 10)
		leaking = append(leaking, s)
	}
	rss := func(s soakSample) float64 { return float64(s.rss) / (1 << 20) }
	if _, growth := trend(flat, rss); growth > 2 || growth < -2 {
		t.Errorf("flat: %+.1f MiB", growth)
	}
	if _, growth := trend(leaking, rss); growth < 17 || growth > 22 {
		t.Errorf("leaking 19.8 MiB: %+.1f MiB", growth)
	}
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
