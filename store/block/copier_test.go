package block

import (
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/store/encoding"
	"github.com/svcspy/svcspy/store/event"
	"github.com/svcspy/svcspy/store/rawjson"
)

// FuzzCopier copies parts of blocks of any bytes: either that is refused, or what comes
// out has the same positions and can be parsed.
func FuzzCopier(f *testing.F) {
	z := encoding.NewEncoder(zstd.SpeedFastest)
	resource := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	b, bases := NewBuilder(1), NewBases(1<<20)
	for i := range 12 {
		raw := fmt.Appendf(nil, `{"metadata":{"namespace":"shop","name":"pod-%d","uid":"u","resourceVersion":"%d"},"spec":{"nodeName":"node-0123456789-0123456789"}}`, i%3, i)
		id, err := rawjson.Identify(resource, raw)
		if err != nil {
			f.Fatal(err)
		}
		e := event.Event{Seq: event.Seq(i + 1), Time: time.UnixMicro(int64(i)), Type: watch.Modified, Resource: resource, Namespace: "shop", Name: id.Name, UID: "u", ResourceVersion: id.ResourceVersion, Object: raw}
		if err := b.AddEvent(&e, &id, 0, bases, &Differ{}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Encode(z, [32]byte{}, 0), uint64(1), uint64(12))
	f.Add(b.Encode(z, [32]byte{}, 0), uint64(4), uint64(9))
	f.Fuzz(func(t *testing.T, value []byte, from, to uint64) {
		b, err := Parse(value)
		if err != nil {
			return
		}
		var got, want []event.Seq
		for _, e := range b.Entries {
			if e.Seq >= event.Seq(from) && e.Seq <= event.Seq(to) {
				want = append(want, e.Seq)
			}
		}
		for _, content := range []int{1, 1 << 20} {
			got = nil
			c := Copier{Encoder: z, Content: content, Put: func(_, _ event.Seq, value []byte) error {
				copied, err := Parse(value)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range copied.Entries {
					got = append(got, e.Seq)
				}
				return nil
			}}
			read := func(seq event.Seq) (*Block, error) {
				if seq < b.First || seq > b.Last() {
					return nil, event.ErrNotEvent
				}
				return b, nil
			}
			err := c.Copy(b, value, event.Seq(from), event.Seq(to), &Decoder{Read: read, Objects: &ObjectCache{}})
			if err == nil {
				err = c.Flush()
			}
			if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("positions %v, want %v", got, want)
			}
		}
	})
}
