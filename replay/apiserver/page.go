package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcspy/svcspy/store"
)

// token is a continue token: where the next page of a list begins. All pages
// of a list are read at one position, so that they fit together however long
// the client takes, and however far time has moved on.
type token struct {
	Version string    `json:"v"`
	List    string    `json:"list"`  // what is listed: see selected.String
	RV      string    `json:"rv"`    // of the list
	Seq     store.Seq `json:"seq"`   // read at
	Start   int       `json:"start"` // place in everything the index finds
}

// tokenVersion tells our tokens from those of a real API server.
const tokenVersion = "svcspy.dev/v1"

func (t token) String() string {
	t.Version = tokenVersion
	b, _ := json.Marshal(t) // strings and numbers always can
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseToken reads a continue token of a list. A token of another server is as good
// as one that is too old: the client has to list again. One of another list is an
// error of the client.
func parseToken(s, list string, last store.Seq) (token, error) {
	var kind struct {
		Version string `json:"v"`
	}
	var t token
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(b, &kind) != nil || kind.Version == "" {
		return t, apierrors.NewBadRequest("continue key is not valid")
	}
	if kind.Version != tokenVersion || json.Unmarshal(b, &t) != nil || t.Seq > last || t.Start < 0 {
		return t, apierrors.NewResourceExpired("the continue token is not of this recording: list again without it")
	}
	if t.List != list {
		return t, apierrors.NewBadRequest(fmt.Sprintf("continue key is not valid: it continues a list of %s, not of %s", t.List, list))
	}
	return t, nil
}

// keyOrder brings what the index found into the order in which an API server
// lists: by "namespace/name" as etcd's keys are. That is not by namespace, then
// name, where one namespace begins with another: kube-system/ is before kube/.
// Where an object cannot be read the order of the index stays.
func (s *Server) keyOrder(seqs []store.Seq) []store.Seq {
	readable := true
	namespace := func(seq store.Seq) string {
		e, err := s.timeline.Event(seq)
		readable = readable && err == nil
		return e.Namespace
	}
	if len(seqs) == 0 || namespace(seqs[0]) == namespace(seqs[len(seqs)-1]) {
		return seqs
	}
	type group struct {
		key  string
		seqs []store.Seq
	}
	var groups []group
	for rest := seqs; len(rest) > 0; {
		ns := namespace(rest[0])
		n := 1 + sort.Search(len(rest)-1, func(i int) bool { return namespace(rest[i+1]) != ns })
		groups = append(groups, group{ns + "/", rest[:n]})
		rest = rest[n:]
	}
	if !readable {
		return seqs
	}
	slices.SortStableFunc(groups, func(a, b group) int { return strings.Compare(a.key, b.key) })
	ordered := make([]store.Seq, 0, len(seqs))
	for _, g := range groups {
		ordered = append(ordered, g.seqs...)
	}
	return ordered
}
