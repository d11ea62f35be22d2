package recorder

import (
	"fmt"
	"os"
	"runtime"
	"testing"
)

// TestBars prints the figures `make bench` collects, of the real program
// against a server in a process of its own. It takes minutes, so it runs only
// when SVCSPY_BENCH is set.
func TestBars(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	t.Run("record_rss", benchMemory)
}

func bench(name string, value float64, unit string) {
	fmt.Printf("bench %s %.4g %s\n", name, value, unit)
}

// benchMemory records 100,000 Pods, 600 MB of JSON, and changes to a tenth of
// them, and prints how much memory that took at most.
func benchMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	const pods = 100_000
	s := startServerProcess(t, fmt.Sprintf("pods:%d", pods))
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
