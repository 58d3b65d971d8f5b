// Package local is a folder on this machine: read as the source of a mirror
// ([Source]) or written as its replica ([Replica]).
//
// All system calls on either tree are made by package at, from the handle of a
// folder and without following symlinks. Nothing of the source's side can
// write. The replica's side makes every file complete before one call shows it:
// without a name, which a link then gives, or, where a version is replaced,
// under the name of a temp in the same folder, which is then renamed.
package local
