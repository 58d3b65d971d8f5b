package wire

import (
	"fmt"
	"math"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Packet is an [ApplyRequest] with nothing but data, which is not copied on
// its way. Whoever sends one gives its references away.
type Packet struct {
	Data mem.BufferSlice
	// Length as an ApplyRequest has it.
	Length uint32
}

// Received is an [ApplyRequest] as it comes in. Of one that is a [Packet] the
// data is Data, and who receives it calls Free; the request has none then.
type Received struct {
	ApplyRequest
	Data mem.BufferSlice
}

// The numbers of the fields of ApplyRequest that make a packet (wire.proto).
const (
	fieldData   = protowire.Number(4)
	fieldLength = protowire.Number(5)
)

// Codec is the codec of protobuf, with a shorter way for packets. It takes no
// message apart that has more than maxParts.
type Codec struct{ encoding.CodecV2 }

// NewCodec returns the codec that both ends use.
func NewCodec() Codec { return Codec{encoding.GetCodecV2(protocodec.Name)} }

// Marshal turns a message into bytes.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*Packet)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	var head []byte
	if p.Length > 0 { // the order of fields means nothing
		head = protowire.AppendVarint(protowire.AppendTag(head, fieldLength, protowire.VarintType), uint64(p.Length))
	}
	head = protowire.AppendVarint(protowire.AppendTag(head, fieldData, protowire.BytesType), uint64(p.Data.Len()))
	return append(mem.BufferSlice{mem.SliceBuffer(head)}, p.Data...), nil
}

// Unmarshal turns bytes into a message.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*Received)
	if !ok {
		return c.unmarshal(data, v)
	}
	r.Reset()
	r.Data = nil
	head, length, ok := packetHead(data)
	if !ok {
		if err := c.unmarshal(data, &r.ApplyRequest); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		if raw := r.ApplyRequest.Data; len(raw) > 0 {
			r.Data, r.ApplyRequest.Data = mem.BufferSlice{mem.SliceBuffer(raw)}, nil
		}
		return nil
	}
	r.Length = length
	for _, part := range data {
		n := part.Len()
		if n > head {
			r.Data = append(r.Data, part.Slice(head, n))
		}
		head = max(head-n, 0)
	}
	return nil
}

// unmarshal is for what is no packet.
func (c Codec) unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(proto.Message); ok && data.Len() > leastPart*maxParts {
		whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer whole.Free()
		if err := checkParts(whole.ReadOnlyData(), m.ProtoReflect().Descriptor()); err != nil {
			return err
		}
		data = mem.BufferSlice{whole}
	}
	return c.CodecV2.Unmarshal(data, v)
}

// packetHead returns how long the head of a packet is, and what it says; false
// for every other message.
func packetHead(message mem.BufferSlice) (head int, length uint32, ok bool) {
	var first [2 * (1 + 10)]byte // two tags and two numbers, of any size
	raw := first[:message.CopyTo(first[:])]
	field, kind, n := protowire.ConsumeTag(raw)
	if n > 0 && field == fieldLength && kind == protowire.VarintType {
		number, size := protowire.ConsumeVarint(raw[n:])
		if size < 0 || number > math.MaxUint32 {
			return 0, 0, false
		}
		head, length = n+size, uint32(number)
		field, kind, n = protowire.ConsumeTag(raw[head:])
	}
	if n < 0 || field != fieldData || kind != protowire.BytesType {
		return 0, 0, false
	}
	head += n
	size, n := protowire.ConsumeVarint(raw[head:])
	if n < 0 || size == 0 || size != uint64(message.Len()-head-n) {
		return 0, 0, false
	}
	return head + n, length, true
}
