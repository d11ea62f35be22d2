package moment_test

import (
	"fmt"
	"path/filepath"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/replay/tui/moment"
	"github.com/svcspy/svcspy/store"
)

// What happened to a Service and to what it rests on, up to the end.
func Example() {
	r, err := store.Open(filepath.Join("..", "..", "..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	state, err := replay.NewCursor(r).End()
	if err != nil {
		fmt.Println(err)
		return
	}
	_, view := moment.Diagnose(state, store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"})
	interest := moment.NewInterest()
	interest.Add(view)
	finder := moment.Finder{Timeline: r}
	moments, err := finder.Before(r.Info().Last, moment.AnyNumber, moment.AnyNumber, interest)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range moments {
		if m.Kind == "Service" && !m.Rebuilt {
			fmt.Println(m.At.UTC().Format("15:04:05"), m.Kind, m.Ref.Name, m.Text)
		}
	}
	// Output:
	// 00:00:07 Service web /spec/selector/tier added: backend
	// 00:00:37 Service web /spec/selector/tier removed: backend
}
