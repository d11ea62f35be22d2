// Package index says what was where when. A Tracker turns events into Changes; an
// Index holds them in memory, a Segment in the file ("run" in FORMAT.md), for a
// range of positions each; Find, History and Touched ask a sequence of them. A
// Commit ("trail" in FORMAT.md) is what one commit changed, and a Writer merges
// commits into segments and segments into larger ones. A Ledger holds changes of
// coverage.
package index
