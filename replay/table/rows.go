package table

import (
	"context"
	"io"
	"time"

	"github.com/svcspy/svcspy/replay/change"
	"github.com/svcspy/svcspy/replay/verdict"
	"github.com/svcspy/svcspy/store"
)

// Verdict is a row of verdicts: a stretch of time with one verdict on one Service.
type Verdict struct {
	Namespace      string `parquet:"namespace,dict"`
	Service        string `parquet:"service,dict"`
	From           int64  `parquet:"from_time,micros"`
	To             int64  `parquet:"to_time,micros"`
	Seq            int64  `parquet:"seq"`
	State          string `parquet:"state,dict"`
	Diagnosis      string `parquet:"diagnosis,dict"`
	Message        string `parquet:"message,dict"`
	CauseKind      string `parquet:"cause_kind,dict"`
	CauseNamespace string `parquet:"cause_namespace,dict"`
	CauseName      string `parquet:"cause_name,dict"`
	Ready          int32  `parquet:"ready"`
	Desired        int32  `parquet:"desired"`
	Gap            string `parquet:"gap,dict"`
}

// Change is a row of changes: one field that a person or tool changed in one write.
type Change struct {
	Time      int64  `parquet:"time,micros"`
	Earliest  int64  `parquet:"earliest,micros"`
	Seq       int64  `parquet:"seq"`
	Group     string `parquet:"api_group,dict"`
	Kind      string `parquet:"kind,dict"`
	Namespace string `parquet:"namespace,dict"`
	Name      string `parquet:"name,dict"`
	UID       string `parquet:"uid,dict"`
	Verb      string `parquet:"verb,dict"`
	Path      string `parquet:"path,dict"`
	Old       string `parquet:"old_value"`
	New       string `parquet:"new_value"`
	Manager   string `parquet:"manager,dict"`
	User      string `parquet:"user_name,dict"`
	Origin    string `parquet:"origin,dict"`
}

// Event is a row of events: one event of a watch.
type Event struct {
	Time            int64  `parquet:"time,micros"`
	Seq             int64  `parquet:"seq"`
	Type            string `parquet:"type,dict"`
	Group           string `parquet:"api_group,dict"`
	Version         string `parquet:"api_version,dict"`
	Resource        string `parquet:"resource,dict"`
	Namespace       string `parquet:"namespace,dict"`
	Name            string `parquet:"name,dict"`
	UID             string `parquet:"uid,dict"`
	ResourceVersion string `parquet:"resource_version"`
	ObjectBytes     int64  `parquet:"object_bytes"`
}

// Coverage is a row of coverage: a stretch of time in which the recorder's watch of a
// resource had one status.
type Coverage struct {
	From      int64  `parquet:"from_time,micros"`
	To        int64  `parquet:"to_time,micros"`
	Seq       int64  `parquet:"seq"`
	Group     string `parquet:"api_group,dict"`
	Version   string `parquet:"api_version,dict"`
	Resource  string `parquet:"resource,dict"`
	Namespace string `parquet:"namespace,dict"`
	Status    string `parquet:"status,dict"`
	Reason    string `parquet:"reason,dict"`
	Resumed   bool   `parquet:"resumed"`
}

func writeVerdicts(ctx context.Context, r *store.Recording, w io.Writer) (int64, error) {
	rows, info := newRowWriter[Verdict](w), r.Info()
	for c, err := range verdict.All(ctx, r, info.Start, info.End, nil) {
		if err != nil {
			return 0, err
		}
		for _, s := range verdict.Settle(c.Segments) {
			h := &s.Report.Headline
			err := rows.add(Verdict{
				Namespace: c.Subject.Namespace, Service: c.Subject.Name, From: s.From.UnixMicro(), To: s.To.UnixMicro(), Seq: int64(s.Seq),
				State: string(s.Report.Verdict.State), Diagnosis: h.ID, Message: h.Message,
				CauseKind: h.Subject.Kind, CauseNamespace: h.Subject.Namespace, CauseName: h.Subject.Name,
				Ready: int32(s.Report.Endpoints.Ready), Desired: int32(s.Report.Endpoints.Desired), Gap: s.Gap,
			})
			if err != nil {
				return 0, err
			}
		}
	}
	return rows.end()
}

func writeChanges(ctx context.Context, r *store.Recording, w io.Writer) (int64, error) {
	rows := newRowWriter[Change](w)
	for c, err := range change.Writes(ctx, r, 0, r.Info().Last) {
		if err != nil {
			return 0, err
		}
		row := Change{
			Time: c.ObservedAt.UnixMicro(), Earliest: c.ObservedAt.UnixMicro(), Seq: int64(c.Seq), Group: c.Subject.Group, Kind: c.Subject.Kind,
			Namespace: c.Subject.Namespace, Name: c.Subject.Name, UID: c.Subject.UID, Verb: string(c.Verb), Origin: string(c.Origin),
		}
		if !c.Earliest.IsZero() {
			row.Earliest = c.Earliest.UnixMicro()
		}
		if c.Writer != nil {
			row.Manager = c.Writer.Manager
		}
		if c.Requester != nil {
			row.User = c.Requester.User
		}
		fields := c.AllFields
		if len(fields) == 0 {
			fields = []change.Field{{Path: c.Path, Old: c.Old, New: c.New}}
		}
		for _, f := range fields {
			row.Path, row.Old, row.New = f.Path, value(f.Old), value(f.New)
			if err := rows.add(row); err != nil {
				return 0, err
			}
		}
	}
	return rows.end()
}

// value prints a value of a field, "" where there is none.
func value(v any) string {
	if v == nil {
		return ""
	}
	return change.Text(v)
}

func writeEvents(ctx context.Context, r *store.Recording, w io.Writer) (int64, error) {
	rows, info := newRowWriter[Event](w), r.Info()
	for e, err := range r.Events(info.First, info.Last) {
		if err == nil && rows.rows%lookRows == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		err = rows.add(Event{
			Time: e.Time.UnixMicro(), Seq: int64(e.Seq), Type: string(e.Type), Group: e.Resource.Group, Version: e.Resource.Version,
			Resource: e.Resource.Resource, Namespace: e.Namespace, Name: e.Name, UID: string(e.UID),
			ResourceVersion: e.ResourceVersion, ObjectBytes: int64(len(e.Object)),
		})
		if err != nil {
			return 0, err
		}
	}
	return rows.end()
}

func writeCoverage(_ context.Context, r *store.Recording, w io.Writer) (int64, error) {
	rows, info := newRowWriter[Coverage](w), r.Info()
	ledger, err := r.Ledger(1, info.Last)
	if err != nil {
		return 0, err
	}
	type stream struct{ resource, namespace string }
	ends := make([]time.Time, len(ledger))
	next := map[stream]time.Time{}
	for i := len(ledger) - 1; i >= 0; i-- {
		k := stream{ledger[i].Resource.String(), ledger[i].Namespace}
		ends[i] = info.End
		if t, is := next[k]; is {
			ends[i] = t
		}
		next[k] = ledger[i].Since()
	}
	for i := range ledger {
		c := &ledger[i]
		from := c.Since()
		err := rows.add(Coverage{
			From: from.UnixMicro(), To: later(from, ends[i]).UnixMicro(), Seq: int64(c.Seq), Group: c.Resource.Group, Version: c.Resource.Version,
			Resource: c.Resource.Resource, Namespace: c.Namespace, Status: string(c.Status), Reason: c.Reason, Resumed: c.Resumed,
		})
		if err != nil {
			return 0, err
		}
	}
	return rows.end()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
