package cli

import (
	"github.com/svcspy/svcspy/replay/past"
	"github.com/svcspy/svcspy/replay/report"
	"github.com/svcspy/svcspy/store"
	"github.com/svcspy/svcspy/store/bucket"
)

func (a *App) Info(path string) error {
	info, err := a.InfoOf(path)
	if err != nil {
		return err
	}
	if a.Output == "text" {
		return report.InfoText(a.Out, bucket.PublicAddress(path), info, a.Text())
	}
	return report.Document(a.Out, a.Output, info)
}

// quick is how many objects info reads to say how far back the past is known.
const quick = 5000

// knownPast says how far the time before the recording can be reconstructed, as
// far as that is quickly known.
func knownPast(r *store.Recording) (*report.KnownPast, error) {
	n, err := past.Count(r)
	if err != nil || n > quick {
		return &report.KnownPast{Objects: n}, err
	}
	facts, err := past.All(r)
	if err != nil {
		return nil, err
	}
	return report.KnownPastOf(n, facts, r.Info().Start), nil
}

// InfoOf describes the recording in a file.
func (a *App) InfoOf(path string) (report.RecordingInfo, error) {
	r, err := a.OpenRecording(path)
	if err != nil {
		return report.RecordingInfo{}, err
	}
	defer r.Close()
	a.WarnOfDamage(path, r)
	size, err := r.Size()
	if err != nil {
		return report.RecordingInfo{}, err
	}
	clocks, err := r.Clocks()
	if err != nil {
		return report.RecordingInfo{}, err
	}
	info, err := report.NewInfo(r, r.Kinds(), clocks, size)
	if err == nil {
		info.Marks, err = r.Marks()
	}
	if err == nil {
		info.Past, err = knownPast(r)
	}
	return info, err
}
