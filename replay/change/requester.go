package change

import (
	"encoding/json"
	"slices"
	"strings"

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

// mostRequests is how many requests before a change are looked at.
const mostRequests = 16

// requester finds the request that made the change among those about the object:
// the one that wrote this version or, if that one wrote the status only and more
// was changed, one before it whose result the log does not show, such as that of
// a scale.
func (c *Change) requester(t replay.Timeline, cache *replay.Cache, seqs []store.Seq) error {
	end, _ := slices.BinarySearch(seqs, c.Seq)
	var before store.Seq // what came before the version before is not asked
	if c.Before != nil && c.Before.Seq < c.Seq {
		before = c.Before.Seq
	}
	more := c.Verb == Updated && !onlyStatus(c.AllFields)
	for i, seq := range slices.Backward(seqs[:end]) {
		if seq+1 < before || end-i > mostRequests {
			return nil
		}
		o, err := cache.Get(t, seq)
		if err != nil {
			return err
		}
		var r store.Request
		if o.Type == watch.Deleted || json.Unmarshal(o.Object, &r) != nil || r.Code >= 300 {
			continue
		}
		blind := more && r.Version == "" && seq > before && r.Subresource != "status"
		switch {
		case c.Verb == Deleted || c.Verb == Deleting:
			if !strings.HasPrefix(r.Verb, "delete") && r.Subresource != "eviction" {
				continue
			}
		case blind:
			if !ofControlPlane(r.User) {
				c.Origin = Intent
			}
		case r.Version == "" || r.Version != c.ResourceVersion:
			continue
		}
		c.Requester = &Requester{
			User: r.User, Impersonated: r.Impersonated, Addresses: r.Addresses, Agent: r.Agent, Verb: r.Verb, Subresource: r.Subresource, Seq: seq,
		}
		if blind || !more || r.Subresource != "status" {
			return nil
		}
	}
	return nil
}

// ofControlPlane reports whether a user is a component of Kubernetes: what it
// writes follows from something else.
func ofControlPlane(user string) bool {
	return strings.HasPrefix(user, "system:kube-") || strings.HasPrefix(user, "system:serviceaccount:kube-system:") || strings.HasPrefix(user, "system:node:")
}
