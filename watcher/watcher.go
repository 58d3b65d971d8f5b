// Package watcher says where in a folder tree to look again.
//
// It watches every folder below a root with fsnotify, recursively by its own bookkeeping, and hands dirty paths to a
// [Sink] once they have been quiet for a moment. It never reads the content of a file and never writes anything. A
// dirty path is a hint and no more: it may be reported though nothing changed, and what happened there is for the
// caller to find out. Folders that cannot have a watch (limits, network file systems) are polled instead.
//
// The order at every folder is: watch it, then list it. So a name is found by the listing or by an event, and none
// falls in between.
package watcher

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The defaults of [Options].
const (
	DefaultQuiet    = 10 * time.Millisecond // longer than the gaps between the writes of one save
	DefaultMaxDelay = time.Second           // a log that is written all the time is followed at this pace
	DefaultPoll     = 2 * time.Second
)

// Options set the pace of a [Watcher] and what belongs to it. The zero value of MaxDelay and Poll means the default;
// Quiet is taken as it is, because 0 is a choice: see [Defaults].
type Options struct {
	// Quiet is how long a path must be without events before it is reported; 0 reports at once.
	Quiet time.Duration
	// MaxDelay is the longest time between the first event at a path and its report.
	MaxDelay time.Duration
	// Poll is how often a folder without a watch is looked at. A tree that takes long to look at is looked at less
	// often, so that polling never takes more than about a fifth of one processor.
	Poll time.Duration
	// Include says whether a path belongs to the mirror; nil means that all do. path is relative to the root, with
	// slashes. It is called from the goroutine of Run only. A folder that is not included is not watched and nothing
	// below it is reported. What has vanished is asked for with folder false unless it was known as a folder.
	Include func(path string, folder bool) bool
}

// Defaults returns the options with every time at its default and no filter.
func Defaults() Options {
	return Options{Quiet: DefaultQuiet, MaxDelay: DefaultMaxDelay, Poll: DefaultPoll}
}

// Sink receives what a [Watcher] finds. All methods are called from the goroutine of [Watcher.Run], one at a time, and
// must not block: while one runs, no new folder is watched.
type Sink interface {
	// Dirty hands over paths to look at again: relative to the root, with slashes, raw bytes, "" for the root itself.
	// They come in the order in which they were first seen, so a new folder stands before what is below it. The slice
	// belongs to the sink. A path says nothing about its parent, whose own time changes too when a name comes or goes.
	// Not called before Ready.
	Dirty(paths []string, by Origin)
	// Ready is called once, when every folder that can have a watch has one. What changes from now on is reported;
	// what changed before is for the pass that the caller starts now.
	Ready(c Coverage)
	// Rescan says that events were lost and a pass is needed at once. The watches are complete again when it is called.
	Rescan(why Reason)
	// Notice tells of a trouble that the person should know, once for each class; [RootLost] and [RootBack] each time.
	Notice(n Notice)
}

// Origin says how a dirty path was noticed.
type Origin uint8

// The origins.
const (
	Watched Origin = iota // by an event, or below a folder that came by one
	Polled                // by comparing two looks at a folder that has no watch
)

func (o Origin) String() string {
	return nameOf(int(o), []string{"watched", "polled"})
}

// Reason says why a pass is needed at once.
type Reason uint8

// The reasons.
const (
	Overflow     Reason = iota + 1 // the queue of the operating system overflowed
	Rebuilt                        // the watcher of the operating system died and was made anew
	RootReturned                   // the root was lost and is back, as the same folder or another one
)

func (r Reason) String() string {
	return nameOf(int(r), []string{"start", "overflow", "rebuilt", "root_returned"})
}

// Class is a kind of trouble.
type Class uint8

