// Package local is a folder on this machine: read as the source of a mirror
// ([Source]) or written as its replica ([Replica]).
//
// All system calls on either tree are made by package at, from the handle of a
// folder and without following symlinks. Nothing of the source's side can
// write. The replica's side makes every new version complete under the name of
// a temp in the same folder before one rename shows it.
package local
