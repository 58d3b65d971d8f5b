package wire

// What a short message may take of memory once it is taken apart: its parts are
// counted first.

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// leastPart is how many bytes say that there is a part.
const leastPart = 2

// checkParts returns an error if a message has more parts than it may.
func checkParts(raw []byte, of protoreflect.MessageDescriptor) error {
	if left := countParts(raw, of, maxParts); left < 0 {
		return fmt.Errorf("a message of more than %d parts", maxParts)
	}
	return nil
}

// countParts takes the parts of a message from left, until that is less than 0.
// Whoever reads the message says what is wrong with it.
func countParts(raw []byte, of protoreflect.MessageDescriptor, left int) int {
	for len(raw) > 0 && left >= 0 {
		number, kind, n := protowire.ConsumeField(raw)
		if n < 0 {
			break
		}
		field := raw[:n]
		raw = raw[n:]
		known := of.Fields().ByNumber(number)
		if known == nil || kind != protowire.BytesType {
			continue
		}
		switch {
		case known.Message() != nil:
			_, _, n := protowire.ConsumeTag(field)
			message, _ := protowire.ConsumeBytes(field[n:])
			left = countParts(message, known.Message(), left-1)
		case known.IsList():
			left--
		}
	}
	return left
}