// The classes.
const (
	// WatchLimit: the system grants too few watches; the folders without one are polled. Limit, Need and Remedy are set
	// where the system tells them.
	WatchLimit Class = iota + 1
	// InstanceLimit: the system grants no watcher at all, for now; everything is polled.
	InstanceLimit
	// Unwatchable: the folder at Path cannot have a watch for a reason of its own, in Err. It is polled if it can be
	// read, else left to the passes.
	Unwatchable
	// Remote: the folder at Path is on a network or FUSE file system, named in Detail, that sends no events: polled.
	Remote
	// RootLost: the root is missing, was replaced, or cannot be reached; Detail and Err say which.
	RootLost
	// RootBack: there is a folder at the root again; a Rescan follows when it is watched (Ready, if there was none yet).
	RootBack
)

func (c Class) String() string {
	return nameOf(int(c), []string{"", "watch_limit", "instance_limit", "unwatchable", "remote", "root_lost", "root_back"})
}

// Notice is a trouble that the person should know.
type Notice struct {
	Class  Class
	Path   string // the first path that has the trouble, relative to the root
	Detail string // what happened, in words
	Limit  int    // what the system grants now, or 0 if unknown
	Need   int    // what it would take, or 0 if unknown
	Remedy string // a command line that mends it, or ""
	Err    error  // the cause, if it is an error
}

// Coverage counts how the folders below the root, and the root, are looked after.
type Coverage struct {
	Watched int           // folders that have a watch
	Polled  int           // folders looked at now and then
	Blind   int           // folders that cannot be read; left to the passes
	Elapsed time.Duration // from Run to Ready, or so far
}

// Watcher watches one folder tree. Make one with [New].
type Watcher struct {
	// Set by New.
	root    string
	options Options
	open    func() (backend, error)
	enter   func(root string) (*place, error)
	remote  func(*handle) string // the file system of a folder, if it sends no events
	heed    func(root string, tell func()) (*surroundings, error)
	// rootEvery is how soon it is noticed that the root, or a mount below it, vanished where nobody tells, and how often
	// it is looked at where heed tells all the time.
	rootEvery time.Duration

	// Written by the goroutine of Run, read by anyone.
	watched, polled, blind, elapsed atomic.Int64
}

// New returns a watcher for the folder root, an absolute path whose last name is no symlink. It starts nothing.
func New(root string, o Options) *Watcher {
	if o.MaxDelay <= 0 {
		o.MaxDelay = DefaultMaxDelay
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	return &Watcher{
		root: filepath.Clean(root), options: o,
		open: openBackend, enter: openPlace, remote: (*handle).remote, heed: heed, rootEvery: time.Second,
	}
}

// Coverage returns the present figures. Safe for concurrent use.
func (w *Watcher) Coverage() Coverage {
	return Coverage{
		Watched: int(w.watched.Load()),
		Polled:  int(w.polled.Load()),
		Blind:   int(w.blind.Load()),
		Elapsed: time.Duration(w.elapsed.Load()),
	}
}

// Run watches until ctx ends, then returns nil; no goroutine outlives it. A root that is missing is waited for. Run
// must be called once. It returns an error only if it cannot begin: the root is no absolute path.
func (w *Watcher) Run(ctx context.Context, s Sink) error {
	if !filepath.IsAbs(w.root) {
		return fmt.Errorf("watch %q: the path is not absolute", w.root)
	}
	r := newRun(w, s)
	defer r.closeBackend()
	r.loop(ctx)
	return nil
}

func nameOf(i int, names []string) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}

// backend is the part of fsnotify that is used: the place where tests put their own.
// Add and Remove may block while nobody receives from Events and Errors. Close ends both channels.
type backend interface {
	Add(name string) error
	Remove(name string) error
	Close() error
	Events() <-chan fsnotify.Event
	Errors() <-chan error
}

type systemBackend struct{ *fsnotify.Watcher }

func (b systemBackend) Events() <-chan fsnotify.Event { return b.Watcher.Events }
func (b systemBackend) Errors() <-chan error          { return b.Watcher.Errors }

func openBackend() (backend, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return systemBackend{w}, nil
}
