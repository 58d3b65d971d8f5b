// Package remote keeps a replica on another machine: room client writes it as
// any other tree.Replica, room server offers a folder there, and room wire is
// what they say to each other. Rooms chunk, identity, reach and confine serve
// these.
//
// # Why gRPC
//
// Calls overlap, are cancelled one by one and must not outrun the reader:
// streams of HTTP/2 do that, with pings for dead links, and messages have
// bounds. It runs over any stream of bytes once a greeting of its own has said
// which versions meet, whatever printed before it.
//
// # What costs bytes
//
// A pass costs a record of 32 bytes for each folder, unasked; the server
// digests its own tree. Only a folder whose digest differs is listed. Contents
// are offered by the names of their chunks; what the server has anywhere, or
// has received before a connection broke, is not sent.
package remote
