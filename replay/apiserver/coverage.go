package apiserver

import (
	"fmt"
	"strings"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// covered says how far an answer about a resource, in a namespace or ("") in
// all, can be trusted at a position: an error if nothing was recorded, warnings
// if it may be incomplete.
func (s *Server) covered(res *resource, namespace string, at moment) ([]string, error) {
	if len(res.scopes) == 0 {
		message := fmt.Sprintf("%s were not recorded", res)
		if res.gvr.Group == "events.k8s.io" && res.Name == "events" {
			message = "events were recorded as v1 Events, which are the same objects: ask for events.v1."
		}
		return nil, notRecorded(res, message)
	}
	scopes := []string{namespace}
	var warnings []string
	if namespace == "" && res.Namespaced && res.scopes[0] != "" {
		scopes = res.scopes
		warnings = append(warnings, fmt.Sprintf("%s were recorded only in %s", res, strings.Join(scopes, ", ")))
	}
	var found bool
	var refusal error
	for _, scope := range scopes {
		c, err := replay.CoverageAt(s.timeline, res.gvr, scope, at.seq, at.time)
		if err != nil {
			return nil, err
		}
		where := res.String()
		if scope != "" {
			where += " in " + scope
		}
		switch c.Status {
		case store.Current, store.Revisions:
		case store.Writes:
			warnings = append(warnings, fmt.Sprintf("of %s only what was written while the audit log ran is known: some may be missing (%s)", where, c.Reason))
		case store.Unseen:
			warnings = append(warnings, fmt.Sprintf("%s were changed at %s, and the audit log does not say to what: this may be outdated (%s)", where, clock(c.Time), c.Reason))
		case store.Instant:
			warnings = append(warnings, fmt.Sprintf("%s are as listed at %s", where, clock(c.Time)))
		case store.Partial:
			warnings = append(warnings, fmt.Sprintf("not all %s were recorded: %s", where, c.Reason))
		case store.Listing:
			warnings = append(warnings, fmt.Sprintf("%s were still being listed at %s: some may be missing", where, clock(at.time)))
		case store.Gap:
			warnings = append(warnings, fmt.Sprintf("nobody was listening to %s at %s, since %s (%s): this may be outdated",
				where, clock(at.time), clock(c.Time), c.Reason))
		case store.Forbidden:
			refusal = notRecorded(res, fmt.Sprintf("%s were not recorded: the cluster did not let the recorder see them (%s)", where, c.Reason))
			continue
		default:
			refusal = s.unheard(res, where, scope, at)
			continue
		}
		found = true
	}
	if !found {
		return nil, refusal
	}
	return warnings, nil
}

// unheard says why nothing is known of a scope at a moment.
func (s *Server) unheard(res *resource, where, scope string, at moment) error {
	if end, err := s.timeline.Coverage(res.gvr, scope, s.timeline.Info().Last); err == nil && end.Status != store.NotRecorded {
		return notRecorded(res, fmt.Sprintf("%s were not recorded yet at %s", where, clock(at.time)))
	}
	if scope != "" {
		return notRecorded(res, fmt.Sprintf("%s were not recorded, only those in %s", where, strings.Join(res.scopes, ", ")))
	}
	return notRecorded(res, fmt.Sprintf("%s were not recorded", where))
}

func clock(t time.Time) string { return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano) }
