//go:build !unix

package main

import "os"

// keepSignals is empty: there is no such signal here, only svcspy keep.
var keepSignals []os.Signal

func outliveLimits() {}
