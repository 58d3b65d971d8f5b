package main

import (
	"runtime/debug"
	"sync/atomic"
	"time"

	"lockstep/logging"
	"lockstep/reconcile"
	"lockstep/reconcile/tree"
	"lockstep/watcher"
)

// observer turns what the engine says into records, and counts for the last
// one.
type observer struct {
	log   *logging.Log
	began time.Time
	stir  stir
	once  bool // no pass follows the first

	passes, actions, bytes atomic.Int64
}

func (o *observer) Acted(actions []reconcile.Acted) {
	defer o.stir.happened()
	told := make([]logging.Acted, 0, len(actions))
	for i := range actions {
		a := &actions[i]
		if a.Follows && a.Differed == tree.OfModTime {
			continue // a folder's time goes with what is in it, which has been told
		}
		o.actions.Add(1)
		o.bytes.Add(a.Bytes)
		told = append(told, recordOf(a))
	}
	if len(told) > 0 {
		o.log.Acted(told...)
	}
}

func recordOf(a *reconcile.Acted) logging.Acted {
	cause := logging.CauseEvent
	if a.Cause == reconcile.ByPass {
		cause = logging.CausePass
	}
	entries := int64(0)
	if a.Kind == tree.Folder {
		entries = int64(max(a.Removed-1, 0))
	}
	return logging.Acted{
		Action: a.Action.String(), Path: string(a.Path), From: string(a.From), Kind: kindWord(a.Kind),
		Bytes: a.Bytes, Entries: entries, Elapsed: a.Elapsed, Cause: cause,
	}
}

func kindWord(k tree.Kind) string {
	if k == tree.CharDevice || k == tree.BlockDevice {
		return "device"
	}
	return k.String()
}

func (o *observer) PassStarted(cause reconcile.PassCause) {
	o.log.PassStarted(string(cause))
	o.stir.happened()
}

func (o *observer) PassDone(r reconcile.Report) {
	o.passes.Add(1)
	done := logging.PassDone{
		Cause: string(r.Cause), Files: r.Files, Folders: r.Folders, BytesRead: r.BytesRead,
		Drift: r.Drift, Repaired: r.Repaired, Removed: r.Removed, Problems: r.Problems,
		Held: r.Held, Skipped: r.Skipped, Unheld: unheld(r), Elapsed: r.Elapsed, Equal: r.Equal,
	}
	if !r.Digest.IsZero() {
		done.Digest = r.Digest.String()
	}
	o.log.PassDone(done)
	o.stir.happened()
	if !o.once {
		debug.FreeOSMemory() // what a pass needed is not needed until the next one
	}
}

func (o *observer) Held(h reconcile.Hold) {
	o.log.Held(logging.Held{Reason: string(h.Reason), Count: int64(h.Count), Remedy: h.Remedy})
	o.stir.happened()
}

func (o *observer) Released(h reconcile.Hold) {
	o.log.Released(string(h.Reason))
	o.stir.happened()
}

func (o *observer) Problem(p reconcile.Problem) {
	// The engine tells of each trouble once, whichever attempt it was.
	o.log.Problem(logging.Problem{Path: string(p.Path), Verb: "mirror", Err: p.Err, Attempt: 1})
	o.stir.happened()
}

func (o *observer) Solved(path tree.Path) {
	o.log.Solved(string(path))
	o.stir.happened()
}

func (o *observer) Lost(class tree.Attributes, path tree.Path) {
	o.log.Unheld(logging.Unheld{
		Class: class.String(),
		Text:  "the replica cannot hold " + unheldWord(class) + ": first met at " + logging.Name(string(path)) + "; the rest is mirrored",
	})
}

// unheldWord is what a replica lacks that cannot hold a class.
func unheldWord(class tree.Attributes) string {
	switch class {
	case tree.OfExistence:
		return "entries of every kind"
	case tree.OfMode, tree.OfModTime, tree.OfOwner:
		return "every " + class.String()
	}
	return class.String()
}

// unheld lists what the replica cannot hold of what a pass has compared.
func unheld(r reconcile.Report) (list []logging.Count) {
	for i, n := range r.Lost {
		class := tree.Attributes(1 << i)
		what := class.String()
		if class == tree.OfExistence {
			what = "entries"
		}
		if n > 0 {
			list = append(list, logging.Count{What: what, N: n})
		}
	}
	return list
}

// stopped tells the last record.
func (o *observer) stopped(m *reconcile.Mirror) {
	o.log.Stopped(logging.Stopped{
		Reason: "done", Elapsed: time.Since(o.began), Passes: o.passes.Load(),
		Actions: o.actions.Load(), Bytes: o.bytes.Load(), Problems: int64(m.Status().Problems),
	})
}

// sink hands what the watcher finds to the engine, and tells the rest.
type sink struct {
	mirror *reconcile.Mirror
	log    *logging.Log
	stir   stir
	ready  chan<- struct{} // closed when the watches stand
}

func (s *sink) Dirty(paths []string, by watcher.Origin) {
	cause := reconcile.ByWatch
	if by == watcher.Polled {
		cause = reconcile.ByPoll
	}
	s.mirror.Dirty(paths, cause)
	s.stir.happened()
}

func (s *sink) Ready(c watcher.Coverage) {
	s.log.Watching(logging.Watching{
		Folders: int64(c.Watched + c.Polled), Polled: int64(c.Polled), Elapsed: c.Elapsed,
	})
	close(s.ready)
	s.stir.happened()
}

func (s *sink) Rescan(why watcher.Reason) {
	if why == watcher.RootReturned {
		s.mirror.RequestPass(reconcile.OnReturn)
		return
	}
	s.log.Notice(logging.Notice{Class: "events_lost", Text: "events were lost (" + why.String() + "); a pass follows"})
	s.mirror.RequestPass(reconcile.OnOverflow)
}

func (s *sink) Notice(n watcher.Notice) {
	text := n.Detail
	switch {
	case n.Path != "":
		text = logging.Name(n.Path) + ": " + text
	case n.Class != watcher.InstanceLimit && n.Class != watcher.WatchLimit: // those are about no folder
		text = "the source: " + text
	}
	if n.Err != nil {
		text += ": " + n.Err.Error()
	}
	s.log.Notice(logging.Notice{Class: n.Class.String(), Text: text, Remedy: n.Remedy})
	if n.Class == watcher.RootLost || n.Class == watcher.RootBack {
		s.mirror.CheckSource()
	}
}
