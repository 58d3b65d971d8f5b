//go:build amd64 || arm64

package at

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestApproval: on the fake clock, calls that take long have the others announced
// for a while, unless it was one alone and not very long.
func TestApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApproval()
		call := func(timed bool, takes time.Duration) (unannounced bool) {
			began, ok := a.begin(timed)
			if ok {
				time.Sleep(takes)
				a.end(began)
			}
			return ok
		}
		expect := func(what string, want, got bool) {
			t.Helper()
			if got != want {
				t.Errorf("%s: unannounced is %v", what, got)
			}
		}
		quick := func(n int) {
			for range n {
				expect("quick", true, call(false, longCall))
			}
		}
		time.Sleep(time.Second)
		expect("first, long", true, call(false, 2*longCall))
		expect("after that", false, call(false, 0))
		time.Sleep(announcedFor*2*longCall - 1)
		expect("still", false, call(true, 0))
		time.Sleep(time.Nanosecond)
		quick(inDoubt - 1)
		expect("long again", true, call(false, 2*longCall))
		expect("after that", false, call(false, 0))
		time.Sleep(announcedFor * 2 * longCall)
		quick(inDoubt)
		expect("not timed, long", true, call(false, longestTurn))
		expect("long for once", true, call(true, 2*longCall))
		quick(inDoubt)
		expect("long some time after", true, call(true, 2*longCall))
		quick(inDoubt)
		first, _ := a.begin(true)
		second, _ := a.begin(true)
		time.Sleep(longestTurn)
		a.end(first)
		a.end(second)
		time.Sleep(announcedFor * longestTurn)
		expect("a day", true, call(false, 24*time.Hour))
		time.Sleep(maxAnnounced - 1)
		expect("after a day", false, call(false, 0))
		time.Sleep(time.Nanosecond)
		expect("after the longest time", true, call(false, 0))
	})
}
