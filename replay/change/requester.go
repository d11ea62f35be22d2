package change

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Requester is who asked the API server for a change, as an audit log tells: a
// user, where managedFields name a tool.
type Requester struct {
	User         string    `json:"user"`
	Impersonated string    `json:"impersonatedUser,omitempty"` // as whom User acted
	Addresses    []string  `json:"sourceIPs,omitempty"`
	Agent        string    `json:"userAgent,omitempty"`
	Verb         string    `json:"verb"`
	Subresource  string    `json:"subresource,omitempty"`
	Seq          store.Seq `json:"seq"` // of the request in the recording
	// Likely is set if no version ties the request to the change: it is the only
	// one known that may have made it.
	Likely bool `json:"likely,omitempty"`
}

// String names the user, as whom he acted, and from where.
func (r *Requester) String() string {
	text := r.User
	if r.Impersonated != "" {
		text += " as " + r.Impersonated
	}
	if len(r.Addresses) > 0 {
		text += " from " + r.Addresses[0]
	}
	if r.Likely {
		text += " (likely)"
	}
	return text
}

// requested names for each change who asked for it, where requests are recorded.
func requested(t replay.Timeline, cache *replay.Cache, ref store.Ref, found []Change) error {
	if len(found) == 0 || ref.Resource == store.Requests {
		return nil
	}
	last := found[len(found)-1].Seq
	c, err := t.Coverage(store.Requests, "", last)
	if err != nil || c.Status == store.NotRecorded {
		return err
	}
	seqs, err := t.History(store.Ref{Resource: store.Requests, Namespace: ref.Namespace, Name: store.RequestName(ref.Resource, ref.Name)}, last)
	if err != nil {
		return err
	}
	for i := range found {
		if err := found[i].requester(t, cache, seqs); err != nil {
			return err
		}
	}
	return nil
}

// mostRequests is how many requests before a change are looked at, and blindFor
// how long before it a request may lie that does not say which version it wrote.
const (
	mostRequests = 64
	blindFor     = 10 * time.Second
)

// requester finds the request that made the change among those about the object
// since the version before: the one that wrote this version, or the only user who
// may have made it, who is likely. If it may have been several, none is named. The
// status subresource writes nothing but the status.
func (c *Change) requester(t replay.Timeline, cache *replay.Cache, seqs []store.Seq) error {
	end, _ := slices.BinarySearch(seqs, c.Seq)
	var before store.Seq
	if c.Before != nil && c.Before.Seq < c.Seq {
		before = c.Before.Seq
	}
	var exact, other *Requester
	several := false
	for i, seq := range slices.Backward(seqs[:end]) {
		if seq <= before {
			break
		}
		if end-i > mostRequests {
			several = several || exact == nil
			break
		}
		o, err := cache.Get(t, seq)
		if err != nil {
			return err
		}
		var r store.Request
		if o.Type == watch.Deleted || json.Unmarshal(o.Object, &r) != nil || r.Code >= 300 || r.Effect == store.Unchanged {
			continue
		}
		found := &Requester{
			User: r.User, Impersonated: r.Impersonated, Addresses: r.Addresses, Agent: r.Agent, Verb: r.Verb, Subresource: r.Subresource, Seq: seq,
		}
		switch c.madeBy(&r, c.ObservedAt.Sub(o.Time)) {
		case wrote:
			exact = found // the first of them: later ones changed nothing
		case mayHave:
			if other != nil && !other.same(found) {
				several = true
			}
			other = found
		}
	}
	switch {
	case exact != nil && (other == nil || exact.same(other)):
		c.Requester = exact
	case exact != nil || several || other == nil: // nobody for certain
	default:
		c.Requester, other.Likely = other, true
	}
	if r := c.Requester; r != nil && r.Likely && c.Verb == Updated && !ofControlPlane(r.User) {
		c.Origin = Intent
	}
	return nil
}

// part is the part of a request in a change.
type part int

const (
	none part = iota
	mayHave
	wrote
)

// madeBy returns the part of a request that succeeded so long before the change.
func (c *Change) madeBy(r *store.Request, ago time.Duration) part {
	exact := r.Version != "" && r.Version == c.ResourceVersion
	deletes := strings.HasPrefix(r.Verb, "delete") || r.Subresource == "eviction"
	may := func(is bool) part {
		if is && (ago <= blindFor || r.Version != "") {
			return mayHave
		}
		return none
	}
	switch {
	case c.Verb == Deleted && r.Effect == store.Removed, c.Verb == Deleting && exact:
		return wrote
	case c.Verb == Deleted || c.Verb == Deleting:
		return may(deletes)
	case c.Verb == Created && r.Verb == "create" && r.Subresource == "":
		return wrote // there was nothing before it
	case c.Verb == Created, onlyStatus(c.AllFields):
		if exact {
			return wrote
		}
		return none
	case r.Subresource == "status":
		return none
	case exact && ago <= blindFor:
		return wrote
	}
	return may(!deletes)
}

func (r *Requester) same(o *Requester) bool {
	return r.User == o.User && r.Impersonated == o.Impersonated
}

// ofControlPlane reports whether a user is a component of Kubernetes: what it
// writes follows from something else.
func ofControlPlane(user string) bool {
	return strings.HasPrefix(user, "system:kube-") || strings.HasPrefix(user, "system:serviceaccount:kube-system:") || strings.HasPrefix(user, "system:node:")
}
