//go:build unix

package process

import (
	"os"
	"os/signal"
	"syscall"
)

// KeepSignals ask a flight recorder to keep its window.
var KeepSignals = []os.Signal{syscall.SIGUSR1}

// OutliveLimits makes that a file which may not grow (ulimit -f) is an error of
// whoever writes it, as a full disk is, and not the end of the program.
func OutliveLimits() { signal.Ignore(syscall.SIGXFSZ) }
