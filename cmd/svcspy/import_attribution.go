package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/svcspy/svcspy/cmd/svcspy/cli"
	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/audit"
	"github.com/svcspy/svcspy/recorder/redact"
	"github.com/svcspy/svcspy/replay/when"
	"github.com/svcspy/svcspy/store"
)

// recordingAmong opens the recording among the sources, nil if there is none, and
// returns the others.
func recordingAmong(sources []string) (base *store.Recording, others []string, err error) {
	for _, source := range sources {
		info, err := os.Stat(source)
		if source == importer.Stdin || err != nil || !info.Mode().IsRegular() || !isBolt(source) {
			others = append(others, source)
			continue
		}
		r, err := store.Open(source)
		switch {
		case errors.Is(err, store.ErrNotRecording):
			others = append(others, source)
			continue
		case err == nil && base != nil:
			err = cli.Usage(errors.New("import takes one recording"), "add an audit log to each of them, then `svcspy join` them")
		case err == nil:
			err = r.Damage()
		}
		if err != nil {
			if r != nil {
				err = errors.Join(err, r.Close())
			}
			if base != nil {
				err = errors.Join(err, base.Close())
			}
			return nil, nil, err
		}
		base = r
	}
	if base != nil && len(others) == 0 {
		return nil, nil, errors.Join(cli.Usage(errors.New("the only source is a recording"), "name an audit log of the same minutes, too"), base.Close())
	}
	return base, others, nil
}

// isBolt reports whether a file is one of bbolt's, as recordings and etcd's
// snapshots are.
func isBolt(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, importer.BoltHead)
	n, _ := f.ReadAt(head, 0)
	return importer.IsBolt(head[:n])
}

// onlyRequests has an import beside a recording take audit logs only.
func onlyRequests(o *importer.Options, others []string) error {
	if o.As != "" && o.As != audit.Format.Name {
		return cli.Usage(fmt.Errorf("beside a recording --as %s has no meaning", o.As), "a recording takes an audit log only; import the other source by itself")
	}
	o.Sources, o.Formats, o.Requests = others, []importer.Format{audit.Format}, true
	return nil
}

// attribute writes a recording with the requests of an audit log.
func (o *importOptions) attribute(ctx context.Context, base *store.Recording, evidence *importer.Evidence, policy *redact.Policy) error {
	a, err := importer.NewAttribution(ctx, evidence, base)
	if err != nil {
		if errors.Is(err, importer.ErrForeign) {
			return cli.Hinted(fmt.Errorf("import: %w", err), "without the recording the audit log makes a recording of its own")
		}
		return fmt.Errorf("import: %w", err)
	}
	x := &evidence.Explanation
	x.Attribution = &a.Counts
	if o.explain {
		return o.explanation(x)
	}
	info := base.Info()
	header := info.Header
	header.ID, header.Recorder = string(uuid.NewUUID()), cli.ProgramVersion()
	header.Redaction = importer.Weaker(info.Redaction, redactionOf(policy))
	path := cmp.Or(o.file, "attributed-"+header.Start.UTC().Format("20060102-150405")+".db")
	insertion, stop := a.Insertion(ctx)
	defer stop()
	sealed, err := store.Interleave(path, header, base, insertion)
	if err != nil {
		return fmt.Errorf("import into %s: %w", path, err)
	}
	return o.done(path, &sealed, x)
}

// attribution says what an audit log tells about a recording.
func attribution(c *importer.AttributionCounts) string {
	text := []string{fmt.Sprintf("%d requests about the recording from %s to %s: %d wrote a version that was recorded, %d changed nothing, %d were refused",
		c.Requests, when.Format(c.From), when.Format(c.To), c.Writers, c.Unchanged, c.Refused)}
	if c.Outside > 0 {
		text = append(text, fmt.Sprintf("%d more are outside of its time", c.Outside))
	}
	if c.Known > 0 {
		text = append(text, fmt.Sprintf("%d were in it", c.Known))
	}
	switch {
	case c.ClockAhead >= 1:
		text = append(text, fmt.Sprintf("the API server's clock is %.1f s ahead of the recorder's", c.ClockAhead))
	case c.ClockAhead <= -1:
		text = append(text, fmt.Sprintf("the API server's clock is %.1f s behind the recorder's", -c.ClockAhead))
	}
	return strings.Join(text, "; ")
}
