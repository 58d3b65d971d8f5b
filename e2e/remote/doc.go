// Package remote proves, on the real binary, that a replica on another machine
// is kept as one on this: through a real sshd, through TLS, and between network
// namespaces, with the wrong keys and on the worst of days.
package remote
