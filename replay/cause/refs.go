package cause

import (
	"slices"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// Related returns the names of everything that can matter to a subject at the
// state's instant, or did earlier: the subject first, then what it refers to,
// what refers to it, what that refers to, and all Nodes.
func Related(s *replay.State, subject store.Ref) ([]store.Ref, error) {
	refs := slices.Clone(RelationsOf(s, subject).Refs)
	return refs, s.Err()
}
