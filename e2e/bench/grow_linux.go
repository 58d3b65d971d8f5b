package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// seed makes the trees the same in every run.
const seed = 20260101

// shape is a tree of generated files.
type shape struct {
	folders, files, depth int
	size                  func(*rand.Rand) int
}

func t1(o options) shape {
	return shape{folders: o.scaled(1000, 10), files: o.scaled(100_000, 1000), depth: 4, size: logNormal}
}

// small is T1 with a tenth of the files.
func small(o options) shape {
	s := t1(o)
	s.files /= 10
	return s
}

func t4(o options) shape {
	return shape{
		folders: o.scaled(10_000, 10), files: o.scaled(1_000_000, 1000), depth: 3,
		size: func(r *rand.Rand) int { return r.IntN(128) },
	}
}

// logNormal returns sizes with a median of 2 KiB and a mean of 3.3 KiB.
func logNormal(r *rand.Rand) int { return int(2048 * math.Exp(r.NormFloat64())) }

// paths returns the folders of a tree, each after the one that holds it.
func (s shape) paths() []string {
	r := rand.New(rand.NewPCG(seed, 0))
	paths := make([]string, 0, s.folders)
	depths := map[string]int{"": 0}
	for i := range s.folders {
		// A tenth stands at the top, and the others in any folder that is not too deep.
		above := ""
		for i >= s.folders/10 {
			if above = paths[r.IntN(i)]; depths[above] < s.depth {
				break
			}
		}
		path := filepath.Join(above, fmt.Sprintf("folder-%d", i))
		paths = append(paths, path)
		depths[path] = depths[above] + 1
	}
	return paths
}

// filesPer returns how many files are in each folder.
func (s shape) filesPer() int { return max(1, s.files/s.folders) }

func fileName(i int) string { return "file-" + strconv.Itoa(i) }

// grow makes a tree at root, which does not exist.
func (s shape) grow(ctx context.Context, root string) error {
	paths := s.paths()
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, p := range paths {
		if err := os.Mkdir(filepath.Join(root, p), 0o755); err != nil {
			return err
		}
	}
	err := inParallel(ctx, len(paths), func(i int) error {
		r := rand.New(rand.NewPCG(seed, uint64(i)+1))
		for n := range s.filesPer() {
			if err := growFile(filepath.Join(root, paths[i], fileName(n)), r, s.size(r)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, math.MaxUint64))
	for i := len(paths) - 1; i >= 0; i-- {
		if err := setTime(filepath.Join(root, paths[i]), r); err != nil {
			return err
		}
	}
	return setTime(root, r)
}

// growFile makes a file of random bytes.
func growFile(path string, r *rand.Rand, size int) error {
	if err := os.WriteFile(path, randomBytes(r, size), 0o644); err != nil {
		return err
	}
	return setTime(path, r)
}

func randomBytes(r *rand.Rand, size int) []byte {
	content := make([]byte, 0, size+8)
	for len(content) < size {
		n := r.Uint64()
		content = append(content, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n>>32), byte(n>>40), byte(n>>48), byte(n>>56))
	}
	return content[:size]
}

// setTime gives an entry a time in the year 2024, to the nanosecond.
func setTime(path string, r *rand.Rand) error {
	at := time.Unix(1_704_067_200+r.Int64N(366*24*3600), r.Int64N(1e9))
	return os.Chtimes(path, at, at)
}

// t3 makes so many large files.
func t3(ctx context.Context, o options, root string, files int) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	err := inParallel(ctx, files, func(i int) error {
		return growLarge(ctx, filepath.Join(root, fileName(i)), i, int64(o.scaled(1<<30, 1<<20)))
	})
	if err != nil {
		return err
	}
	return setTime(root, rand.New(rand.NewPCG(seed, 0)))
}

// growLarge makes a file that cannot be compressed.
func growLarge(ctx context.Context, path string, number int, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	source := rand.NewChaCha8([32]byte{byte(number)})
	buffer := make([]byte, 1<<20)
	for size > 0 && ctx.Err() == nil {
		n := min(size, int64(len(buffer)))
		source.Read(buffer[:n])
		if _, err := f.Write(buffer[:n]); err != nil {
			return err
		}
		size -= n
	}
	return errors.Join(ctx.Err(), setTime(path, rand.New(rand.NewPCG(seed, uint64(number)))))
}

// inParallel calls work for 0 to n-1 and returns the first error.
func inParallel(ctx context.Context, n int, work func(int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	turns := make(chan int)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for i := range turns {
				if ctx.Err() == nil {
					if err := work(i); err != nil {
						cancel(err)
					}
				}
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	workers.Wait()
	return context.Cause(ctx)
}

// readWhole reads every file of trees, so that the next who does finds them in memory.
func readWhole(ctx context.Context, roots ...string) error {
	var files []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				files = append(files, path)
			}
			return errors.Join(err, ctx.Err())
		})
		if err != nil {
			return err
		}
	}
	const share = 256 // files for one turn
	return inParallel(ctx, (len(files)+share-1)/share, func(i int) error {
		buffer := make([]byte, 1<<20)
		for _, path := range files[i*share : min(len(files), (i+1)*share)] {
			fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NOATIME|syscall.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			f := os.NewFile(uintptr(fd), path)
			_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buffer)
			f.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
}
