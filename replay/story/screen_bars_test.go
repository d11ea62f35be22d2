package story_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/svcspy/svcspy/analyzer"
	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/story"
	"github.com/svcspy/svcspy/replay/tui"
	"github.com/svcspy/svcspy/store"
)

func bench(name string, value float64, unit string) {
	fmt.Printf("bench %s %.4g %s\n", name, value, unit)
}

func ms(begun time.Time) float64 { return float64(time.Since(begun).Microseconds()) / 1000 }

// took is how long something took, and how much of that this program worked:
// where others work too, the second tells more.
type took struct{ wall, cpu []float64 }

func (k *took) time(work func()) {
	begun, used := time.Now(), story.CPU()
	work()
	k.wall, k.cpu = append(k.wall, ms(begun)), append(k.cpu, (story.CPU()-used)*1000)
}

func (k *took) print(name string) {
	bench(name+"_p50_ms", at(50, k.wall), "ms")
	bench(name+"_p99_ms", at(99, k.wall), "ms")
	bench(name+"_p99_cpu_ms", at(99, k.cpu), "ms")
}

// at returns the value that so many of a hundred do not exceed.
func at(percent int, values []float64) float64 {
	slices.Sort(values)
	return values[min(len(values)*percent/100, len(values)-1)]
}

var asked = store.Ref{Resource: replay.Services, Namespace: "ns-7", Name: "svc-3"}

// TestScreenBars prints the figures `make bench` collects of what somebody waits
// for who looks at a large recording: until a report is there, until the screen
// is, and until the next step is.
func TestScreenBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	large := 1_000_000
	if n := os.Getenv("SVCSPY_BENCH_EVENTS"); n != "" {
		if _, err := fmt.Sscan(n, &large); err != nil {
			t.Fatal(err)
		}
	}
	cold := map[int]float64{}
	for _, size := range []int{100_000, large} {
		path := story.LargeFile(t, size)
		name := fmt.Sprintf("_%dk", size/1000)
		if size == large {
			name = ""
		}
		cold[size] = coldSeek(t, path)
		bench("seek_cold"+name+"_ms", cold[size], "ms")
		Step(t, path, "step"+name)
		screen(t, path, "tui"+name)
	}
	bench("seek_cold_growth", cold[100_000]/cold[large], "ratio")
}

// coldSeek is how long it takes, half of the times, from opening the file to the
// report on one Service at a random instant.
func coldSeek(t *testing.T, path string) float64 {
	random := rand.New(rand.NewPCG(1, 1))
	var took []float64
	for range 41 {
		begun := time.Now()
		r, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		info := r.Info()
		s, err := replay.NewCursor(r).SeekTime(info.Start.Add(time.Duration(random.Int64N(int64(info.End.Sub(info.Start))))))
		if err != nil {
			t.Fatal(err)
		}
		analyzer.Diagnose(s, asked, analyzer.Options{})
		took = append(took, ms(begun))
		if err := errorsOf(s, r); err != nil {
			t.Fatal(err)
		}
	}
	return at(50, took)
}

func errorsOf(s *replay.State, r *store.Recording) error {
	if err := s.Err(); err != nil {
		return err
	}
	return r.Close()
}

// Step walks one position on or back, each time with a new report.
func Step(t *testing.T, path, name string) {
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cursor := replay.NewCursor(r)
	random := rand.New(rand.NewPCG(2, 2))
	var steps took
	for range 20 {
		if _, err := cursor.Seek(store.Seq(random.Uint64N(uint64(r.Info().Last))) + 1); err != nil {
			t.Fatal(err)
		}
		for i := range 210 {
			move := cursor.Next
			if random.IntN(3) == 0 {
				move = cursor.Prev
			}
			one := func() {
				s, err := move()
				if err != nil {
					t.Fatal(err)
				}
				analyzer.Diagnose(s, asked, analyzer.Options{})
			}
			if i < 10 {
				one() // arriving is a seek, not a step
			} else {
				steps.time(one)
			}
		}
	}
	steps.print(name)
}

// screen opens the recording on the screen and presses keys.
func screen(t *testing.T, path, name string) {
	begun := time.Now()
	r, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	opening, err := tui.Opening(r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := tui.New(t.Context(), tui.Options{At: opening, Subject: asked})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	if m.View().Content == "" {
		t.Fatal("the screen is empty")
	}
	bench(name+"_open_ms", ms(begun), "ms")
	press := func(keys string) {
		for _, k := range keys {
			m.Update(tea.KeyPressMsg{Code: k, Text: string(k)})
		}
		_ = m.View().Content
	}
	var steps took
	for percent := range 9 {
		press(fmt.Sprint(percent + 1))
		for range 20 {
			for _, key := range []string{".", ",", "."} {
				steps.time(func() { press(key) })
			}
		}
	}
	steps.print(name + "_step")
}
