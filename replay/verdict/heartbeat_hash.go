package verdict

import (
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/svcspy/svcspy/analyzer"
)

// heartbeats are the resources that are written again and again to say that
// nothing changed.
var heartbeats = []string{"nodes", "leases"}

// heartbeat is how soon a version of a Lease must follow the one before it to
// be only a sign of life: a later one may end a silence that the verdict rests
// on.
const heartbeat = 30 * time.Second

var gistSeed = maphash.MakeSeed()

// beats are the fields that a sign of life changes, at any depth, and images,
// of which only the kubelet makes use.
var beats = map[string]bool{
	"resourceVersion": true, "managedFields": true, "lastHeartbeatTime": true, "renewTime": true, "images": true,
}

// heartbeatHash is a hash of what an object says, without signs of life. Two versions in
// which fields stand in another order may differ. It reads the JSON as text:
// this is done for every heartbeat of every node.
func heartbeatHash(object []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(gistSeed)
	from := 0
	for i := 0; i < len(object); i++ {
		if object[i] != '"' {
			continue
		}
		begin := i + 1
		i = stringEnd(object, begin)
		if i+1 >= len(object) || object[i+1] != ':' || !beats[string(object[begin:i])] {
			continue
		}
		_, _ = h.Write(object[from : begin-1])
		from = valueEnd(object, i+2)
		i = from - 1
	}
	_, _ = h.Write(object[min(from, len(object)):])
	return h.Sum64()
}

// stringEnd returns the place of the quote that ends the string whose text
// begins at i, or the end.
func stringEnd(text []byte, i int) int {
	for i < len(text) && text[i] != '"' {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	return min(i, len(text))
}

// valueEnd returns the place behind the value that begins at i.
func valueEnd(text []byte, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i+1)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return min(i+1, len(text))
		}
	}
	return len(text)
}

// templateHash is a hash of what an object tells of the Pods it makes.
func templateHash(o *analyzer.Object) uint64 {
	t := o.Template()
	var h maphash.Hash
	h.SetSeed(gistSeed)
	switch {
	case t.Err != nil:
		return heartbeatHash(o.Event.Object)
	case t.Controlled:
		h.WriteByte(1)
		return h.Sum64()
	}
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		for _, s := range []string{k, t.Labels[k]} {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
	}
	return h.Sum64()
}
