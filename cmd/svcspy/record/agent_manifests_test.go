package record

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/svcspy/svcspy/recorder"
)

// TestAgentRules: in every profile the agent may list and watch, and read logs if and
// only if that is asked for.
func TestAgentRules(t *testing.T) {
	for _, profile := range []string{recorder.Minimal, recorder.Standard, recorder.Full} {
		for _, lines := range []int{0, 50} {
			text, err := agentRules(recorder.Options{Profile: profile, LogLines: lines})
			if err != nil {
				t.Fatal(err)
			}
			var rules []rbacv1.PolicyRule
			if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil {
				t.Fatal(err)
			}
			logs := 0
			for _, r := range rules {
				switch {
				case slices.Equal(r.Resources, []string{"pods/log"}) && slices.Equal(r.Verbs, []string{"get"}):
					logs++
				case slices.Equal(r.Verbs, []string{"list", "watch"}):
				case slices.Equal(r.ResourceNames, []string{"kube-system"}) && slices.Equal(r.Verbs, []string{"get"}):
				default:
					t.Errorf("%s, %d lines: %+v", profile, lines, r)
				}
			}
			if want := min(lines, 1); logs != want {
				t.Errorf("%s, %d lines of logs: %d rules for them, want %d", profile, lines, logs, want)
			}
		}
	}
}

var update = flag.Bool("update", false, "write the rules of the chart")

// TestChartRules: the chart grants in each profile what the manifests grant.
func TestChartRules(t *testing.T) {
	for _, profile := range []string{recorder.Minimal, recorder.Standard, recorder.Full} {
		for suffix, lines := range map[string]int{"": 0, "-logs": 50} {
			want, err := agentRules(recorder.Options{Profile: profile, LogLines: lines})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("..", "..", "..", "recorder", "agent", "chart", "svcspy-agent", "files", "rules-"+profile+suffix+".yaml")
			if *update {
				if err := os.WriteFile(path, []byte(want+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want+"\n", string(got)); diff != "" {
				t.Errorf("%s; go test ./cmd/svcspy/record -run TestChartRules -update (-want +got):\n%s", path, diff)
			}
		}
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{15 * time.Minute: "15m", time.Hour: "1h", 10 * time.Second: "10s", 90 * time.Second: "1m30s", 90 * time.Minute: "1h30m"} {
		if got := shortDuration(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
