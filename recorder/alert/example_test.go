package alert_test

import (
	"fmt"

	"github.com/svcspy/svcspy/recorder/alert"
)

// What Alertmanager posts to a webhook says which Service it is about.
func ExampleParse() {
	body := `{"version":"4","alerts":[{"status":"firing","fingerprint":"c0ffee","startsAt":"2026-11-24T14:02:00Z",
		"labels":{"alertname":"NoTraffic","namespace":"shop","service":"web"}}]}`
	alerts, err := alert.Parse([]byte(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range alerts {
		fmt.Println(a.Source, a.Name, a.Namespace, a.Service, a.End.IsZero())
	}
	// Output: Alertmanager NoTraffic shop web true
}
