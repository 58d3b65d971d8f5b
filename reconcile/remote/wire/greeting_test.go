package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden files anew")

func hello() *Hello {
	return &Hello{Software: "lockstep 1", Folder: []byte("/srv/\xffcopy"), Instance: bytes.Repeat([]byte{7}, 16), Who: "me@here"}
}

func welcome() *Welcome {
	return &Welcome{Software: "lockstep 1", Version: 1, Identity: []byte{1, 2}, Traits: &Traits{Owners: true, TimeStep: 1, Groups: []uint32{1000}}}
}

// TestGoldenGreetings (X16) holds what this version says: a program of any later
// version has to read it.
func TestGoldenGreetings(t *testing.T) {
	var h, w bytes.Buffer
	if err := errors.Join(SendHello(&h, hello()), SendWelcome(&w, welcome())); err != nil {
		t.Fatal(err)
	}
	for name, have := range map[string][]byte{"hello_v3": h.Bytes(), "welcome_v3": w.Bytes()} {
		file := filepath.Join("testdata", name+".hex")
		if *update {
			if err := os.WriteFile(file, []byte(hex.Dump(have)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if hex.Dump(have) != string(want) {
			t.Errorf("%s is another one:\n%s", name, hex.Dump(have))
		}
	}
	// Byte by byte, and not one byte too many (X30).
	rest := "what follows"
	back, err := ReadHello(iotest.OneByteReader(io.MultiReader(&h, strings.NewReader(rest))))
	if err != nil || !proto.Equal(back, spoken(hello())) {
		t.Errorf("%v, %v", back, err)
	}
	stream := io.MultiReader(strings.NewReader("Last login: today\r\n"), &w, strings.NewReader(rest))
	got, err := ReadWelcome(stream)
	if err != nil || !proto.Equal(got, welcome()) {
		t.Errorf("%v, %v", got, err)
	}
	if left, _ := io.ReadAll(stream); string(left) != rest {
		t.Errorf("%q is left, want %q", left, rest)
	}
}

// TestEarlierGreetings (X16): what version 1 said is understood, and that it is
// another one.
func TestEarlierGreetings(t *testing.T) {
	h, err := ReadHello(golden(t, "hello_v1"))
	if !errors.Is(err, ErrVersion) || !proto.Equal(h, hello()) {
		t.Errorf("%v, %v", h, err)
	}
	if w, err := ReadWelcome(golden(t, "welcome_v1")); !errors.Is(err, ErrVersion) {
		t.Errorf("%v, %v", w, err)
	}
}

// golden reads what was dumped.
func golden(t *testing.T, name string) io.Reader {
	t.Helper()
	dump, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	var raw []byte
	for line := range strings.Lines(string(dump)) {
		for _, field := range strings.Fields(line[:min(len(line), len("00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"))])[1:] {
			b, err := hex.DecodeString(field)
			if err != nil {
				t.Fatal(err)
			}
			raw = append(raw, b...)
		}
	}
	return bytes.NewReader(raw)
}

// spoken is h as it is read.
func spoken(h *Hello) *Hello {
	h.Version = newestVersion
	return h
}

// TestLaterGreetings (X16): with a side that speaks later versions too, the
// newest one is spoken that both know; what its greeting says besides is passed
// over, and it may not take a version that this side does not know.
func TestLaterGreetings(t *testing.T) {
	later := func(greeting func(io.Writer) error) io.Reader {
		var buf bytes.Buffer
		if err := greeting(&buf); err != nil {
			t.Fatal(err)
		}
		raw := protowire.AppendVarint(protowire.AppendTag(buf.Bytes(), 99, protowire.VarintType), 1)
		header := raw[len(magic):]
		binary.BigEndian.PutUint16(header[2:], newestVersion+2)
		binary.BigEndian.PutUint32(header[4:], uint32(len(header)-headerSize))
		return bytes.NewReader(raw)
	}
	h, err := ReadHello(later(func(w io.Writer) error { return SendHello(w, hello()) }))
	if err != nil || h.Version != newestVersion || !bytes.Equal(h.Instance, hello().Instance) {
		t.Errorf("%v, %v", h, err)
	}
	m := welcome()
	m.Version = newestVersion
	if w, err := ReadWelcome(later(func(w io.Writer) error { return SendWelcome(w, m) })); err != nil || w.Version != newestVersion {
		t.Errorf("%v, %v", w, err)
	}
	m.Version++
	if w, err := ReadWelcome(later(func(w io.Writer) error { return SendWelcome(w, m) })); !errors.Is(err, ErrVersion) {
		t.Errorf("%v, %v", w, err)
	}
}

// TestNoise (X17): what came instead of a greeting is shown, and bounded.
func TestNoise(t *testing.T) {
	var noise *NoiseError
	_, err := ReadWelcome(strings.NewReader("bash: lockstep: command not found\n"))
	if !errors.As(err, &noise) || noise.Text != "bash: lockstep: command not found" {
		t.Errorf("%v", err)
	}
	_, err = ReadWelcome(io.MultiReader(strings.NewReader("\x1b[31mred\n"), endless{}))
	if !errors.As(err, &noise) || len(noise.Error()) > 4*maxText || strings.ContainsRune(noise.Error(), 0x1b) {
		t.Errorf("%v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestVersions (X16): both sides' versions are named, and a refusal is read
// even then.
func TestVersions(t *testing.T) {
	var buf bytes.Buffer
	if err := SendHello(&buf, hello()); err != nil {
		t.Fatal(err)
	}
	raw := buf.Bytes()
	binary.BigEndian.PutUint16(raw[len(magic):], 7)
	binary.BigEndian.PutUint16(raw[len(magic)+2:], 9)
	h, err := ReadHello(bytes.NewReader(raw))
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "here 3 to 3, there 7 to 9") || h == nil {
		t.Errorf("%v, %v", h, err)
	}
	buf.Reset()
	if err := SendWelcome(&buf, &Welcome{Refusal: FromError(ErrVersion)}); err != nil {
		t.Fatal(err)
	}
	raw = buf.Bytes()
	binary.BigEndian.PutUint16(raw[len(magic):], 7)
	binary.BigEndian.PutUint16(raw[len(magic)+2:], 9)
	// It is said once, as it is seen from here.
	if _, err := ReadWelcome(bytes.NewReader(raw)); !errors.Is(err, ErrVersion) || strings.Count(err.Error(), ErrVersion.Error()) != 1 {
		t.Errorf("%v", err)
	}
}

// TestGreetingBombs (X9): a length is not believed.
func TestGreetingBombs(t *testing.T) {
	for _, length := range []uint32{maxGreeting + 1, 1 << 31, 1<<32 - 1} {
		raw := append([]byte(magic), 0, 1, 0, 1)
		raw = binary.BigEndian.AppendUint32(raw, length)
		if _, err := ReadHello(io.MultiReader(bytes.NewReader(raw), endless{})); err == nil {
			t.Errorf("a greeting of %d bytes was read", length)
		}
		if _, err := ReadWelcome(io.MultiReader(bytes.NewReader(raw), endless{})); err == nil {
			t.Errorf("a greeting of %d bytes was read", length)
		}
	}
	if _, err := ReadHello(strings.NewReader("GET / HTTP/1.1\r\n\r\n")); err == nil {
		t.Error("a browser was let in")
	}
}

func FuzzGreeting(f *testing.F) {
	var h, w bytes.Buffer
	if err := errors.Join(SendHello(&h, hello()), SendWelcome(&w, welcome())); err != nil {
		f.Fatal(err)
	}
	f.Add(h.Bytes())
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, err := ReadHello(bytes.NewReader(raw)); err == nil {
			if got.Version < oldestVersion || got.Version > newestVersion {
				t.Fatalf("version %d is spoken", got.Version)
			}
			var again bytes.Buffer
			if err := SendHello(&again, got); err != nil {
				t.Fatal(err)
			}
			back, err := ReadHello(&again)
			if err != nil || !proto.Equal(back, got) {
				t.Fatalf("%v became %v, %v", got, back, err)
			}
		}
		if got, err := ReadWelcome(bytes.NewReader(raw)); err == nil && got.Traits == nil {
			t.Fatal("a welcome without traits")
		}
	})
}
