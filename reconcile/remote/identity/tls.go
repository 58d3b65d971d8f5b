package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// protocol is what both ends must name (ALPN, RFC 7301): a browser or another
// program that comes to the port is turned away in the handshake.
const protocol = "lockstep"

// WrongIDError says that another server answered than the one that was named.
type WrongIDError struct{ Want, Have ID }

// Error shows both IDs.
func (e *WrongIDError) Error() string {
	return fmt.Sprintf("another server answered: its ID is %v, and not %v", e.Have, e.Want)
}

// config is what both ends have in common. Chains and names of certificates
// mean nothing here: VerifyConnection, which runs at every handshake, holds
// the one key that counts.
func (k *Key) config(verify func(ID) error) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{k.certificate},
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{protocol},
		SessionTicketsDisabled: true,
		// Small records show a web page sooner; here they only cost.
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true, // no authority knows these keys
		ClientAuth:                  tls.RequireAnyClientCert,
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.NegotiatedProtocol != protocol {
				return errors.New("the other side speaks another protocol")
			}
			if len(state.PeerCertificates) == 0 {
				return errors.New("the other side shows no key")
			}
			return verify(idOf(state.PeerCertificates[0]))
		},
	}
}

// Client makes conn a connection to the server with the ID want, and to no
// other. Errors: [*WrongIDError].
func (k *Key) Client(ctx context.Context, conn net.Conn, want ID) (net.Conn, error) {
	below := &gather{Conn: conn}
	over := tls.Client(below, k.config(func(have ID) error {
		if have != want {
			return &WrongIDError{Want: want, Have: have}
		}
		return nil
	}))
	if err := over.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("secure the connection: %w", err)
	}
	return &secured{over, below}, nil
}

// Server makes conn a connection to a client that has shown that it holds the
// key of an ID. Whether that ID is admitted is the caller's to say, before it
// reads anything.
func (k *Key) Server(ctx context.Context, conn net.Conn) (net.Conn, ID, error) {
	var id ID
	below := &gather{Conn: conn}
	over := tls.Server(below, k.config(func(have ID) error {
		id = have
		return nil
	}))
	if err := over.HandshakeContext(ctx); err != nil {
		return nil, ID{}, fmt.Errorf("secure the connection: %w", err)
	}
	return &secured{over, below}, id, nil
}
