// Package event has the words of a recording: an Event is one thing that the API
// server said, at a position (Seq); a Coverage is one change in what was listened
// to, with a Status; a Ref names an object, a Query selects some. Package store
// offers them under the same names.
package event
