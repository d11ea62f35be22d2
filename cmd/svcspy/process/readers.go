package process

import (
	"errors"
	"io/fs"
	"os/signal"
	"syscall"
)

// OutliveReaders makes that the program goes on when whoever reads what it
// prints is gone: ctrl-C also ends the tee of `svcspy record | tee log`, and
// then there is still a recording to be sealed. Every other command ends with
// its reader, as programs do.
func OutliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// Unread reports whether an error is only that nobody reads any more.
func Unread(err error) bool {
	var file *fs.PathError
	return errors.As(err, &file) && file.Op == "write" && errors.Is(file.Err, syscall.EPIPE)
}
