//go:build amd64 || arm64

package faults_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lockstep/e2e/rig"
)

// TestPower cuts the power of the replica's disk while files are replaced as fast as they can be. After that no file that was there is
// missing, and each is as a whole a version that the source had, one that a pass had brought over before or a later one. Where everything
// is to be on disk before it is told, none is older than what was told. The next start makes the trees equal.
//
// Scenarios: O3.
func TestPower(t *testing.T) {
	needRoot(t)
	rounds := 4
	switch {
	case complete():
		rounds = 30
	case rig.Race:
		rounds = 2
	}
	everyPower(t, func(t *testing.T, d *disk, s *scene) {
		f := &feed{root: s.source, sizes: map[string]map[int64]int{}, least: map[string]int{}}
		for round := range rounds {
			losePower(t, d, s, f, round)
		}
	})
}

// TestPowerAfterPass cuts the power right after a pass has ended well. All that it brought over is there, whatever kind of change it was.
//
// Scenarios: O3.
func TestPowerAfterPass(t *testing.T) {
	needRoot(t)
	everyPower(t, func(t *testing.T, d *disk, s *scene) {
		s.build(everything)
		// A second name of a new file waits for the first, but for less time than a busy disk may take.
		must(t, os.Remove(filepath.Join(s.source, "new", "g")))
		s.once()
		d.losePower(asIs)
		s.equal()
	})
}

// everyPower runs a test on each file system that can lose its power, with a replica written here and one written by a server, for each
// durability that promises something.
func everyPower(t *testing.T, test func(t *testing.T, d *disk, s *scene)) {
	for _, kind := range diskKinds() {
		for _, durability := range []string{"auto", "always"} {
			for _, who := range []string{"here", "served"} {
				t.Run(kind+" "+durability+" "+who, func(t *testing.T) {
					t.Parallel()
					d := newDisk(t, kind, 320<<20)
					s := d.scene()
					s.durability = durability
					if who == "served" {
						s.serve()
					}
					test(t, d, s)
				})
			}
		}
	}
}

// losePower cuts the power once while files change: in every second two of four rounds in the first pass, which finds all of them changed.
func losePower(t *testing.T, d *disk, s *scene, f *feed, round int) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(round), 1))
	for i := range oldFiles {
		must(t, f.save(fmt.Sprintf("old%d", i), 1000*i))
	}
	inFirstPass := round%4 >= 2
	p := s.start("--interval", "1h", "--quiet")
	wanted := 1 + random.IntN(oldFiles-1)
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	if !inFirstPass {
		must(t, p.Ready())
		f.flushed()
		wanted += oldFiles + random.IntN(3*oldFiles)
		go func() { written <- f.run(ctx, random) }()
	}
	var log []byte
	err := rig.Await(rig.Patience, func() (err error) {
		log, err = p.Log()
		if done := bytes.Count(log, []byte(`"event":"acted"`)); err == nil && done < wanted {
			err = fmt.Errorf("%d actions, not %d", done, wanted)
		}
		return err
	})
	d.cutPower([]int{namesFirst, asIs}[round%2])
	stop()
	if !inFirstPass {
		must(t, <-written)
	}
	p.Kill()
	must(t, err)
	if s.durability == "always" {
		must(t, f.told(log))
	}
	d.unmount()
	d.mount()
	must(t, f.judge(s.replica))
	s.once()
	s.equal()
	f.flushed()
}

// oldFiles is how many files are there from the beginning.
const oldFiles = 40

// feed is a source of which every version of every file tells which one it is. One goroutine at a time.
type feed struct {
	root    string
	version int
	// sizes has for each name which version had that size: each is another. least is the oldest that the disk may have.
	sizes map[string]map[int64]int
	least map[string]int
}

// run saves version after version until ctx ends.
func (f *feed) run(ctx context.Context, random *rand.Rand) error {
	for ctx.Err() == nil {
		name := fmt.Sprintf("old%d", random.IntN(oldFiles))
		if f.version%8 == 0 {
			name = fmt.Sprintf("new%d", f.version%200)
		}
		size := random.IntN(200_000)
		if f.version%64 == 1 {
			size += 2 << 20 // goes over in several blocks
		}
		if err := f.save(name, size); err != nil {
			return err
		}
	}
	return nil
}

