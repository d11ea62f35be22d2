package store

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
)

// Buckets of the file and keys in the first of them; FORMAT.md describes them.
const (
	bucketHead      = "svcspy"
	bucketBlocks    = "blocks"
	bucketTrail     = "trail"
	bucketRuns      = "runs"
	bucketObjects   = "objects"
	bucketTerms     = "terms"
	bucketClocks    = "clocks"
	bucketDiscovery = "discovery"
	bucketMarks     = "marks"

	keyFormat    = "format"
	keyHeader    = "header"
	keyEnd       = "end"
	keySeal      = "seal"
	keySignature = "signature"
)

// allBuckets are those of the recording proper, in the order of the digest.
var allBuckets = []string{bucketHead, bucketBlocks, bucketTrail, bucketRuns, bucketObjects, bucketTerms, bucketClocks, bucketDiscovery}

// appendSum ends a value with its checksum, as all values of the file are.
func appendSum(bucket string, key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(value, checksum(bucket, key, value))
}

var errSum = errors.New("checksum does not match")

// trimSum checks a value and returns it without the checksum.
func trimSum(bucket string, key, value []byte) ([]byte, error) {
	n := len(value) - 4
	if n < 0 || binary.LittleEndian.Uint32(value[n:]) != checksum(bucket, key, value[:n]) {
		return nil, errSum
	}
	return value[:n], nil
}

// seqKey is the key of what begins at a position; keys sort as positions do.
func seqKey(seq Seq) []byte { return binary.BigEndian.AppendUint64(nil, uint64(seq)) }

// runKey is the key of a run, pageKey that of one of its pages.
func runKey(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

func pageKey(id uint32, page int) []byte {
	return binary.BigEndian.AppendUint32(runKey(id), uint32(page))
}

// put writes a value with its checksum.
func put(tx *bbolt.Tx, bucket string, key, value []byte) error {
	b := tx.Bucket([]byte(bucket))
	b.FillPercent = 1 // keys only grow
	return b.Put(key, appendSum(bucket, key, value))
}
