// Package apiserver serves a recording as the Kubernetes API it was recorded
// from, so that kubectl and every other client can look at the past.
//
// A Server is an http.Handler over a timeline. Each Instant is one API server
// of its own, frozen at a moment or moving on from it; the first one answers
// at the root, each at /at/NAME. Every request carries the bearer token.
//
// What is answered is what was recorded: objects are the bytes the cluster
// sent, after redaction, lists are in the order of the cluster's own, and a
// watch sends the recorded events with their resourceVersions. What the
// recording cannot know is said, never guessed:
//
//   - a resource that was not recorded is 503 NotRecorded, not an empty list;
//   - while the recorder was not listening, answers carry a Warning header;
//   - whatever would change the cluster or reach into it is 405.
//
// Where the recorder lost its watch and had to list again, the cluster's own
// events of that interval are lost. A watch that plays across it gets what is
// different after the list: objects that are gone as DELETED, in their last
// known state and with the annotation DerivedAnnotation.
//
// # Differences from a real API server
//
// Only the versions that were recorded are served: nothing is converted. JSON
// only. The resourceVersion of a list is the newest one known of that resource,
// which may be older than the one the cluster would have given; it is good for
// watching and for comparing within this server. Column descriptions in Tables
// are empty. OpenAPI is made from the API types this program was built with and
// from recorded CustomResourceDefinitions, not from the recorded server.
package apiserver
