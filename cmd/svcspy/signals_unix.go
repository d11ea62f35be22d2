//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// keepSignals ask a flight recorder to keep its window.
var keepSignals = []os.Signal{syscall.SIGUSR1}

// outliveLimits makes that a file which may not grow (ulimit -f) is an error of
// whoever writes it, as a full disk is, and not the end of the program.
func outliveLimits() { signal.Ignore(syscall.SIGXFSZ) }
