//go:build !unix

package process

import "os"

// KeepSignals is empty: there is no such signal here, only svcspy keep.
var KeepSignals []os.Signal

func OutliveLimits() {}
