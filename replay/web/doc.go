// Package web shows a recording in a browser: a Server answers the page and its
// data API, and Export writes the same page with a window's data inside.
//
// The page is plain JavaScript without a build step (assets). It loads nothing
// from anywhere but its server, and puts text from the cluster only where it
// cannot become markup. All instants in the API are microseconds since 1970, the
// resolution of a recording. Every answer is bounded, whatever the size of the
// recording.
package web
