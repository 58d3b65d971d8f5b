//go:build linux

package at

import (
	"fmt"
	"os"
	"testing"
)

func BenchmarkSub(b *testing.B) {
	path := b.TempDir()
	must(b, os.MkdirAll(path+"/one/two/three/four", 0o700))
	for name, set := range systems {
		b.Run(name, func(b *testing.B) {
			d := open(b, path)
			set(d)
			b.ReportAllocs()
			for b.Loop() {
				sub, err := d.Sub("one/two/three/four", OneMount)
				must(b, err)
				must(b, sub.Close())
			}
		})
	}
}

func BenchmarkListAndLook(b *testing.B) {
	path := b.TempDir()
	for i := range 100 {
		must(b, os.WriteFile(fmt.Sprintf("%s/file-%d.go", path, i), nil, 0o600))
	}
	d := open(b, path)
	var names []Name
	b.ReportAllocs()
	for b.Loop() {
		var err error
		names, err = d.Names(names)
		must(b, err)
		for _, n := range names {
			_, err := d.Look(n.Name)
			must(b, err)
		}
	}
}

func BenchmarkReadFile(b *testing.B) {
	path := b.TempDir()
	must(b, os.WriteFile(path+"/f", make([]byte, 2048), 0o600))
	d := open(b, path)
	buf := make([]byte, 2048)
	b.ReportAllocs()
	for b.Loop() {
		f, err := d.OpenFile("f")
		must(b, err)
		_, err = f.Entry()
		must(b, err)
		_, err = f.ReadAt(buf, 0)
		must(b, err)
		must(b, f.Close())
	}
}

func BenchmarkXattrs(b *testing.B) {
	path := b.TempDir()
	must(b, os.WriteFile(path+"/f", nil, 0o600))
	d := open(b, path)
	f, err := d.OpenFile("f")
	must(b, err)
	defer f.Close()
	b.Run("file", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := f.Xattrs()
			must(b, err)
		}
	})
	b.Run("name", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := d.Xattrs("f")
			must(b, err)
		}
	})
}
