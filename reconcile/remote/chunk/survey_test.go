package chunk

// Huge contents, and very many chunks, take little memory and can be given up.

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"lockstep/reconcile/remote/wire"
	"lockstep/reconcile/tree"
)

// grains is a content of data and holes in turn, each of so many bytes.
type grains struct {
	*bytes.Reader
	grain int64
}

func (g grains) Entry() tree.Entry { return tree.Entry{} }
func (g grains) Changed() error    { return nil }
func (g grains) Close() error      { return nil }

func (g grains) Data(offset int64) (start, end int64, err error) {
	start = (offset + g.grain) / (2 * g.grain) * 2 * g.grain
	if start = max(start, offset); start >= g.Size() {
		return 0, 0, io.EOF
	}
	return start, start - start%g.grain + g.grain, nil
}

// TestSurveyInParts: however many chunks a content has, few are kept at a time.
func TestSurveyInParts(t *testing.T) {
	const grain, count = 16, 3*surveyAtOnce + 5
	content := make([]byte, 2*grain*count)
	for i := range count {
		binary.LittleEndian.PutUint64(content[2*grain*i:], uint64(i+1))
	}
	var all []Chunk
	take := func(part []Chunk) {
		if len(part) > surveyAtOnce {
			t.Errorf("%d chunks at once", len(part))
		}
		all = append(all, part...)
	}
	d, rest, err := Survey(t.Context(), grains{bytes.NewReader(content), grain}, int64(len(content)), take)
	take(rest)
	if err != nil || d != tree.HashContent(content) || len(all) != count {
		t.Fatalf("%v, %d chunks, %v", d, len(all), err)
	}
	for i, c := range all {
		if c.Offset != int64(2*grain*i) || c.Name != wire.ChunkIDOf(tree.HashContent(content[c.Offset:][:grain])) {
			t.Fatalf("chunk %d: %+v", i, c)
		}
	}
}

// TestHugeHole: whoever reads the largest hole there can be is not kept by it.
func TestHugeHole(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	hole := grains{bytes.NewReader(nil), 1}
	inTime(t, "a survey", func() {
		if _, _, err := Survey(ctx, hole, math.MaxInt64, nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	inTime(t, "a digest", func() {
		if _, err := Digest(ctx, hole, math.MaxInt64); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestManyPlaces: of however many chunks a spool has, it finds so many.
func TestManyPlaces(t *testing.T) {
	folder := t.TempDir()
	s, f := begun(t, folder)
	for i := range maxPlaces {
		s.note(wire.ChunkID(binary.BigEndian.AppendUint64([]byte("before  "), uint64(i))), spot{})
	}
	for i := range 100 {
		name := wire.ChunkID(binary.BigEndian.AppendUint64(make([]byte, 8), uint64(i)))
		if _, err := f.Append(name, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Release(Keep); err != nil {
		t.Fatal(err)
	}
	again, err := OpenSpool(folder)
	if err != nil {
		t.Fatal(err)
	}
	if there, found := len(s.places), len(again.places); there != maxPlaces || found != 100 {
		t.Errorf("%d are found, and %d later", there, found)
	}
}
