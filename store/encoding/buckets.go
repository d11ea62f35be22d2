package encoding

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/svcspy/svcspy/store/event"
)

// Buckets of the file and keys in the first of them; FORMAT.md describes them.
const (
	BucketHead      = "svcspy"
	BucketBlocks    = "blocks"
	BucketTrail     = "trail"
	BucketRuns      = "runs"
	BucketObjects   = "objects"
	BucketTerms     = "terms"
	BucketClocks    = "clocks"
	BucketDiscovery = "discovery"
	BucketMarks     = "marks"

	KeyFormat    = "format"
	KeyHeader    = "header"
	KeyEnd       = "end"
	KeySeal      = "seal"
	KeySignature = "signature"
)

// Buckets are those of the recording proper, in the order of the digest.
var Buckets = []string{BucketHead, BucketBlocks, BucketTrail, BucketRuns, BucketObjects, BucketTerms, BucketClocks, BucketDiscovery}

// appendSum ends a value with its checksum, as all values of the file are.
func appendSum(bucket string, key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(value, checksum(bucket, key, value))
}

var ErrSum = errors.New("checksum does not match")

// TrimSum checks a value and returns it without the checksum.
func TrimSum(bucket string, key, value []byte) ([]byte, error) {
	n := len(value) - 4
	if n < 0 || binary.LittleEndian.Uint32(value[n:]) != checksum(bucket, key, value[:n]) {
		return nil, ErrSum
	}
	return value[:n], nil
}

// SeqKey is the key of what begins at a position; keys sort as positions do.
func SeqKey(seq event.Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

// SegmentKey is the key of a run, pageKey that of one of its pages.
func SegmentKey(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

func PageKey(id uint32, page int) []byte {
	return binary.BigEndian.AppendUint32(SegmentKey(id), uint32(page))
}

// Put writes a value with its checksum.
func Put(tx *bbolt.Tx, bucket string, key, value []byte) error {
	b := tx.Bucket([]byte(bucket))
	b.FillPercent = 1 // keys only grow
	return b.Put(key, appendSum(bucket, key, value))
}
