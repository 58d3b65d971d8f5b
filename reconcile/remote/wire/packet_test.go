package wire

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// inParts cuts a message as a transport may.
func inParts(message []byte, size int) (parts mem.BufferSlice) {
	for len(message) > 0 {
		n := min(len(message), size)
		parts = append(parts, mem.SliceBuffer(message[:n]))
		message = message[n:]
	}
	return parts
}

// FuzzReceived: a request means the same however it is read, and whatever it
// is cut into.
func FuzzReceived(f *testing.F) {
	for _, m := range []*ApplyRequest{
		{}, {Begin: true}, {Data: []byte("data")}, {Data: make([]byte, 5000), Length: 9000},
		{Data: []byte("data"), Cancel: true}, {Length: 7}, {Steps: []*Step{{Index: 1}}, Data: []byte{0}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, 3)
		f.Add(raw, 1)
	}
	for _, p := range []*Packet{
		{Data: mem.BufferSlice{mem.SliceBuffer("ab"), mem.SliceBuffer("c")}}, {Data: mem.BufferSlice{mem.SliceBuffer("abc")}, Length: 1 << 20},
	} {
		parts, err := NewCodec().Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(parts.Materialize(), 2)
	}
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		want := &ApplyRequest{}
		wantErr := proto.Unmarshal(raw, want)
		var have Received
		err := NewCodec().Unmarshal(inParts(raw, max(size, 1)), &have)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, and by protobuf %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(have.Data.Materialize(), want.Data) {
			t.Errorf("%d bytes of data, want %d", have.Data.Len(), len(want.Data))
		}
		want.Data = nil
		if !proto.Equal(&have.ApplyRequest, want) {
			t.Errorf("%v, want %v", &have.ApplyRequest, want)
		}
	})
}
