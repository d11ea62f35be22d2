// Package segment cuts what an unattended recorder records into segments: sealed
// recordings of some minutes, one after the other, that are stored in a bucket and
// found there by their names.
//
// A Name is where a segment lies; a Summary says what is in it, and is stored beside
// it when all of the segment is there. A Chain is how far a run was cut, and Cut
// continues it. Find and Fetch read a bucket.
package segment

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/svcspy/svcspy/store"
)

// Name is the key of a segment, in parts:
// CLUSTER/DATE/START-END-RUN-FIRST-DIGEST. Keys sort by time, and which segments an
// instant needs is known from their keys.
type Name struct {
	Cluster    string
	Start, End time.Time // whole seconds that enclose the segment
	Run        string    // the beginning of the ID of the recorder's run
	First      store.Seq // the first position
	Digest     string    // the beginning of the digest of its seal
}

const (
	digestInName = 16
	timeFormat   = "20060102T150405Z"
	dateFormat   = "2006-01-02"
	// Recording and Commit end the keys of the two objects of a segment: without
	// the second, which is stored last, there is no segment.
	Recording = ".db"
	Commit    = ".json"
)

// Key returns the key of the segment, without the end that says which object it is.
func (n Name) Key() string {
	return Day(n.Cluster, n.Start) + n.Base()
}

// Base is the last element of the key.
func (n Name) Base() string {
	return fmt.Sprintf("%s-%s-%s-%d-%s", n.Start.UTC().Format(timeFormat), n.End.UTC().Format(timeFormat), n.Run, n.First, n.Digest)
}

// Day begins the keys of the segments of a cluster that begin on the day of t.
func Day(cluster string, t time.Time) string {
	return cluster + "/" + t.UTC().Format(dateFormat) + "/"
}

var nameForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9][a-z0-9._-]{0,62})/(\d{4}-\d\d-\d\d)/(\d{8}T\d{6}Z)-(\d{8}T\d{6}Z)-([0-9a-f]{8})-(\d{1,19})-([0-9a-f]{16})$`)
})

// ParseKey reads a key without its end. It returns false for what is no key of a
// segment.
func ParseKey(key string) (Name, bool) {
	m := nameForm().FindStringSubmatch(key)
	if m == nil {
		return Name{}, false
	}
	start, err1 := time.Parse(timeFormat, m[3])
	end, err2 := time.Parse(timeFormat, m[4])
	first, err3 := strconv.ParseUint(m[6], 10, 63)
	n := Name{m[1], start, end, m[5], store.Seq(first), m[7]}
	return n, err1 == nil && err2 == nil && err3 == nil && !end.Before(start) && n.Key() == key
}

// ClusterName makes a text the name of a cluster in keys; "" if nothing is left.
func ClusterName(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(text))
	clean = strings.TrimLeft(clean, "-._")
	return strings.TrimRight(clean[:min(len(clean), 63)], "-._")
}

// nameOf names a sealed recording that was cut from a run.
func nameOf(cluster string, info store.Info) Name {
	end := info.End.UTC()
	if t := end.Truncate(time.Second); t.Before(end) {
		end = t.Add(time.Second)
	}
	return Name{cluster, info.Start.UTC().Truncate(time.Second), end, RunName(info.Run()), info.First, info.SHA256[:digestInName]}
}

// RunName is the part of the ID of a run that stands in names.
func RunName(id string) string {
	hex := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'f' {
			return r
		}
		return -1
	}, strings.ToLower(id))
	return (hex + "00000000")[:8]
}
