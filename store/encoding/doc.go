// Package encoding reads and writes the values of a recording's file as FORMAT.md
// describes them. A Reader takes numbers and texts from untrusted bytes and
// believes no count that cannot be there; a Dictionary writes each string once;
// Pack and Unpack compress; Put writes a value with the checksum over its place,
// TrimSum checks it.
package encoding
