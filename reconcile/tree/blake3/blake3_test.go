package blake3

import (
	"fmt"
	"math/rand/v2"
	"testing"

	narrow "github.com/zeebo/blake3"
)

// content is made of bytes that are all different in any short stretch.
func content(n int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	p := make([]byte, n)
	random.Read(p)
	return p
}

func TestSum256(t *testing.T) {
	all := content(Most + 1)
	lengths := []int{0, 1, chunkBytes, few, few + 1, Most - 1, Most - chunkBytes, Most, Most + 1}
	for n := few; n < 5*groupBytes; n += 61 {
		lengths = append(lengths, n)
	}
	for chunks := 1; chunks < Most/chunkBytes; chunks += 3 {
		lengths = append(lengths, chunks*chunkBytes, chunks*chunkBytes+1+chunks)
	}
	for _, n := range lengths {
		if got, want := Sum256(all[:n]), narrow.Sum256(all[:n]); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

// However content comes in, and whatever was hashed before, the hash is the
// same.
func TestHasherTakesPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := content(Most)
	h := New()
	for range 300 {
		n := random.IntN(1 << (1 + random.IntN(20)))
		h.Reset()
		for rest := all[:n]; len(rest) > 0; {
			piece := min(len(rest), 1+random.IntN(1<<(1+random.IntN(18))))
			h.Write(rest[:piece])
			rest = rest[piece:]
		}
		if got, want := [32]byte(h.Sum(nil)), narrow.Sum256(all[:n]); got != want {
			t.Fatalf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func FuzzSum256(f *testing.F) {
	f.Add([]byte("content"), 1)
	f.Add(content(few+1), 3)
	f.Fuzz(func(t *testing.T, p []byte, times int) {
		var all []byte
		for range min(max(times, 1), 64) {
			if len(all)+len(p) <= Most {
				all = append(all, p...)
			}
		}
		if got, want := Sum256(all), narrow.Sum256(all); got != want {
			t.Fatalf("%d bytes: %x, want %x", len(all), got, want)
		}
	})
}

// Whatever contents are hashed side by side, and whatever was before them, each
// hash is that of the content alone.
func TestBatch(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all := content(Most)
	var b Batch
	var want [][32]byte
	sum := func() {
		t.Helper()
		for n, got := range b.Sum() {
			if got != want[n] {
				t.Fatalf("content %d of %d: %x, want %x", n, len(want), got, want[n])
			}
		}
		want = want[:0]
	}
	add := func(p []byte) {
		t.Helper()
		room := b.Room(len(p))
		if room == nil {
			sum()
			room = b.Room(len(p))
		}
		if len(room) != len(p) {
			t.Fatalf("room of %d bytes for %d", len(room), len(p))
		}
		b.Take(copy(room, p))
		want = append(want, narrow.Sum256(p))
	}
	for n := 0; n <= Longest; n += 1 + n/3000 {
		add(all[n : 2*n])
		if n%7 == 0 {
			sum()
		}
	}
	for range 10_000 {
		n := random.IntN(1 + 1<<random.IntN(17))
		start := random.IntN(len(all) - Longest)
		add(all[start:][:min(n, Longest)])
		if random.IntN(20) == 0 {
			sum()
		}
	}
	sum()
	if len(b.Sum()) > 0 {
		t.Error("what was summed up is summed up again")
	}
}

func BenchmarkBatch(b *testing.B) {
	all := content(Most)
	for _, n := range []int{66, 370, 1500, 4 << 10, 7000, Longest} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			var batch Batch
			for b.Loop() {
				room := batch.Room(n)
				if room == nil {
					batch.Sum()
					room = batch.Room(n)
				}
				batch.Take(copy(room, all))
			}
		})
	}
}

func BenchmarkSum256(b *testing.B) {
	all := content(Most)
	for _, n := range []int{1500, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 40_000, 128 << 10, Most} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Sum256(all[:n])
			}
		})
		b.Run(fmt.Sprint(n, "-narrow"), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				narrow.Sum256(all[:n])
			}
		})
	}
}
