// Package block is where a recording keeps its events. A Builder collects
// positions and encodes them, with objects as deltas against earlier versions
// (Bases, Differ); a Block is what Parse makes of that; a Decoder reads events from
// blocks and puts objects together again, as large as a SizeLimit allows.
package block
