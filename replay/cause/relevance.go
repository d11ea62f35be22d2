package cause

import (
	"slices"
	"strings"
	"time"

	"github.com/svcspy/svcspy/analyzer/registry"
	"github.com/svcspy/svcspy/replay/change"
)

// Explains returns the fields of a change that matter under the rules, and the
// longest window in which they do; whole is true where its creation or deletion
// matters.
func Explains(rules []registry.ChangeRule, c *change.Change) (matter []change.Field, whole bool, within time.Duration) {
	within = -1
	wider := func(w time.Duration) {
		if within != registry.Latent && (w == registry.Latent || w > within) {
			within = w
		}
	}
	for _, r := range rules {
		if !slices.Contains(r.Resources, c.Ref.Resource.Resource) {
			continue
		}
		if c.Verb != change.Updated && r.Existence {
			whole = true
			wider(r.Within)
		}
		for _, f := range c.AllFields {
			if slices.ContainsFunc(r.Paths, func(p string) bool { return strings.HasPrefix(f.Path, p) }) {
				if !slices.ContainsFunc(matter, func(m change.Field) bool { return m.Path == f.Path }) {
					matter = append(matter, f)
				}
				wider(r.Within)
			}
		}
	}
	return matter, whole, within
}
