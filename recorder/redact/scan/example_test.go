package scan_test

import (
	"fmt"

	"github.com/svcspy/svcspy/recorder/redact/scan"
)

// A second pair of eyes looks for what redaction missed.
func ExampleScanner_Text() {
	leaks := scan.New().Text([]byte("url: https://example.com\n-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHP\n-----END PRIVATE KEY-----\n"))
	fmt.Println(leaks[0].What, "in line", leaks[0].Line)
	// Output: private key in line 2
}
