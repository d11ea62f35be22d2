package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/svcspy/svcspy/store/boltfile"
	"github.com/svcspy/svcspy/store/encoding"
)

// Clock is one look at the clocks, so that whoever reads the recording can tell
// how far they were apart and whether the recorder's was set.
type Clock struct {
	Time       time.Time     // the recorder's wall clock, unclamped
	Monotonic  time.Duration // since the recorder started, unaffected by setting the clock
	ServerDate time.Time     // the Date header of the API server's answer; zero if there was none
}

var errClocks = errors.New("malformed clocks")

// appendClocks writes samples one after the other.
func appendClocks(dst []byte, clocks []Clock) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(clocks)))
	for _, c := range clocks {
		dst = binary.AppendVarint(dst, c.Time.UnixMicro())
		dst = binary.AppendVarint(dst, c.Monotonic.Microseconds())
		server := int64(0)
		if !c.ServerDate.IsZero() {
			server = c.ServerDate.Unix()
		}
		dst = binary.AppendVarint(dst, server)
	}
	return dst
}

func parseClocks(value []byte) ([]Clock, error) {
	w := encoding.Reader{Data: value}
	clocks := make([]Clock, w.Count(3))
	for i := range clocks {
		c := &clocks[i]
		c.Time = time.UnixMicro(w.Varint()).UTC()
		c.Monotonic = time.Duration(w.Varint()) * time.Microsecond
		if server := w.Varint(); server != 0 {
			c.ServerDate = time.Unix(server, 0).UTC()
		}
	}
	if w.Bad || len(w.Data) > 0 {
		return nil, errClocks
	}
	return clocks, nil
}

// Clock notes the clocks; it is durable after the next Commit.
func (w *Writer) Clock(c Clock) error {
	if w.db == nil {
		return ErrClosed
	}
	w.clocks = append(w.clocks, c)
	return nil
}

// Clocks returns all samples, in the order they were taken.
func (r *Recording) Clocks() ([]Clock, error) {
	var clocks []Clock
	err := r.source().View(func(t *boltfile.Tree) error {
		clocks = nil
		return t.Values(encoding.BucketClocks, nil, func(_, v []byte) error {
			more, err := parseClocks(v)
			clocks = append(clocks, more...)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read clocks: %w", err)
	}
	return clocks, nil
}

// Clock notes the clocks.
func (m *Memory) Clock(c Clock) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.info.Closed {
		return ErrClosed
	}
	m.clocks = append(m.clocks, c)
	return nil
}

// clockTimes returns when samples were taken, by the time of the events: it goes
// on by the monotonic clock, follows the wall clock where that was set forward,
// and never runs back where that was set back.
func clockTimes(samples []Clock) []time.Time {
	const set = time.Second
	times := make([]time.Time, len(samples))
	for i, k := range samples {
		at := k.Time
		if i > 0 {
			at = times[i-1].Add(max(k.Monotonic-samples[i-1].Monotonic, 0))
			if k.Time.Sub(at) > set {
				at = k.Time
			}
		}
		times[i] = at
	}
	return times
}
