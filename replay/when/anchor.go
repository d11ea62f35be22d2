package when

import (
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/svcspy/svcspy/store"
)

// anchor reads a named instant with or without an offset. The name is tried
// whole first, since the name of a mark may end like an offset.
func (p reading) anchor() (Instant, error) {
	w, err := p.named(p.text)
	cut := strings.LastIndexAny(p.text, "+-")
	if err == nil || cut < 2 { // no anchor is shorter
		return w, err
	}
	d, ok := parseOffset(p.text[cut:])
	if !ok {
		return Instant{}, err
	}
	w, err = p.named(p.text[:cut])
	return Instant{Time: w.Time.Add(d)}, err
}

// named reads an anchor.
func (p reading) named(name string) (Instant, error) {
	switch name {
	case "start":
		return Instant{Time: p.Start}, nil
	case "end":
		return Instant{Time: p.End}, nil
	case "incident":
		if p.Incident == nil {
			return Instant{}, p.unknown(errNotHere)
		}
		t, err := p.Incident()
		return p.found(t, err)
	}
	if number, ok := strings.CutPrefix(name, "#"); ok {
		return p.event(number)
	}
	if version, ok := strings.CutPrefix(name, "rv:"); ok {
		return p.version(version)
	}
	if number, ok := strings.CutPrefix(name, "verdict:"); ok {
		return p.verdict(number)
	}
	if text, ok := strings.CutPrefix(name, "@"); ok {
		return p.at(text)
	}
	if number, ok := strings.CutSuffix(name, "%"); ok {
		return p.percent(number)
	}
	return Instant{}, p.unreadable("")
}

func (p reading) event(number string) (Instant, error) {
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || seq == 0 {
		return Instant{}, p.unreadable("events are numbered from #1")
	}
	return p.position(store.Seq(seq))
}

func (p reading) version(version string) (Instant, error) {
	if version == "" {
		return Instant{}, p.unreadable("the resourceVersion is missing")
	}
	seq, err := look(p.SeqOfRV, version)
	if err != nil {
		return Instant{}, p.unknown(err)
	}
	return p.position(seq)
}

// position returns the time at seq together with seq: others may share the time.
// Before the start no position has a state, and it is an instant as any other.
func (p reading) position(seq store.Seq) (Instant, error) {
	w, err := p.found(look(p.TimeOfSeq, seq))
	if !w.Time.Before(p.Start) {
		w.Seq = seq
	}
	return w, err
}

func (p reading) verdict(number string) (Instant, error) {
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 {
		return Instant{}, p.unreadable("verdicts are numbered from verdict:1")
	}
	return p.found(look(p.Verdict, int(n)))
}

// lastUnix is the last second of the year 9999, where RFC 3339 ends.
const lastUnix = 253402300799

// at reads what follows an @: seconds since 1970, else the name of a mark.
func (p reading) at(text string) (Instant, error) {
	if text == "" {
		return Instant{}, p.unreadable("the name of the mark is missing")
	}
	whole, fraction, dot := strings.Cut(text, ".")
	seconds, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return p.found(look(p.Mark, text))
	}
	ns, ok := parseFraction(fraction)
	if seconds > lastUnix || dot && !ok {
		return Instant{}, p.unreadable("it is not a number of seconds since 1970")
	}
	return Instant{Time: time.Unix(int64(seconds), int64(ns))}, nil
}

// percent reads how far into the recording. It computes in integers, so that
// 100% is the end to the nanosecond.
func (p reading) percent(number string) (Instant, error) {
	whole, fraction, dot := strings.Cut(number, ".")
	n, err := strconv.ParseUint(whole, 10, 16)
	billionths, ok := parseFraction(fraction)
	if err != nil || dot && !ok {
		return Instant{}, p.unreadable("")
	}
	const one = 1e9
	share := n*one + uint64(billionths)
	length := p.End.Sub(p.Start)
	if share > 100*one || length < 0 {
		return Instant{}, p.outside("it is")
	}
	hi, lo := bits.Mul64(uint64(length), share)
	passed, _ := bits.Div64(hi, lo, 100*one)
	return Instant{Time: p.Start.Add(time.Duration(passed))}, nil
}

// found returns what a look-up returned.
func (p reading) found(t time.Time, err error) (Instant, error) {
	if err != nil {
		return Instant{}, p.unknown(err)
	}
	return Instant{Time: t}, nil
}

var errNotHere = &NotThere{"nothing of this kind is known here", ""}

// look looks an anchor up, if there is where to look.
func look[K, V any](in func(K) (V, error), key K) (V, error) {
	if in == nil {
		var none V
		return none, errNotHere
	}
	return in(key)
}

// parseFraction reads up to nine decimals as so many billionths.
func parseFraction(text string) (int, bool) {
	if len(text) == 0 || len(text) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(text+"000000000"[len(text):], 10, 32)
	return int(n), err == nil
}
