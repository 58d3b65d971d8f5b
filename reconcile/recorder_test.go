package reconcile_test

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"lockstep/reconcile"
	"lockstep/reconcile/tree"
)

func TestMain(m *testing.M) {
	// The properties work on real files; more checks are for -rapid.checks.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must happen: long, because a test
// that passes never waits for it.
const patience = 20 * time.Second

// recorder is an Observer that remembers.
type recorder struct {
	mu       sync.Mutex
	news     *sync.Cond
	acted    []reconcile.Acted
	started  []reconcile.PassCause
	done     []reconcile.Report
	held     []reconcile.Hold
	released []reconcile.Hold
	problems []reconcile.Problem
	solved   []tree.Path
	lost     []string
}

func newRecorder() *recorder {
	r := &recorder{}
	r.news = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) record(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.news.Broadcast()
}

func (r *recorder) Acted(a []reconcile.Acted) { r.record(func() { r.acted = append(r.acted, a...) }) }
func (r *recorder) PassStarted(c reconcile.PassCause) {
	r.record(func() { r.started = append(r.started, c) })
}
func (r *recorder) PassDone(x reconcile.Report) { r.record(func() { r.done = append(r.done, x) }) }
func (r *recorder) Held(h reconcile.Hold)       { r.record(func() { r.held = append(r.held, h) }) }
func (r *recorder) Released(h reconcile.Hold) {
	r.record(func() { r.released = append(r.released, h) })
}
func (r *recorder) Problem(p reconcile.Problem) {
	r.record(func() { r.problems = append(r.problems, p) })
}
func (r *recorder) Solved(p tree.Path) { r.record(func() { r.solved = append(r.solved, p) }) }
func (r *recorder) Lost(c tree.Attributes, p tree.Path) {
	r.record(func() { r.lost = append(r.lost, fmt.Sprintf("%v at %q", c, p)) })
}

// await returns when ok, called with mu held, is true.
func (r *recorder) await(t rapid.TB, what string, ok func() bool) {
	t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() { r.record(func() { late = true }) })
	defer timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !ok() {
		if late {
			t.Fatalf("waited in vain for %s", what)
		}
		r.news.Wait()
	}
}

// acts returns what was done since the last call, but for times of folders.
func (r *recorder) acts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var told []string
	for _, a := range r.acted {
		if !a.Follows {
			text := fmt.Sprintf("%v %s", a.Action, a.Path)
			if a.From != "" {
				text = fmt.Sprintf("%v %s -> %s", a.Action, a.From, a.Path)
			}
			told = append(told, text)
		}
	}
	r.acted = nil
	slices.Sort(told)
	return told
}

// trouble returns the problems that were told.
func (r *recorder) trouble() []reconcile.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.problems)
}

// reasons returns why removals were held, in order.
func (r *recorder) reasons() []reconcile.HoldReason {
	r.mu.Lock()
	defer r.mu.Unlock()
	var told []reconcile.HoldReason
	for _, h := range r.held {
		told = append(told, h.Reason)
	}
	return told
}