// save puts the next version of a file, some size long, in the place of the one before. It begins with the sum of the rest.
func (f *feed) save(name string, size int) error {
	f.version++
	text := fmt.Sprintf("%s %d ", name, f.version)
	content := make([]byte, sha256.Size, sha256.Size+size+2*len(text))
	for len(content) < sha256.Size+max(size, len(text)) {
		content = append(content, text...)
	}
	if f.sizes[name] == nil {
		f.sizes[name] = map[int64]int{}
	}
	for f.sizes[name][int64(len(content))] != 0 {
		content = append(content, 0)
	}
	f.sizes[name][int64(len(content))] = f.version
	sum := sha256.Sum256(content[sha256.Size:])
	copy(content, sum[:])
	temp := filepath.Join(filepath.Dir(f.root), "saving") // no version that is not whole is ever in the source
	return errors.Join(os.WriteFile(temp, content, 0o644), os.Rename(temp, filepath.Join(f.root, name)))
}

// flushed notes that the newest version of every file is on disk.
func (f *feed) flushed() {
	for name, versions := range f.sizes {
		for _, version := range versions {
			f.least[name] = max(f.least[name], version)
		}
	}
}

// told notes that what a log tells to be brought over is on disk.
func (f *feed) told(log []byte) error {
	for line := range bytes.Lines(log) {
		var record struct {
			Event, Action, Path string
			Bytes               int64
		}
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		if err := json.Unmarshal(line, &record); err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
		if record.Event != "acted" || record.Action != "copy" && record.Action != "update" {
			continue
		}
		version := f.sizes[record.Path][record.Bytes]
		if version == 0 {
			return fmt.Errorf("no version of %s has %d bytes", record.Path, record.Bytes)
		}
		f.least[record.Path] = max(f.least[record.Path], version)
	}
	return nil
}

// judge wants every file of a replica to be a version as a whole that is not too old, and none to be missing.
func (f *feed) judge(replica string) error {
	var found []string
	missing := make(map[string]bool, len(f.least))
	for name := range f.least {
		missing[name] = true
	}
	entries, err := os.ReadDir(replica)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		content, err := os.ReadFile(filepath.Join(replica, name))
		if temp.MatchString(name) {
			continue
		}
		if err != nil {
			return err
		}
		delete(missing, name)
		if what := f.wrong(name, content); what != "" {
			found = append(found, name+": "+what)
		}
	}
	for name := range missing {
		found = append(found, name+" is missing")
	}
	if len(found) > 0 {
		return differ(found)
	}
	return nil
}

// wrong says what is wrong with the content of a file; "" for nothing.
func (f *feed) wrong(name string, content []byte) string {
	if len(content) <= sha256.Size {
		return fmt.Sprintf("%d bytes", len(content))
	}
	version := f.sizes[name][int64(len(content))]
	sum := sha256.Sum256(content[sha256.Size:])
	switch text := fmt.Sprintf("%s %d ", name, version); {
	case !bytes.Equal(sum[:], content[:sha256.Size]):
		return "torn"
	case !bytes.HasPrefix(content[sha256.Size:], []byte(text)):
		return "no version that it ever had"
	case version < f.least[name]:
		return fmt.Sprintf("version %d, but %d was on disk", version, f.least[name])
	}
	return ""
}

// losePower cuts the power and gives it back.
func (d *disk) losePower(how int) {
	d.t.Helper()
	d.cutPower(how)
	d.unmount()
	d.mount()
}

// sshScript stands in the place of ssh: it runs the server right here, where it has the same disk.
const sshScript = "#!/bin/sh\n" + `while [ "$1" != -- ]; do shift; done; shift 2; exec "$@"` + "\n"

// serve has the replica written by a server.
func (s *scene) serve() {
	s.t.Helper()
	script := filepath.Join(filepath.Dir(s.source), "ssh")
	must(s.t, os.WriteFile(script, []byte(sshScript), 0o755))
	server := []string{os.Getenv(binary), "serve", "--stdio", "--quiet", "--log-file", s.log + "-served"}
	if s.durability != "" {
		server = append(server, "--durability", s.durability)
	}
	s.server = []string{"LOCKSTEP_SSH=" + script, "LOCKSTEP_SSH_SERVER=" + strings.Join(server, " ")}
}
