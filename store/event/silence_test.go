package event

import (
	"testing"
	"time"
)

func TestCoverageSince(t *testing.T) {
	at := time.Date(2026, 11, 23, 19, 28, 18, 0, time.UTC)
	for _, tt := range []struct {
		reason string
		status Status
		ago    time.Duration
	}{
		{"no answer from the API server for 24.8s", Gap, 24800 * time.Millisecond}, // as released recorders write it
		{NoAnswer(24712 * time.Millisecond), Gap, 24800 * time.Millisecond},
		{"unexpected EOF; " + NothingHeard(1201*time.Millisecond), Gap, 1300 * time.Millisecond},
		{"read tcp 10.0.0.1; reset; " + NothingHeard(2*time.Minute), Gap, 2 * time.Minute},
		{"watch closed", Gap, 0},
		{"no answer from the API server for a while", Gap, 0},
		{"no answer from the API server for -5s", Gap, 0},
		{"no answer from the API server for 9999h", Gap, 0},
		{NoAnswer(time.Minute), Current, 0},
		{NoAnswer(0), Gap, 0},
		{Stopped, Gap, 0},
		{"", Gap, 0},
	} {
		c := Coverage{Time: at, Status: tt.status, Reason: tt.reason}
		if got := at.Sub(c.Since()); got != tt.ago {
			t.Errorf("%s %q: silent for %s, want %s", tt.status, tt.reason, got, tt.ago)
		}
	}
}
