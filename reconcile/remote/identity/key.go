// Package identity gives a machine a key and the ID that names it, and makes
// TLS connections between two ends that know each other's IDs beforehand, as
// WireGuard and Syncthing do: no authority, no names, no passwords.
package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ID names a key: the SHA-256 of its public part as certificates have it
// (SubjectPublicKeyInfo, RFC 5280).
type ID [sha256.Size]byte

// letters are those of base32 (RFC 4648), small: an ID is one word in a URL.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String returns 52 letters and digits.
func (id ID) String() string { return letters.EncodeToString(id[:]) }

// ParseID reads what [ID.String] returned; capitals and dashes do not matter.
func ParseID(text string) (id ID, err error) {
	raw, err := letters.DecodeString(strings.ToLower(strings.ReplaceAll(text, "-", "")))
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%q is no ID: those are 52 letters and digits, printed by lockstep id", text)
	}
	return ID(raw), nil
}

// idOf returns the ID of the key in a certificate.
func idOf(c *x509.Certificate) ID { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// Key is the secret of this machine, with the certificate that shows it.
type Key struct {
	certificate tls.Certificate
	id          ID
}

// ID returns the ID of k.
func (k *Key) ID() ID { return k.id }

// DefaultFile is where the key of a user lies.
func DefaultFile() (string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the key: %w", err)
	}
	return filepath.Join(config, "lockstep", "key.pem"), nil
}

// The kind of PEM block that a key file has (PKCS #8, RFC 5958).
const pemType = "PRIVATE KEY"

// Load reads the key in a file that only its owner can read, and makes one on
// first use. Errors: [fs.ErrPermission] when others could read it.
func Load(file string) (*Key, error) {
	secret, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(file); err == nil || errors.Is(err, fs.ErrExist) {
			secret, err = read(file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	key, err := newKey(secret)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	return key, nil
}

func read(file string) (ed25519.PrivateKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if readableByOthers(info) {
		return nil, fmt.Errorf("%s can be read by others: %w", file, fs.ErrPermission)
	}
	buf := make([]byte, 4096)
	n, err := f.Read(buf)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	block, _ := pem.Decode(buf[:n])
	clear(buf)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%s holds no key", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	secret, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind", file)
	}
	return secret, nil
}

// create makes a key: complete under another name, then link(2), so that two
// processes cannot end up with different keys.
func create(file string) error {
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		return err
	}
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(folder, "key-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: encoded}))
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Link(temp.Name(), file)
}

// newKey makes the certificate. Nobody looks at what it says but at its key.
func newKey(secret ed25519.PrivateKey) (*Key, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // "no expiration" of RFC 5280, 4.1.2.5
	}
	raw, err := x509.CreateCertificate(bytes.NewReader(nil), template, template, secret.Public(), secret)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &Key{
		certificate: tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: secret, Leaf: parsed},
		id:          idOf(parsed),
	}, nil
}
