package importer

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// spool sorts records on disk, so that memory does not grow with the sources. It
// holds nothing that did not go through redaction.
type spool struct {
	file *os.File
	name string // of the file where an open one cannot be removed: Windows
	mu   sync.Mutex
	end  int64
	runs []section // sorted, each by itself
}

type section struct{ at, size int64 }

const (
	runBytes  = 24 << 20 // of records that are sorted in memory, for each worker
	blockSize = 64 << 10 // of a compressed run
)

// newSpool makes the temporary file in a folder. After return it has no name, except
// on Windows, where close removes it.
func newSpool(dir string) (*spool, error) {
	file, err := os.CreateTemp(dir, ".svcspy-import-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	s := &spool{file: file}
	if os.Remove(file.Name()) != nil {
		s.name = file.Name()
	}
	return s, nil
}

func (s *spool) close() error {
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	return err
}

// run is what one worker gathers until it is sorted and written.
type run struct {
	spool *spool
	data  []byte
	index []entry
}

type entry struct {
	time     int64
	order    uint64
	from, to int
}

func (e *entry) compare(o *entry) int {
	return cmp.Or(cmp.Compare(e.time, o.time), cmp.Compare(e.order, o.order))
}

func (r *run) add(rec *Record) error {
	from := len(r.data)
	r.data = rec.append(r.data)
	r.index = append(r.index, entry{rec.micro(), rec.order, from, len(r.data)})
	if len(r.data) < runBytes {
		return nil
	}
	return r.flush()
}

// flush sorts what was gathered and appends it to the file.
func (r *run) flush() error {
	if len(r.index) == 0 {
		return nil
	}
	slices.SortFunc(r.index, func(a, b entry) int { return a.compare(&b) })
	r.spool.mu.Lock()
	defer r.spool.mu.Unlock()
	at := r.spool.end
	out := &writerAt{r.spool.file, at}
	z := s2.NewWriter(out, s2.WriterConcurrency(1), s2.WriterBlockSize(blockSize))
	var size [binary.MaxVarintLen64]byte
	for i := range r.index {
		e := &r.index[i]
		_, err := z.Write(size[:binary.PutUvarint(size[:], uint64(e.to-e.from))])
		if err == nil {
			_, err = z.Write(r.data[e.from:e.to])
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write the temporary file: %w", err), z.Close())
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write the temporary file: %w", err)
	}
	r.spool.end = out.at
	r.spool.runs = append(r.spool.runs, section{at, out.at - at})
	r.data, r.index = r.data[:0], r.index[:0]
	return nil
}

type writerAt struct {
	file *os.File
	at   int64
}

func (w *writerAt) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.at)
	w.at += int64(n)
	return n, err
}

// reading is the place in one run.
type reading struct {
	in  *bufio.Reader
	rec Record
}

func (r *reading) next() error {
	size, err := binary.ReadUvarint(r.in)
	if err != nil {
		return err // io.EOF at the end
	}
	if size > maxUnit {
		return errSpool
	}
	data := make([]byte, size) // the record before may still be waiting
	if _, err := io.ReadFull(r.in, data); err != nil {
		return errSpool
	}
	r.rec, err = parseRecord(data)
	return err
}

// merge is a heap of readings by their next record.
type merge []*reading

func (m merge) Len() int { return len(m) }
func (m merge) Less(i, j int) bool {
	a, b := &m[i].rec, &m[j].rec
	return cmp.Or(cmp.Compare(a.micro(), b.micro()), cmp.Compare(a.order, b.order)) < 0
}
func (m merge) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)   { *m = append(*m, x.(*reading)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// all yields the records by time, and those of one time in the order of the
// sources. It ends with the first error.
func (s *spool) all() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var m merge
		for _, section := range s.runs {
			z := s2.NewReader(io.NewSectionReader(s.file, section.at, section.size), s2.ReaderMaxBlockSize(blockSize))
			r := &reading{in: bufio.NewReaderSize(z, 4<<10)}
			if err := r.next(); err != nil {
				yield(Record{}, fmt.Errorf("read the temporary file: %w", err))
				return
			}
			m = append(m, r)
		}
		heap.Init(&m)
		for len(m) > 0 {
			if !yield(m[0].rec, nil) {
				return
			}
			switch err := m[0].next(); {
			case err == nil:
				heap.Fix(&m, 0)
			case errors.Is(err, io.EOF):
				heap.Pop(&m)
			default:
				yield(Record{}, fmt.Errorf("read the temporary file: %w", err))
				return
			}
		}
	}
}

