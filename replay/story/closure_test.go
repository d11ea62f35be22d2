package story

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// TestBarsCut prints how large a recording of one Service is, cut from one of a
// hundred thousand events, and how long the cut takes. It runs only when
// SVCSPY_BENCH is set.
func TestBarsCut(t *testing.T) {
	if os.Getenv("SVCSPY_BENCH") == "" {
		t.Skip("set SVCSPY_BENCH=1")
	}
	r := largeRecording(t, 100_000)
	defer r.Close()
	info := r.Info()
	ref := store.Ref{Resource: replay.Services, Namespace: "ns-7", Name: "svc-3"}
	begun := time.Now()
	c, err := ClosureOf(context.Background(), r, []store.Ref{ref}, info.Start, info.End, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.db")
	x := store.Excerpt{Header: info.Header, End: info.End, Oldest: c.Oldest, Only: true}
	x.Header.Source = &store.Source{ID: info.ID, Start: info.Start, End: info.End, Subjects: []string{"Service ns-7/svc-3"}}
	cut, err := r.Excerpt(path, x)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	bench("cut_one_service_kb", float64(st.Size())/1000, "kB")
	bench("cut_one_service_s", took.Seconds(), "s")
	t.Logf("%d of %d events, %d objects", cut.Events, info.Events, len(c.Oldest))
	if cut.Events == 0 || cut.Events >= info.Events/2 {
		t.Errorf("%d events of %d were taken over", cut.Events, info.Events)
	}
	part, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	var lines [2]string
	for i, from := range []replay.Timeline{r, part} {
		segments, err := verdict.Of(context.Background(), from, ref, info.Start, info.End)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range segments {
			lines[i] += fmt.Sprintln(when.Format(s.From), s.Report.Verdict.State, s.Report.Headline.ID, s.Report.Headline.Message)
		}
	}
	if lines[0] != lines[1] {
		t.Errorf("the cut tells\n%s\nand the whole\n%s", lines[1], lines[0])
	}
}
