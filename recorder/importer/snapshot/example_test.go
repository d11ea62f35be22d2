package snapshot_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/snapshot"
	"github.com/svcspy/svcspy/store"
)

// What kubectl get -o json printed becomes a recording of one moment.
func Example() {
	text := `{"kind":"List","apiVersion":"v1","items":[{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"7","creationTimestamp":"2026-11-24T14:02:00Z"},"spec":{"ports":[{"port":80}]}}]}`
	evidence, err := importer.Read(context.Background(), &importer.Options{
		Sources: []string{importer.Stdin}, Stdin: strings.NewReader(text), Formats: []importer.Format{snapshot.Format}, Dir: os.TempDir(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer evidence.Close()
	recording := store.NewMemory(evidence.Header())
	if _, err := evidence.Write(context.Background(), recording); err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range recording.Events(1, recording.Info().Last) {
		if err == nil && e.Name != "" {
			fmt.Println(e.Type, e.Resource.Resource, e.Namespace, e.Name)
		}
	}
	// Output: ADDED services shop web
}
