package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestBars prints how long the program takes to start, as `make bench` collects it:
// the median of forty runs of a command that does nothing else, by the clock and in
// processor time. It runs only when SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	t.Run("start", func(t *testing.T) {
		program := filepath.Join(t.TempDir(), "svcspy")
		if out, err := exec.Command("go", "build", "-trimpath", "-o", program, ".").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		const runs = 40
		var clock, cpu []time.Duration
		for range runs {
			cmd := exec.Command(program, "version")
			begun := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			clock = append(clock, time.Since(begun))
			cpu = append(cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
		slices.Sort(clock)
		slices.Sort(cpu)
		fmt.Printf("bench start_ms %.3g ms\n", clock[runs/2].Seconds()*1e3)
		fmt.Printf("bench start_cpu_ms %.3g ms\n", cpu[runs/2].Seconds()*1e3)
	})
}
