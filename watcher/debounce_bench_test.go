package watcher

import (
	"fmt"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Ten events at each of ten thousand paths, then all of them are due.
func BenchmarkDebounce(b *testing.B) {
	paths := make([]string, 10_000)
	for i := range paths {
		paths[i] = fmt.Sprintf("folder-%d/file-%d", i/100, i)
	}
	const events = 10
	d := newDebouncer(10*time.Millisecond, time.Second)
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		for range events {
			now += time.Millisecond
			for _, p := range paths {
				d.add(p, now, now)
			}
		}
		now += time.Minute
		if n := len(d.take(now)); n != len(paths) {
			b.Fatalf("%d paths were due", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events*len(paths)), "ns/event")
}

// What the goroutine that drains does for each event of a storm.
func BenchmarkDrain(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("/source/folder-%d/file-%d", i/100, i)
	}
	begun := time.Now()
	d := newDrain(make(chan struct{}, 1), func() time.Duration { return time.Since(begun) })
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range names {
			d.put(fsnotify.Event{Name: name, Op: fsnotify.Write})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(names)), "ns/event")
}
