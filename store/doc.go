// Package store keeps what a Kubernetes API server said: events and coverage
// changes in one order, in a file (Writer, Recording) or in memory (Memory).
// FORMAT.md describes the file. The package has no clock and no network; every
// time in it was given by its caller.
package store

// FormatVersion is the version of the file format written by this package.
const FormatVersion = 1
