package table

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"reflect"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// The part of Parquet that flat tables need: required columns, plain or dictionary
// pages, zstd. A library that also reads Parquet makes the program 5 MiB larger, which
// is above what it may have; tests read what is written here with that library.

// Numbers of parquet.thrift.
const (
	typeBool, typeInt32, typeInt64, typeBytes = 0, 1, 2, 6
	encodingPlain, encodingRLE, encodingDict  = 0, 3, 8
	pageData, pageDict                        = 0, 2
	convertedUTF8, convertedMicros            = 0, 10
	codecZstd                                 = 6
)

// Types of Thrift's compact protocol.
const (
	wireTrue, wireI32, wireI64, wireBytes, wireList, wireStruct = 1, 5, 6, 8, 9, 12
)

// compact writes Thrift's compact protocol.
type compact struct {
	data []byte
	last []int16 // the last field of each open structure
}

func (c *compact) open() { c.last = append(c.last, 0) }

func (c *compact) end() {
	c.data = append(c.data, 0)
	c.last = c.last[:len(c.last)-1]
}

// field begins a field; fields of a structure come in ascending order, less than 16
// apart.
func (c *compact) field(id int16, wire byte) {
	last := &c.last[len(c.last)-1]
	c.data = append(c.data, byte(id-*last)<<4|wire)
	*last = id
}

func (c *compact) number(v int64)        { c.data = binary.AppendVarint(c.data, v) }
func (c *compact) i32(id int16, v int)   { c.field(id, wireI32); c.number(int64(v)) }
func (c *compact) i64(id int16, v int64) { c.field(id, wireI64); c.number(v) }

func (c *compact) bytes(v string) {
	c.data = binary.AppendUvarint(c.data, uint64(len(v)))
	c.data = append(c.data, v...)
}

func (c *compact) text(id int16, v string) { c.field(id, wireBytes); c.bytes(v) }

func (c *compact) list(id int16, wire byte, n int) {
	c.field(id, wireList)
	if n < 15 {
		c.data = append(c.data, byte(n)<<4|wire)
		return
	}
	c.data = binary.AppendUvarint(append(c.data, 0xf0|wire), uint64(n))
}

// structure writes a field that is a structure.
func (c *compact) structure(id int16, fields func()) {
	c.field(id, wireStruct)
	c.element(fields)
}

// element writes a structure that is an element of a list, or stands alone.
func (c *compact) element(fields func()) {
	c.open()
	fields()
	c.end()
}

// column is a column of a table, and of one row group the values.
type column struct {
	name        string
	kind        int // type of Parquet
	micros      bool
	plain       []byte         // values that are not in the dictionary
	values      int            // of the row group
	places      map[string]int // of the dictionary, nil for a column without
	dict        []byte
	indexes     []uint32
	least, most int64
	bools       []bool
}

// chunk is a column of a row group in the file.
type chunk struct {
	dict, data, begin, size, raw int64
	values                       int
	least, most                  int64
}

// group is a row group in the file.
type group struct {
	chunks []chunk
	rows   int
}

// rowWriter writes rows of a struct type as a Parquet file. Each field has the tag
// parquet:"NAME[,dict|micros]".
type rowWriter[T any] struct {
	w       io.Writer
	at      int64
	columns []column
	groups  []group
	rows    int64
	encoder *zstd.Encoder
	err     error
}

func newRowWriter[T any](w io.Writer) *rowWriter[T] {
	of := reflect.TypeFor[T]()
	out := &rowWriter[T]{w: w, columns: make([]column, of.NumField())}
	for i := range out.columns {
		name, option, _ := strings.Cut(of.Field(i).Tag.Get("parquet"), ",")
		c := &out.columns[i]
		c.name, c.micros = name, option == "micros"
		switch of.Field(i).Type.Kind() {
		case reflect.Bool:
			c.kind = typeBool
		case reflect.Int32:
			c.kind = typeInt32
		case reflect.Int64:
			c.kind = typeInt64
		case reflect.String:
			c.kind = typeBytes
		default:
			panic("table: no column of type " + of.Field(i).Type.String())
		}
		if option == "dict" {
			c.places = map[string]int{}
		}
	}
	out.encoder, out.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	out.write([]byte("PAR1"))
	return out
}

func (w *rowWriter[T]) write(p []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(p)
	}
	w.at += int64(len(p))
}

// add takes a row, and writes a row group when there are enough.
func (w *rowWriter[T]) add(row T) error {
	v := reflect.ValueOf(&row).Elem()
	for i := range w.columns {
		c := &w.columns[i]
		switch c.kind {
		case typeBool:
			c.bools = append(c.bools, v.Field(i).Bool())
		case typeInt32:
			c.plain = binary.LittleEndian.AppendUint32(c.plain, uint32(v.Field(i).Int()))
		case typeInt64:
			n := v.Field(i).Int()
			if c.values == 0 {
				c.least, c.most = n, n
			}
			c.least, c.most = min(c.least, n), max(c.most, n)
			c.plain = binary.LittleEndian.AppendUint64(c.plain, uint64(n))
		default:
			c.addText(strings.ToValidUTF8(v.Field(i).String(), "\uFFFD"))
		}
		c.values++
	}
	if w.rows++; w.columns[0].values == groupRows || w.size() >= groupBytes {
		w.flush()
	}
	return w.err
}

// size is how much the row group takes that is not written.
func (w *rowWriter[T]) size() (n int) {
	for i := range w.columns {
		n += len(w.columns[i].plain) + len(w.columns[i].dict)
	}
	return n
}

