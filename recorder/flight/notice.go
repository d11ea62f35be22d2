package flight

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/svcspy/svcspy/store"
)

// Conditions is the resource under which the recorder writes notices about
// itself into the ledger: that the verdicts could not be followed, that a window
// was not saved. No API server has it. Its entries are Current, as they say
// nothing against the evidence; the Reason is the notice.
var Conditions = schema.GroupVersionResource{Group: "svcspy", Version: "v1", Resource: "conditions"}

// noticeWriter is a Writer that puts notices into the ledger with the next
// Commit. Commit is called from the recorder's goroutine, note from any.
type noticeWriter struct {
	*store.Writer

	mu      sync.Mutex
	notices []string
}

func (w *noticeWriter) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.notices) < mostNotices {
		w.notices = append(w.notices, text)
	}
}

// mostNotices bounds what waits for one Commit.
const mostNotices = 100

// Commit writes the notices and commits.
func (w *noticeWriter) Commit(now time.Time) error {
	if err := w.flush(now); err != nil {
		return err
	}
	return w.Writer.Commit(now)
}

func (w *noticeWriter) flush(now time.Time) error {
	w.mu.Lock()
	notices := w.notices
	w.notices = nil
	w.mu.Unlock()
	for _, text := range notices {
		if _, err := w.Cover(store.Coverage{Time: now, Resource: Conditions, Status: store.Current, Reason: text}); err != nil {
			return err
		}
	}
	return nil
}
