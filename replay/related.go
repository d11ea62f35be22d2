package replay

import (
	"slices"

	"github.com/svcspy/svcspy/store"
)

// Related returns the names of everything that can matter to a subject at the
// state's instant, or did earlier: the subject first, then what it refers to,
// what refers to it, what that refers to, and all Nodes.
func Related(s *State, subject store.Ref) ([]store.Ref, error) {
	refs := slices.Clone(reachOf(s, subject).refs)
	return refs, s.Err()
}
