package wire

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// field is a field of a message with those bytes.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// TestManyParts (X9): a message of nothing but parts is refused before memory is
// taken for them, of which they would take a hundred times its length.
func TestManyParts(t *testing.T) {
	const most = 1 << 20
	many := func(part []byte) []byte { return bytes.Repeat(part, (MaxMessage-16)/len(part)) }
	for name, c := range map[string]struct {
		raw  []byte
		into any
	}{
		"actions":  {many(field(1, nil)), &ApplyRequest{}},
		"wanted":   {many(field(1, field(4, nil))), &Received{}},
		"steps":    {many(field(3, nil)), &Received{}},
		"chunks":   {field(3, many(field(3, nil))), &Received{}},
		"paths":    {many(field(1, nil)), &LookRequest{}},
		"found":    {many(field(1, field(1, nil))), &LookReply{}},
		"listed":   {many(field(1, nil)), &ListReply{}},
		"xattrs":   {field(1, field(1, many(field(11, nil)))), &ListReply{}},
		"linked":   {many(field(3, nil)), &SurveyReply{}},
		"outcomes": {many(field(3, nil)), &ApplyReply{}},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := NewCodec().Unmarshal(inParts(c.raw, 16<<10), c.into)
		runtime.ReadMemStats(&after)
		taken := after.TotalAlloc - before.TotalAlloc
		if over := uint64(MaxMessage); err == nil || taken > over+most { // one copy in one piece
			t.Errorf("%s: %v, and %d bytes were taken", name, err, taken)
		}
	}
}

// TestMostParts: what a client or a server of ours says is taken.
func TestMostParts(t *testing.T) {
	// XATTR_LIST_MAX bytes of the shortest names there are (listxattr(2)).
	most := &Entry{Name: []byte("most"), Kind: 1}
	for i := range (64 << 10) / len("user.a\x00") {
		most.Xattrs = append(most.Xattrs, &Xattr{Name: fmt.Appendf(nil, "user.%d", i)})
	}
	steps := &ApplyRequest{Steps: []*Step{{Chunks: make([]*Chunk, MaxSteps)}}}
	for i := range steps.Steps[0].Chunks {
		steps.Steps[0].Chunks[i] = &Chunk{Length: 1}
	}
	actions, list := &ApplyRequest{}, &ListReply{}
	for range MaxActions {
		actions.Actions = append(actions.Actions, &Action{Path: []byte("path"), Want: &Entry{Kind: 1}})
	}
	// As many entries with an attribute as a message is gathered of, each of
	// them counted with 64 bytes and 8 for the attribute, and then one.
	for range MaxPiece / (64 + 8) {
		list.Entries = append(list.Entries, &Listed{Entry: &Entry{Xattrs: []*Xattr{{Name: []byte("n")}}}})
	}
	list.Entries = append(list.Entries, &Listed{Entry: most})
	for _, m := range []proto.Message{steps, actions, list} {
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		back := m.ProtoReflect().New().Interface()
		if err := NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, back); err != nil || !proto.Equal(back, m) {
			t.Errorf("%T: %v", m, err)
		}
	}
}
