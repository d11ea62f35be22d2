package recorder

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store"
)

var rounds = flag.Int("rounds", 5, "how many recordings TestFaults makes")

// TestFaults records a server of which everything may go wrong, while things
// change and history is forgotten, and compares what was recorded with what
// happened: nothing is invented, nothing is lost outside a gap, and in the end
// everything is known.
func TestFaults(t *testing.T) {
	total := map[fault]int{}
	events := 0
	for range *rounds {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		rate := 2 + r.IntN(40)
		var mu sync.Mutex // of r
		quiet := false
		m := newModel(func() fault {
			mu.Lock()
			defer mu.Unlock()
			if quiet || r.IntN(rate) > 0 {
				return fine
			}
			return 1 + fault(r.IntN(int(lastFault)))
		})
		heard, err := recordModel(m, func() {
			for range 300 {
				mu.Lock()
				m.write(r)
				if r.IntN(50) == 0 {
					m.compact()
				}
				pause := time.Duration(r.IntN(400)) * time.Microsecond
				mu.Unlock()
				time.Sleep(pause)
			}
			mu.Lock()
			defer mu.Unlock()
			quiet = true
			m.write(r) // brings what was held back
			m.write(r)
		})
		if err == nil {
			err = m.verify(heard)
		}
		if err != nil {
			t.Fatalf("seed %d, one fault in %d: %v\n%v", seed, rate, err, heard)
		}
		for f, n := range m.faults {
			total[f] += n
		}
		events += len(heard)
	}
	t.Logf("%d events, faults by kind: %v", events, total)
}

// recordModel records a model while change is called, and until its last
// version has been heard and is current.
func recordModel(m *model, change func()) ([]told, error) {
	server := newModelServer(m)
	defer server.Close()
	defer server.CloseClientConnections()
	defer m.close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	var mu sync.Mutex
	var heard []told
	last, finished := 0, false
	current := false
	done := func() { // mu is held
		if finished && current && last >= m.version() {
			cancel()
		}
	}
	memory := newSink()
	memory.append = func(e store.Event) error {
		mu.Lock()
		defer mu.Unlock()
		rv, _ := strconv.Atoi(e.ResourceVersion)
		heard = append(heard, told{
			kind: string(e.Type), name: e.Name, rv: rv, object: string(e.Object),
			end: strings.Contains(string(e.Object), store.InitialEventsEnd),
		})
		switch {
		case e.Type == store.Relist:
			last = 0
		case e.Type == "BOOKMARK" || last > 0:
			last = max(last, rv)
		}
		done()
		return nil
	}
	memory.cover = func(c store.Coverage) error {
		mu.Lock()
		defer mu.Unlock()
		if current = c.Status == store.Current; current {
			m.listed.Store(true)
		}
		if c.Status == store.Gap {
			heard = append(heard, told{kind: "Gap", name: c.Reason})
		}
		done()
		return nil
	}
	go func() {
		change()
		mu.Lock()
		defer mu.Unlock()
		finished = true
		done()
	}()
	l := quick
	const wait = 40 * time.Millisecond
	l.answer, l.list, l.silence, l.watch, l.hush, l.settle = wait, wait, wait, time.Second, 5*time.Millisecond, 5*time.Millisecond
	run := func() error {
		return Run(ctx, Options{Config: server.config(), Profile: Minimal, Sink: memory, Redactor: redact.Standard(false), limits: &l})
	}
	err := run()
	for errors.Is(err, ErrUnreachable) && ctx.Err() == nil {
		err = run() // a slow machine took longer for the first discovery than a fault may
	}
	if err == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.New("the end was never heard")
	}
	return heard, err
}
