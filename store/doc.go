// Package store keeps what a Kubernetes API server said: events and coverage
// changes in one order. There are only a few types: a Writer writes a recording
// into a file, a Recording reads one, from a file or through any io.ReaderAt, and
// Memory is both at once without a file. What they take and give are Event and
// Coverage; Info says what is known of a recording as a whole, and Verify checks
// one.
//
// The words are defined in store/event. FORMAT.md describes the file; each of its
// parts is a package: boltfile (pages), encoding (values), block (events), index
// (what was where when). The package has no clock and no network; every time in it
// was given by its caller.
package store

// FormatVersion is the version of the file format written by this package.
const FormatVersion = 1
