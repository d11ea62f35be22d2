package encoding

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// MaxSection bounds what a section unpacks to, and the sections of a block
// together.
const MaxSection = 64 << 20

// ErrMalformed is wrapped by everything malformed in a value.
var ErrMalformed = errors.New("malformed block")

// Pack compresses a section with its size in front.
func Pack(z *zstd.Encoder, raw []byte) []byte {
	return z.EncodeAll(raw, binary.LittleEndian.AppendUint32(nil, uint32(len(raw))))
}

// Unpack reverses pack.
func Unpack(value []byte, most int) ([]byte, error) {
	w := Reader{Data: value}
	size := int(w.Uint32())
	if size > most {
		return nil, fmt.Errorf("section of %d bytes: %w", size, ErrMalformed)
	}
	return Decompress(w.Data, size)
}

// Decompress decompresses a section that must have the size.
func Decompress(packed []byte, size int) ([]byte, error) {
	if size > MaxSection {
		return nil, fmt.Errorf("section of %d bytes: %w", size, ErrMalformed)
	}
	raw, err := decompressor.DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(raw) != size {
		return nil, fmt.Errorf("section of %d bytes, not %d: %w", len(raw), size, ErrMalformed)
	}
	return raw, nil
}

// decompressor is shared: DecodeAll may be called concurrently. It never
// returns more than the capacity it is given.
var decompressor = func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(MaxSection+1), zstd.WithDecoderMaxWindow(MaxSection))
	if err != nil {
		panic(err) // only wrong options
	}
	return d
}()

// NewEncoder returns an encoder of that level.
func NewEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // only wrong options
	}
	return z
}