func (c *column) addText(s string) {
	if c.places == nil {
		c.plain = append(binary.LittleEndian.AppendUint32(c.plain, uint32(len(s))), s...)
		return
	}
	place, known := c.places[s]
	if !known {
		place = len(c.places)
		c.places[strings.Clone(s)] = place
		c.dict = append(binary.LittleEndian.AppendUint32(c.dict, uint32(len(s))), s...)
	}
	c.indexes = append(c.indexes, uint32(place))
}

// data is the content of the column's data page.
func (c *column) data() []byte {
	switch {
	case c.kind == typeBool:
		out := make([]byte, (len(c.bools)+7)/8)
		for i, is := range c.bools {
			if is {
				out[i/8] |= 1 << (i % 8)
			}
		}
		return out
	case c.places == nil:
		return c.plain
	}
	// One bit-packed run, of groups of eight.
	width := max(1, bits.Len(uint(len(c.places)-1)))
	groups := (len(c.indexes) + 7) / 8
	out := binary.AppendUvarint([]byte{byte(width)}, uint64(groups)<<1|1)
	var held uint64
	n := 0
	for i := range groups * 8 {
		if i < len(c.indexes) {
			held |= uint64(c.indexes[i]) << n
		}
		for n += width; n >= 8; n -= 8 {
			out = append(out, byte(held))
			held >>= 8
		}
	}
	return out
}

// page writes a page.
func (w *rowWriter[T]) page(kind int, raw []byte, values, encoding int, into *chunk) {
	packed := w.encoder.EncodeAll(raw, nil)
	var h compact
	h.element(func() {
		h.i32(1, kind)
		h.i32(2, len(raw))
		h.i32(3, len(packed))
		if kind == pageDict {
			h.structure(7, func() { h.i32(1, values); h.i32(2, encoding) })
		} else {
			h.structure(5, func() { h.i32(1, values); h.i32(2, encoding); h.i32(3, encodingRLE); h.i32(4, encodingRLE) })
		}
	})
	w.write(h.data)
	w.write(packed)
	into.raw += int64(len(h.data) + len(raw))
	into.size += int64(len(h.data) + len(packed))
}

// flush writes the row group.
func (w *rowWriter[T]) flush() {
	g := group{rows: w.columns[0].values}
	if g.rows == 0 || w.err != nil {
		return
	}
	for i := range w.columns {
		c := &w.columns[i]
		k := chunk{begin: w.at, values: c.values, least: c.least, most: c.most}
		encoding := encodingPlain
		if c.places != nil {
			encoding, k.dict = encodingDict, w.at
			w.page(pageDict, c.dict, len(c.places), encodingPlain, &k)
		}
		k.data = w.at
		w.page(pageData, c.data(), c.values, encoding, &k)
		clear(c.places)
		c.plain, c.dict, c.indexes, c.bools, c.values = c.plain[:0], c.dict[:0], c.indexes[:0], c.bools[:0], 0
		g.chunks = append(g.chunks, k)
	}
	w.groups = append(w.groups, g)
}

// end writes what is left and the footer, and returns the number of rows.
func (w *rowWriter[T]) end() (int64, error) {
	w.flush()
	var f compact
	f.element(func() { w.footer(&f) })
	w.write(f.data)
	w.write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(f.data))), "PAR1"...))
	return w.rows, w.err
}

func (w *rowWriter[T]) footer(f *compact) {
	f.i32(1, 1)
	f.list(2, wireStruct, len(w.columns)+1)
	f.element(func() { f.text(4, "svcspy"); f.i32(5, len(w.columns)) })
	for i := range w.columns {
		w.columns[i].schema(f)
	}
	f.i64(3, w.rows)
	f.list(4, wireStruct, len(w.groups))
	for i := range w.groups {
		f.element(func() { w.rowGroup(f, &w.groups[i]) })
	}
	f.list(5, wireStruct, 1)
	f.element(func() { f.text(1, "svcspy.tables"); f.text(2, Version) })
	f.text(6, fmt.Sprintf("svcspy version %s", Version))
}

func (c *column) schema(f *compact) {
	f.element(func() {
		f.i32(1, c.kind)
		f.i32(3, 0) // required
		f.text(4, c.name)
		switch {
		case c.kind == typeBytes:
			f.i32(6, convertedUTF8)
			f.structure(10, func() { f.structure(1, func() {}) })
		case c.micros:
			f.i32(6, convertedMicros)
			f.structure(10, func() {
				f.structure(8, func() {
					f.field(1, wireTrue) // UTC
					f.structure(2, func() { f.structure(2, func() {}) })
				})
			})
		}
	})
}

func (w *rowWriter[T]) rowGroup(f *compact, g *group) {
	f.list(1, wireStruct, len(g.chunks))
	var raw int64
	for i, k := range g.chunks {
		raw += k.raw
		f.element(func() {
			f.i64(2, k.begin)
			f.structure(3, func() { w.columns[i].chunk(f, k) })
		})
	}
	f.i64(2, raw)
	f.i64(3, int64(g.rows))
}

func (c *column) chunk(f *compact, k chunk) {
	f.i32(1, c.kind)
	encodings := []int64{encodingPlain}
	if c.places != nil {
		encodings = append(encodings, encodingDict)
	}
	f.list(2, wireI32, len(encodings))
	for _, e := range encodings {
		f.number(e)
	}
	f.list(3, wireBytes, 1)
	f.bytes(c.name)
	f.i32(4, codecZstd)
	f.i64(5, int64(k.values))
	f.i64(6, k.raw)
	f.i64(7, k.size)
	f.i64(9, k.data)
	if c.places != nil {
		f.i64(11, k.dict)
	}
	if c.kind == typeInt64 {
		bound := func(n int64) string { return string(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
		f.structure(12, func() { f.text(5, bound(k.most)); f.text(6, bound(k.least)) })
	}
}
