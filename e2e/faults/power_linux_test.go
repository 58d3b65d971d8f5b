//go:build amd64 || arm64

package faults_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lockstep/e2e/rig"
)

// TestPower cuts the power of the replica's disk while files are replaced as fast as they can be. After that no file that was there is
// missing, none is empty or torn, and the next start makes the trees equal.
//
// Scenarios: O3.
func TestPower(t *testing.T) {
	needRoot(t)
	rounds := 4
	if complete() {
		rounds = 30
	}
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newDisk(t, kind, 320<<20)
			s := d.scene()
			for round := range rounds {
				losePower(t, d, s, uint64(round))
			}
		})
	}
}

// oldFiles is how many files are there from the beginning.
const oldFiles = 40

// losePower cuts the power once while files change.
func losePower(t *testing.T, d *disk, s *scene, seed uint64) {
	t.Helper()
	for i := range oldFiles {
		must(t, writeVersion(s.source, fmt.Sprintf("old%d", i), i, 1000*i))
	}
	p := s.start("--interval", "1h", "--quiet")
	must(t, p.Ready())
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { // ends with ctx
		random := rand.New(rand.NewPCG(seed, 1))
		for i := oldFiles; ; i++ {
			name := fmt.Sprintf("old%d", random.IntN(oldFiles))
			if i%8 == 0 {
				name = fmt.Sprintf("new%d", i%200)
			}
			if err := writeVersion(s.source, name, i, random.IntN(200_000)); err != nil || ctx.Err() != nil {
				written <- err
				return
			}
		}
	}()
	wanted := 2*oldFiles + int(seed%7)*31
	err := rig.Await(rig.Patience, func() error {
		log, err := p.Log()
		if done := bytes.Count(log, []byte(`"event":"acted"`)); err == nil && done < wanted {
			err = fmt.Errorf("%d actions, not %d", done, wanted)
		}
		return err
	})
	d.cutPower([]int{namesFirst, asIs}[seed%2])
	stop()
	must(t, <-written)
	p.Kill()
	must(t, err)
	d.unmount()
	d.mount()
	s.wholeVersions()
	s.once()
	s.equal()
}

// writeVersion puts a version of a file in the place of the one before. It begins with the sum of the rest.
func writeVersion(root, name string, version, size int) error {
	content := bytes.Repeat(fmt.Appendf(nil, "%d ", version), 1+size/4)
	sum := sha256.Sum256(content)
	temp := filepath.Join(filepath.Dir(root), "saving") // no version that is not whole is ever in the source
	return errors.Join(os.WriteFile(temp, append(sum[:], content...), 0o644), os.Rename(temp, filepath.Join(root, name)))
}

// wholeVersions wants every file of the replica to be one whole version, and none to be missing that was there from the beginning.
func (s *scene) wholeVersions() {
	s.t.Helper()
	entries, err := os.ReadDir(s.replica)
	must(s.t, err)
	old := 0
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(s.replica, e.Name()))
		if errors.Is(err, unix.EISDIR) || temp.MatchString(e.Name()) {
			continue
		}
		must(s.t, err)
		if len(content) <= sha256.Size {
			s.t.Errorf("%s: %d bytes", e.Name(), len(content))
		} else if sum := sha256.Sum256(content[sha256.Size:]); !bytes.Equal(sum[:], content[:sha256.Size]) {
			s.t.Errorf("%s: torn", e.Name())
		}
		if strings.HasPrefix(e.Name(), "old") {
			old++
		}
	}
	if old != oldFiles {
		s.t.Errorf("%d of %d old files", old, oldFiles)
	}
}
