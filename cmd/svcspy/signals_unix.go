//go:build unix

package main

import (
	"os"
	"syscall"
)

// keepSignals ask a flight recorder to keep its window.
var keepSignals = []os.Signal{syscall.SIGUSR1}
