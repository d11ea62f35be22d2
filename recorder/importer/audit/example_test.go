package audit_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/svcspy/svcspy/recorder/importer"
	"github.com/svcspy/svcspy/recorder/importer/audit"
	"github.com/svcspy/svcspy/store"
)

// A line of an audit log becomes an event of a recording.
func Example() {
	line := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/services","verb":"create","user":{"username":"alice"},"objectRef":{"resource":"services","namespace":"shop","name":"web","apiVersion":"v1"},"responseStatus":{"code":201},"requestReceivedTimestamp":"2026-11-24T14:02:00.000000Z","stageTimestamp":"2026-11-24T14:02:00.010000Z","responseObject":{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"u","resourceVersion":"7","creationTimestamp":"2026-11-24T14:02:00Z"},"spec":{"ports":[{"port":80}]}}}`
	evidence, err := importer.Read(context.Background(), &importer.Options{
		Sources: []string{importer.Stdin}, Stdin: strings.NewReader(line + "\n"), Formats: []importer.Format{audit.Format}, Dir: os.TempDir(),
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
		if err == nil && e.Resource.Resource == "services" {
			fmt.Println(e.Time.UTC().Format(time.TimeOnly), e.Type, e.Resource.Resource, e.Name)
		}
	}
	// Output: 14:02:00 ADDED services web
}
