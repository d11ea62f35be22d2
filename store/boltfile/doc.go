// Package boltfile reads a bbolt file through an io.ReaderAt, without its lock and
// without mapping it: also while another process writes it, from elsewhere (Cache),
// and when it is damaged. File.View gives the Tree of the last complete
// transaction, a Tree has Buckets of checked values. Check looks at every page;
// Salvage finds values where no Tree leads to them.
package boltfile
