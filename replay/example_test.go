package replay_test

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/svcspy/svcspy/replay"
	"github.com/svcspy/svcspy/store"
)

// A State is everything known at one instant.
func ExampleCursor() {
	r, err := store.Open(filepath.Join("..", "fixtures", "incidents", "selector-edited.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	s, err := replay.NewCursor(r).SeekTime(time.Date(2026, 11, 24, 0, 0, 17, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Get(store.Ref{Resource: replay.Services, Namespace: "shop", Name: "web"}).Name)
	fmt.Println(len(s.List(store.Query{Resource: replay.Pods, Namespace: "shop", Labels: map[string]string{"app": "web"}})))
	// Output:
	// web
	// 3
}
