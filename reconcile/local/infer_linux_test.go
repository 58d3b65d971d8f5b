package local

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"lockstep/reconcile/tree"
)

// TestTraitsOfThisFileSystem holds what is found by trying, and by looking
// only, against a file system that takes every name.
func TestTraitsOfThisFileSystem(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprint("Name-", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []ReplicaOptions{{}, {ReadOnly: true}} {
		r, err := OpenReplica(root, o)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if traits := r.Traits(); !traits.Names.Plain() || traits.Fixed || traits.TimeStep != 1 {
			t.Errorf("%+v: %+v", o, traits)
		}
		if assumed := r.Assumed(); assumed != "" {
			t.Errorf("%+v: assumed %s", o, assumed)
		}
		r.Close()
	}
}

func TestSampleTimeStep(t *testing.T) {
	for _, c := range []struct {
		nanoseconds []int32
		want        int64
	}{
		{[]int32{0}, 1e9},
		{[]int32{0, 1}, 1},
		{[]int32{123456700}, 1},
		{[]int32{123456700, 300, 0, 999999900}, 100},
		{[]int32{120000000, 130000000, 0, 20000000}, 1e7},
		{[]int32{123456700, 300, 0, 999999999}, 1},
	} {
		s := sample{changes: map[int32]int{}}
		for _, nsec := range c.nanoseconds {
			s.changes[nsec]++
		}
		if got := s.timeStep(); got != c.want {
			t.Errorf("%v: %d, not %d", c.nanoseconds, got, c.want)
		}
	}
}

// TestSampleWithoutChangeTimes: a system that does not tell them says nothing
// about the clock.
func TestSampleWithoutChangeTimes(t *testing.T) {
	s := sample{files: map[uint32]int{}, owners: map[[2]uint32]int{}, changes: map[int32]int{}}
	s.note(tree.Entry{Kind: tree.File, ModTime: tree.Time{Sec: 1, Nsec: 1}})
	if got := s.timeStep(); got != 1 {
		t.Errorf("steps of %d ns", got)
	}
}
