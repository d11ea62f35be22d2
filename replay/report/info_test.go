package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// TestInfoClocks prints what svcspy info says of clocks and redaction.
func TestInfoClocks(t *testing.T) {
	zero := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	look := func(elapsed, wall, server time.Duration) store.Clock {
		c := store.Clock{Time: zero.Add(wall), Monotonic: elapsed}
		if server != 0 {
			c.ServerDate = zero.Add(server).Truncate(time.Second)
		}
		return c
	}
	const half = time.Second / 2
	for _, tt := range []struct {
		name   string
		clocks []store.Clock
		want   string
	}{
		{"none", nil, "clocks      that of the API server is unknown"},
		{"server says nothing", []store.Clock{look(0, half, 0)}, "clocks      that of the API server is unknown"},
		{"in step", []store.Clock{look(0, half, half), look(15*time.Second, 15*time.Second+half, 15*time.Second+half)}, "clocks      API server and recorder agree"},
		{"server ahead", []store.Clock{look(0, half, 90*time.Second+half)}, "clocks      API server 90s ahead"},
		{"server behind", []store.Clock{look(0, 5*time.Minute+half, half)}, "clocks      API server 5m behind"},
		{
			"recorder set back",
			[]store.Clock{look(0, time.Hour+half, time.Hour+half), look(10*time.Second, 10*time.Second+half, time.Hour+10*time.Second+half)},
			"clocks      API server and recorder agree\n              recorder's set back by 60m at " + when.Format(zero.Add(time.Hour+10*time.Second+half)),
		},
		{
			"recorder set forward",
			[]store.Clock{look(0, half, time.Minute+half), look(10*time.Second, 70*time.Second+half, 70*time.Second+half)},
			"clocks      API server from 0s ahead to 60s ahead\n              recorder's set forward (or the machine slept) by 60s at " + when.Format(zero.Add(70*time.Second+half)),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := store.NewMemory(store.Header{ID: "x", Start: zero, Redaction: store.Redaction{Policy: "standard", Version: 1}})
			m.Redacted(map[string]uint64{"secretData": 12, "environment": 3})
			info, err := NewInfo(m, nil, tt.clocks, 0)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := InfoText(&b, "x.db", info, Options{}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), tt.want+"\n") {
				t.Errorf("want %q in\n%s", tt.want, b.String())
			}
			if want := "standard, 15 values replaced (environment 3, secretData 12)\n"; !strings.Contains(b.String(), want) {
				t.Errorf("want %q in\n%s", want, b.String())
			}
		})
	}
}
