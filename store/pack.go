package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// maxSection bounds what a section unpacks to, and the sections of a block
// together.
const maxSection = 64 << 20

// errBlock is wrapped by everything malformed in a value.
var errBlock = errors.New("malformed block")

// pack compresses a section with its size in front.
func pack(z *zstd.Encoder, raw []byte) []byte {
	return z.EncodeAll(raw, binary.LittleEndian.AppendUint32(nil, uint32(len(raw))))
}

// unpackSized reverses pack.
func unpackSized(value []byte, most int) ([]byte, error) {
	w := wire{data: value}
	size := int(w.uint32())
	if size > most {
		return nil, fmt.Errorf("section of %d bytes: %w", size, errBlock)
	}
	return unpack(w.data, size)
}

// unpack decompresses a section that must have the size.
func unpack(packed []byte, size int) ([]byte, error) {
	if size > maxSection {
		return nil, fmt.Errorf("section of %d bytes: %w", size, errBlock)
	}
	raw, err := decompressor.DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBlock, err)
	}
	if len(raw) != size {
		return nil, fmt.Errorf("section of %d bytes, not %d: %w", len(raw), size, errBlock)
	}
	return raw, nil
}

// decompressor is shared: DecodeAll may be called concurrently. It never
// returns more than the capacity it is given.
var decompressor = func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(maxSection+1), zstd.WithDecoderMaxWindow(maxSection))
	if err != nil {
		panic(err) // only wrong options
	}
	return d
}()

// newEncoder returns an encoder of that level.
func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // only wrong options
	}
	return z
}
