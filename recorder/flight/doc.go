// Package flight is the recorder that nobody watches: it records for days into
// a ring, follows verdicts, and saves what led to an outage.
//
// There are only a few types. A Session is one recording in progress; it runs
// the recorder, and beside it a VerdictWatch, which evaluates Conditions after
// each commit, and the control socket, on which Ask sends a Request. A Ring is
// the Sink that drops what is older than its window, and saves the window when
// a Condition becomes true or somebody asks.
package flight
