package importer_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/snapshot"
)

// Before anything is written, an Explanation says what sources hold and what they prove.
func Example() {
	text := `{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"7","creationTimestamp":"2026-11-24T14:02:00Z"}}]}`
	evidence, err := importer.Read(context.Background(), &importer.Options{
		Sources: []string{importer.Stdin}, Stdin: strings.NewReader(text), Formats: []importer.Format{snapshot.Format}, Dir: os.TempDir(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer evidence.Close()
	for _, r := range evidence.Explanation.Resources {
		fmt.Println(r.Resource, r.Listed, r.Status)
	}
	// Output: services 1 Instant
}
