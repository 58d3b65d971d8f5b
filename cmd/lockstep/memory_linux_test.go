package main

import (
	"bufio"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	mount := t.TempDir()
	for file, text := range map[string]string{
		"a/memory.max":                           "67108864\n",
		"a/b/memory.max":                         "max\n",
		"memory/memory.limit_in_bytes":           "9223372036854771712\n",
		"memory/old/group/memory.limit_in_bytes": "33554432\n",
	} {
		file = filepath.Join(mount, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for groups, want := range map[string]int64{
		"0::/a/b\n":                            64 << 20, // the group above has one
		"0::/elsewhere\n":                      math.MaxInt64,
		"5:memory:/old/group\n0::/elsewhere\n": 32 << 20,
		"4:cpu,cpuacct:/old/group\n":           math.MaxInt64,
		"not a line\n":                         math.MaxInt64,
	} {
		if got := memoryLimit(bufio.NewScanner(strings.NewReader(groups)), mount); got != want {
			t.Errorf("memoryLimit(%q) = %d, want %d", groups, got, want)
		}
	}
}
