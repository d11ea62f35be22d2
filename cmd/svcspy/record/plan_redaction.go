package record

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"text/tabwriter"

	"k8s.io/client-go/rest"

	"github.com/svcspy/svcspy/recorder"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/store/rawjson"
)

// sampleSize is how many objects of each resource are read to estimate what
// redaction takes out.
const sampleSize = 500

// redactionSample says what the policy takes out of the objects that are in the
// cluster now.
type redactionSample struct {
	Objects int `json:"objects"` // read: at most 500 of each resource and namespace
	Changed int `json:"changed"` // of these, with at least one token
	Unread  int `json:"unread"`  // resources that could not be listed
	// Values counts the tokens by the class of place, as info does.
	Values map[string]uint64 `json:"values"`
}

// sample lists the first objects of each allowed target and applies the policy to
// them. Nothing of them is kept.
func sample(ctx context.Context, client rest.Interface, policy *redact.Policy, resources []planned) *redactionSample {
	s := &redactionSample{}
	var lock sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, askers)
	for _, r := range resources {
		if r.Allowed != "yes" {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			objects, changed, err := sampleTarget(ctx, client, policy, r.target)
			lock.Lock()
			defer lock.Unlock()
			s.Objects += objects
			s.Changed += changed
			if err != nil {
				s.Unread++
			}
		})
	}
	running.Wait()
	s.Values = policy.Counts()
	return s
}

func sampleTarget(ctx context.Context, client rest.Interface, policy *redact.Policy, target recorder.Target) (objects, changed int, err error) {
	path := "/apis/" + target.Resource.Group + "/" + target.Resource.Version
	if target.Resource.Group == "" {
		path = "/api/" + target.Resource.Version
	}
	if target.Namespace != "" {
		path += "/namespaces/" + target.Namespace
	}
	request := client.Get().AbsPath(path+"/"+target.Resource.Resource).Param("limit", strconv.Itoa(sampleSize)).SetHeader("Accept", "application/json")
	if target.Selector != "" {
		request = request.Param("labelSelector", target.Selector)
	}
	list, err := request.Do(ctx).Raw()
	if err != nil {
		return 0, 0, err
	}
	c := rawjson.Cursor{Text: list}
	if c.Peek() != '{' {
		return 0, 0, fmt.Errorf("list %s: no list", target)
	}
	var out []byte
	for c.Enter('{'); c.More('}'); {
		if string(c.Key()) != "items" || c.Peek() != '[' {
			c.Skip()
			continue
		}
		for c.Enter('['); c.More(']'); {
			c.Peek()
			start := c.At
			c.Skip()
			if c.Err() != nil {
				break
			}
			item := list[start:c.At]
			if out, err = policy.Object(out[:0], target.Resource, item); err != nil {
				return objects, changed, err
			}
			objects++
			if string(out) != string(item) {
				changed++
			}
		}
	}
	return objects, changed, c.Err()
}

// print says it as text.
func (s *redactionSample) print(w io.Writer, policy string) error {
	var all uint64
	for _, n := range s.Values {
		all += n
	}
	fmt.Fprintf(w, "\nredaction %s would replace %d values in %d of %d objects", policy, all, s.Changed, s.Objects)
	fmt.Fprintf(w, " (at most %d of each resource were read)", sampleSize)
	if s.Unread > 0 {
		fmt.Fprintf(w, "; %d resources could not be read", s.Unread)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	for _, class := range slices.Sorted(maps.Keys(s.Values)) {
		fmt.Fprintf(t, "  %s\t%d\n", class, s.Values[class])
	}
	return t.Flush()
}
