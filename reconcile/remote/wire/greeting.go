package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"google.golang.org/protobuf/proto"
)

// The versions of the protocol that this program speaks. Two sides speak the
// newest one that both know, and each says nothing then that came later. What
// whoever does not know it may pass over is added to the messages of a version,
// for that is what becomes of fields that are unknown; all else is another
// version.
const (
	oldestVersion = 3
	newestVersion = 3
)

// magic begins both greetings. No text that a login script prints holds a NUL,
// and a channel that translates line ends damages it.
const magic = "\x00lockstep\r\n\x1f"

// header follows the magic: the oldest and the newest version that the sender
// speaks, and the length of the body. It never changes.
const headerSize = 2 + 2 + 4

// maxNoise is how much may come before the server's greeting: what login
// scripts print.
const maxNoise = 64 << 10

// ErrVersion: the two ends share no version of the protocol.
var ErrVersion = errors.New("the other side speaks another version of the protocol")

// NoiseError says that something else than a server answered.
type NoiseError struct {
	// Text is what it said, as much as is worth showing.
	Text  string
	Cause error
}

// Error quotes what was read.
func (e *NoiseError) Error() string {
	if e.Text == "" {
		return "no server answered: " + e.Cause.Error()
	}
	return "no server answered, but " + strconv.Quote(e.Text)
}

// Unwrap returns why reading ended.
func (e *NoiseError) Unwrap() error { return e.Cause }

// SendHello writes the client's greeting.
func SendHello(w io.Writer, h *Hello) error { return send(w, h) }

// SendWelcome writes the server's greeting.
func SendWelcome(w io.Writer, m *Welcome) error { return send(w, m) }

func send(w io.Writer, body proto.Message) error {
	encoded, err := proto.Marshal(body)
	if err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	buf := append([]byte(magic), make([]byte, headerSize)...)
	header := buf[len(magic):]
	binary.BigEndian.PutUint16(header, oldestVersion)
	binary.BigEndian.PutUint16(header[2:], newestVersion)
	binary.BigEndian.PutUint32(header[4:], uint32(len(encoded)))
	if _, err := w.Write(append(buf, encoded...)); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	return nil
}

// ReadHello reads the client's greeting and not a byte more, and sets the version
// that both speak. Errors:
// [ErrVersion]; the Hello is complete then, and [SendWelcome] can still tell
// the client.
func ReadHello(r io.Reader) (*Hello, error) {
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(r, start); err != nil {
		return nil, fmt.Errorf("read the greeting: %w", err)
	}
	if string(start) != magic {
		return nil, errors.New("read the greeting: not a lockstep client")
	}
	h := &Hello{}
	version, err := readBody(r, h)
	if err != nil && !errors.Is(err, ErrVersion) {
		return nil, fmt.Errorf("read the greeting: %w", err)
	} else if err != nil {
		return h, err
	}
	h.Version = version
	if len(h.Folder) > MaxPath || len(h.Instance) > 64 || len(h.Who) > maxText || len(h.Software) > maxText {
		return nil, errors.New("read the greeting: a field is too long")
	}
	return h, nil
}

// ReadWelcome reads the server's greeting and not a byte more, after noise of
// limited length. Errors: [*NoiseError], [ErrVersion], or the server's refusal.
func ReadWelcome(r io.Reader) (*Welcome, error) {
	if err := skipNoise(r); err != nil {
		return nil, err
	}
	w := &Welcome{}
	version, err := readBody(r, w)
	if err == nil || errors.Is(err, ErrVersion) {
		refusal := ToError(w.Refusal)
		if err != nil && errors.Is(refusal, ErrVersion) {
			return w, err // which says the same, as it is seen from here
		}
		if refusal != nil {
			return w, errors.Join(err, refusal)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(w.Identity) > 64 || w.Traits == nil {
		return nil, errors.New("read the greeting: it is not complete")
	}
	if w.Version > version {
		return nil, fmt.Errorf("%w: it took %d, where %d is the newest of both", ErrVersion, w.Version, version)
	}
	return w, nil
}

// skipNoise reads up to the end of the magic, byte by byte: what follows
// belongs to others.
func skipNoise(r io.Reader) error {
	var seen []byte
	next := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, next); err != nil {
			return &NoiseError{Text: shown(seen), Cause: fmt.Errorf("read the greeting: %w", err)}
		}
		seen = append(seen, next[0])
		if bytes.HasSuffix(seen, []byte(magic)) {
			return nil
		}
		if len(seen) >= maxNoise {
			return &NoiseError{Text: shown(seen), Cause: errors.New("the greeting did not come")}
		}
	}
}

func shown(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(text[:min(len(text), maxText)])
}

// readBody reads what follows the magic, and returns the newest version that both
// sides speak.
func readBody(r io.Reader, into proto.Message) (version uint32, err error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, err
	}
	oldest, newest := binary.BigEndian.Uint16(header[:]), binary.BigEndian.Uint16(header[2:])
	length := binary.BigEndian.Uint32(header[4:])
	if length > maxGreeting {
		return 0, fmt.Errorf("a greeting of %d bytes is too long", length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, err
	}
	spoken := oldest <= newestVersion && newest >= oldestVersion
	if err := proto.Unmarshal(body, into); err != nil && spoken {
		return 0, err
	}
	if !spoken {
		return 0, fmt.Errorf("%w: here %d to %d, there %d to %d; update the older one", ErrVersion, oldestVersion, newestVersion, oldest, newest)
	}
	return uint32(min(newest, newestVersion)), nil
}
