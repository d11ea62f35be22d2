package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"pgregory.net/rapid"
)

// write is one write to a cluster of a few Pods: the resourceVersion is its number.
type write struct {
	event Event
	state map[string]string // UID and version of each Pod after it
}

func podObject(name, uid string, version int) []byte {
	return fmt.Appendf(nil, `{"metadata":{"name":%q,"namespace":"a","uid":%q,"resourceVersion":"%d"}}`, name, uid, version)
}

func drawWrites(t *rapid.T) []write {
	all := []write{{state: map[string]string{}}}
	uids := map[string]string{}
	for n := 1; n <= rapid.IntRange(3, 25).Draw(t, "writes"); n++ {
		name := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "pod")
		e := Event{Type: watch.Modified, Resource: pods, Namespace: "a", Name: name}
		if uids[name] == "" {
			e.Type, uids[name] = watch.Added, fmt.Sprintf("u%d", n)
		} else if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
			e.Type = watch.Deleted
		}
		e.UID, e.ResourceVersion, e.Object = types.UID(uids[name]), fmt.Sprint(n), podObject(name, uids[name], n)
		state := map[string]string{}
		for k, v := range all[n-1].state {
			state[k] = v
		}
		state[name] = fmt.Sprintf("%s@%d", uids[name], n)
		if e.Type == watch.Deleted {
			delete(state, name)
			delete(uids, name)
		}
		all = append(all, write{e, state})
	}
	return all
}

// tick is when the n-th write happened. What a recorder does before it, it does 200 ms
// before it.
func tick(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }

