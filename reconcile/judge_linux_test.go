package reconcile_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"pgregory.net/rapid"
)

// snapshot says all there is to say of every entry at and below root, by path.
// It shares no code with what is tested.
func snapshot(t rapid.TB, root string) map[string]string {
	t.Helper()
	told := make(map[string]string)
	names := make(map[uint64][]string)
	links := make(map[uint64]uint64)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if info.Mode().Type() == fs.ModeSocket {
			return nil
		}
		name, _ := filepath.Rel(root, path)
		told[name], err = describe(path, info)
		if stat := info.Sys().(*syscall.Stat_t); !info.IsDir() && stat.Nlink > 1 {
			names[stat.Ino] = append(names[stat.Ino], name)
			links[stat.Ino] = uint64(stat.Nlink)
		}
		return err
	})
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	for inode, group := range names {
		for _, name := range group {
			told[name] += fmt.Sprintf(" names %q", group)
			if outside := links[inode] - uint64(len(group)); outside > 0 {
				told[name] += fmt.Sprintf(" and %d outside", outside)
			}
		}
	}
	return told
}

func describe(path string, info fs.FileInfo) (string, error) {
	stat := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("%v %d:%d %d.%09d", info.Mode(), stat.Uid, stat.Gid, stat.Mtim.Sec, stat.Mtim.Nsec)
	switch mode := info.Mode(); mode.Type() {
	case 0:
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if len(content) > 40 {
			text += fmt.Sprintf(" %d bytes %x", len(content), sha256.Sum256(content))
		} else {
			text += fmt.Sprintf(" %q", content)
		}
	case fs.ModeSymlink:
		to, err := os.Readlink(path)
		return text + fmt.Sprintf(" -> %q", to), err
	case fs.ModeDir:
	default:
		return text + fmt.Sprintf(" device %d", stat.Rdev), nil
	}
	buf := make([]byte, 4096)
	n, err := syscall.Listxattr(path, buf)
	if err != nil {
		return "", err
	}
	names := strings.Split(string(buf[:n]), "\x00")
	slices.Sort(names)
	for _, name := range names {
		if name == "" {
			continue
		}
		value := make([]byte, 4096)
		n, err := syscall.Getxattr(path, name, value)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(" %s=%q", name, value[:n])
	}
	return text, nil
}

// differences lists how two snapshots differ, sorted by path.
func differences(want, have map[string]string) []string {
	var differ []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if h, ok := have[path]; !ok {
			differ = append(differ, fmt.Sprintf("missing %q: %s", path, want[path]))
		} else if h != want[path] {
			differ = append(differ, fmt.Sprintf("at %q\n  have %s\n  want %s", path, h, want[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[path]; !ok {
			differ = append(differ, fmt.Sprintf("additional %q: %s", path, have[path]))
		}
	}
	return differ
}

// unequal describes how the replica differs from what the source holds for
// the mirror; "" when they are equal. Names that the source has outside of its
// root are none of the mirror's.
func unequal(t rapid.TB, source, replica string) string {
	t.Helper()
	want := snapshot(t, source)
	for path, text := range want {
		text, _, _ = strings.Cut(text, " and ")
		if names := fmt.Sprintf(" names %q", []string{path}); strings.HasSuffix(text, names) {
			text = strings.TrimSuffix(text, names)
		}
		want[path] = text
	}
	return strings.Join(differences(want, snapshot(t, replica)), "\n")
}