// window is how far the times of two API servers, and of requests that are
// answered slowly, may be out of order.
const (
	windowTime  = 10e6 // microseconds
	windowBytes = 32 << 20
)

// weight is about how much memory a record takes.
func (r *Record) weight() int {
	n := 512 + len(r.Object)
	if q := r.Request; q != nil {
		n += 1024 + len(q.Message) + len(q.Agent)
	}
	return n
}

// ordered yields the records of a sorted sequence so that within one resource
// those with a resourceVersion come in its order: the places in time stay, and
// the records of the resource are dealt to them anew.
func ordered(records iter.Seq2[Record, error]) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var waiting []*Record
		held := map[string]*versions{} // by resource
		bytes := 0
		key := func(r *Record) string { return r.Resource.Group + "/" + r.Resource.Resource }
		emit := func() bool {
			slot := waiting[0]
			waiting = waiting[1:]
			out := slot
			if slot.ResourceVersion != "" {
				of := held[key(slot)]
				out = heap.Pop(of).(*Record)
				if of.Len() > 0 {
					contest(out, (*of)[0])
				}
				out.answered, out.Time = out.Time, slot.Time
			}
			bytes -= out.weight()
			return yield(*out, nil)
		}
		for r, err := range records {
			if err != nil {
				yield(r, err)
				return
			}
			if r.ResourceVersion != "" {
				v := held[key(&r)]
				if v == nil {
					v = &versions{}
					held[key(&r)] = v
				}
				heap.Push(v, &r)
			}
			waiting = append(waiting, &r)
			bytes += r.weight()
			for len(waiting) > 1 && (r.micro()-waiting[0].micro() > windowTime || bytes > windowBytes) {
				if !emit() {
					return
				}
			}
		}
		for len(waiting) > 0 {
			if !emit() {
				return
			}
		}
	}
}

// contest takes the version from two requests of different users that returned the
// same: if neither was answered before the other was received, which of them wrote
// it is not known.
func contest(first, next *Record) {
	switch {
	case first.Request == nil || next.Request == nil || first.ResourceVersion != next.ResourceVersion || first.Name != next.Name || first.Namespace != next.Namespace:
	case first.Kind == Created, !first.Time.Add(margin(first.Source, next.Source)).After(earliest(next)):
	case first.Request.User == next.Request.User && first.Request.Impersonated == next.Request.Impersonated:
	default:
		first.contested, next.contested = true, true
	}
}

// versions is a heap by resourceVersion.
type versions []*Record

func (v versions) Len() int { return len(v) }
func (v versions) Less(i, j int) bool {
	a, b := v[i], v[j]
	if a.ResourceVersion != b.ResourceVersion {
		if newer(b.ResourceVersion, a.ResourceVersion) {
			return true
		}
		if newer(a.ResourceVersion, b.ResourceVersion) {
			return false
		}
	}
	return cmp.Or(cmp.Compare(a.micro(), b.micro()), cmp.Compare(a.order, b.order)) < 0
}
func (v versions) Swap(i, j int) { v[i], v[j] = v[j], v[i] }
func (v *versions) Push(x any)   { *v = append(*v, x.(*Record)) }
func (v *versions) Pop() any {
	last := (*v)[len(*v)-1]
	*v = (*v)[:len(*v)-1]
	return last
}