// drawRecorder records the writes with gaps, each of which it ends with a list or by
// going on where it was, and returns after which writes it was listening.
func drawRecorder(t *rapid.T, path string, writes []write, lag time.Duration, late bool) (listening []bool) {
	last := len(writes) - 1
	from := rapid.IntRange(1, last).Draw(t, "from")
	to := rapid.IntRange(from, last).Draw(t, "to")
	at := func(n int) time.Time { return tick(n).Add(lag - 200*time.Millisecond) }
	w, err := Create(path, Header{ID: path, Start: at(from)}, noSync, smallRuns(t))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	cover := func(n int, c Coverage) {
		c.Time, c.Resource = at(n), pods
		if _, err := w.Cover(c); err != nil {
			t.Fatal(err)
		}
	}
	say := func(at time.Time, e Event) {
		e.Time, e.Resource = at, pods
		if _, err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	list := func(n int) { // as it was before the n-th write
		cover(n, Coverage{Status: Listing})
		say(at(n), Event{Type: Relist})
		for name, v := range writes[n-1].state {
			var uid string
			var version int
			if _, err := fmt.Sscanf(string(bytes.ReplaceAll([]byte(v), []byte("@"), []byte(" "))), "%s %d", &uid, &version); err != nil {
				t.Fatal(err)
			}
			say(at(n), Event{Type: watch.Added, Namespace: "a", Name: name, UID: types.UID(uid), ResourceVersion: fmt.Sprint(version), Object: podObject(name, uid, version)})
		}
		end := Event{Type: watch.Bookmark, Object: endOfList}
		if rapid.Bool().Draw(t, "versioned") || lag > 150*time.Millisecond || late {
			end.ResourceVersion = fmt.Sprint(n - 1)
		}
		say(at(n), end)
		cover(n, Coverage{Status: Current})
	}
	listening = make([]bool, len(writes))
	list(from)
	missed, gap := []int(nil), false
	for n := from; n <= to; n++ {
		if n > from && rapid.IntRange(0, 4).Draw(t, "break") == 0 {
			if gap = !gap; gap {
				cover(n, Coverage{Status: Gap, Reason: "watch closed"})
			} else if rapid.Bool().Draw(t, "resume") {
				for _, m := range missed {
					say(at(n), writes[m].event)
				}
				cover(n, Coverage{Status: Current, Resumed: true})
			} else {
				list(n)
			}
			missed = nil
		}
		if gap {
			missed = append(missed, n)
			continue
		}
		listening[n] = true
		say(tick(n).Add(lag), writes[n].event)
		if n%5 == 0 {
			if err := w.Commit(w.time); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Seal(at(to + 1)); err != nil {
		t.Fatal(err)
	}
	return listening
}

// TestMerge merges recordings of up to three recorders of one cluster, with gaps of
// their own. It is current where any of them was, and then it knows the cluster as it
// was; each write that any of them received is there once.
func TestMerge(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		defer removeAll(dir)
		writes := drawWrites(rt)
		lagging := rapid.IntRange(0, 3).Draw(rt, "lagging") == 0 // the second is seconds late
		var parts []*Recording
		var listening [][]bool
		for i := range rapid.IntRange(1, 3).Draw(rt, "recorders") {
			lag := time.Duration(rapid.IntRange(0, 150).Draw(rt, "lag")) * time.Millisecond
			if lagging && i == 1 {
				lag = time.Duration(rapid.IntRange(1, 5000).Draw(rt, "late")) * time.Millisecond
			}
			path := filepath.Join(dir, fmt.Sprint(i))
			listening = append(listening, drawRecorder(rt, path, writes, lag, lagging))
			r, err := Open(path)
			if err != nil {
				rt.Fatal(err)
			}
			parts = append(parts, r)
		}
		defer func() { closeAll(parts) }()
		if len(parts) > 1 && rapid.Bool().Draw(rt, "cut") { // what is cut begins with what was known
			info := parts[0].Info()
			first := Seq(rapid.IntRange(6, max(6, int(info.Last)-2)).Draw(rt, "first"))
			begin, err := parts[0].TimeOf(min(first, info.Last))
			if err != nil {
				rt.Fatal(err)
			}
			out := filepath.Join(dir, "excerpt")
			if _, err := parts[0].Excerpt(out, Excerpt{Header: Header{ID: "cut", Start: begin, Source: &Source{ID: info.ID}}, First: min(first, info.Last), End: info.End}, noSync); err != nil {
				rt.Fatal(err)
			}
			parts[0].Close()
			if parts[0], err = Open(out); err != nil {
				rt.Fatal(err)
			}
			for n := range writes {
				listening[0][n] = listening[0][n] && tick(n).After(begin.Add(time.Second))
			}
		}
		joined := filepath.Join(dir, "merged")
		info, err := Merge(joined, Header{ID: "merged"}, parts, noSync)
		if errors.Is(err, ErrMidList) {
			return // it was cut
		}
		if err != nil {
			rt.Fatal(err)
		}
		r, err := Open(joined)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		if v, err := r.Verify(); err != nil || len(v.Damage) > 0 {
			rt.Fatalf("verify: %v, %v", v.Damage, err)
		}
		received, inList := map[string]int{}, false
		for e, err := range r.Events(1, info.Last) {
			switch {
			case err != nil:
				rt.Fatal(err)
			case e.Type == Relist:
				inList = true
			case e.Type == watch.Bookmark:
				inList = false
			case !inList:
				if received[e.ResourceVersion]++; received[e.ResourceVersion] > 1 {
					rt.Fatalf("version %s is there twice", e.ResourceVersion)
				}
			default:
				received[e.ResourceVersion] += 0
			}
		}
		newest := map[string]int{}
		for n := 1; n < len(writes); n++ {
			at, err := r.SeqAt(tick(n).Add(500 * time.Millisecond))
			if err != nil {
				rt.Fatal(err)
			}
			seqs, err := r.Find(Query{Resource: pods}, at)
			if err != nil {
				rt.Fatal(err)
			}
			state := map[string]string{}
			for _, seq := range seqs {
				e, err := r.Event(seq)
				if err != nil {
					rt.Fatal(err)
				}
				state[e.Name] = string(e.UID) + "@" + e.ResourceVersion
				var version int
				fmt.Sscan(e.ResourceVersion, &version)
				if version < newest[e.Name] {
					rt.Fatalf("after write %d %s goes back from version %d to %d", n, e.Name, newest[e.Name], version)
				}
				newest[e.Name] = version
			}
			heard, prompt := false, false
			for i := range listening {
				heard = heard || listening[i][n]
				prompt = prompt || listening[i][n] && !(lagging && i == 1)
			}
			c, err := r.Coverage(pods, "", at)
			if err != nil {
				rt.Fatal(err)
			}
			after := !tick(n).Add(500 * time.Millisecond).After(info.End) // what is not over
			if prompt && (c.Status != Current || !cmp.Equal(state, writes[n].state)) {
				rt.Fatalf("after write %d: %s, %v\nwant %v", n, c.Status, state, writes[n].state)
			}
			if !heard && !lagging && after && at > 0 && c.Status == Current && !listeningSoon(parts, n) {
				rt.Fatalf("after write %d nobody was listening, and it is %+v", n, c)
			}
			if _, there := received[fmt.Sprint(n)]; prompt && (!there || writes[n].event.Type == watch.Deleted && received[fmt.Sprint(n)] == 0) {
				rt.Fatalf("write %d is not there", n)
			}
		}
	})
}

// listeningSoon reports whether an excerpt, whose beginning is at any instant, was
// current after a write.
func listeningSoon(parts []*Recording, n int) bool {
	for _, r := range parts {
		info := r.Info()
		at, err := r.SeqAt(tick(n).Add(500 * time.Millisecond))
		if err != nil || info.Start.After(tick(n).Add(500*time.Millisecond)) || info.End.Before(tick(n).Add(500*time.Millisecond)) {
			continue
		}
		if c, err := r.Coverage(pods, "", at); err == nil && c.Status == Current {
			return true
		}
	}
	return false
}

// TestMergeRefuses: versions that do not compare.
func TestMergeRefuses(t *testing.T) {
	w, path := create(t, Header{ID: "run", Start: start})
	if _, err := w.Append(Event{Time: start, Type: watch.Added, Resource: pods, Namespace: "a", Name: "x", UID: "u", ResourceVersion: "new"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Seal(start); err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(path+"-merged", Header{}, []*Recording{open(t, path)}); !errors.Is(err, ErrIncomparable) {
		t.Errorf("%v, want ErrIncomparable", err)
	}
	if _, err := os.Stat(path + "-merged"); err == nil {
		t.Error("after an error there is a file")
	}
}
