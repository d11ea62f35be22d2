//go:build !linux

package recorder

import "testing"

// smallDisk skips: only Linux is asked for a small file system.
func smallDisk(t *testing.T, _ int) string {
	t.Skip("needs a small file system")
	return ""
}
