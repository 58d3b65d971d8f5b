package local

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestCacheOfWhatIsNotOnDisk: what was left to the system to bring to disk is known
// no longer than the file system stays mounted: after a crash its stamps can be
// there without its content. Here it is mounted once more instead.
//
// Scenarios: O3.
func TestCacheOfWhatIsNotOnDisk(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/source/file", "12345")
	write(t, dir+"/replica/file", "")
	mountAt(t, dir+"/replica", dir+"/again", "", unix.MS_BIND, "")
	synctest.Test(t, func(t *testing.T) {
		s := sourceAt(t, dir+"/source")
		for d, bytes := range map[Durability]int64{Auto: 0, Always: 0, NeverSync: 10} {
			o := ReplicaOptions{Durability: d, Cache: dir + "/cache"}
			r := replicaAt(t, dir+"/replica", o)
			equal(t, s, r)
			time.Sleep(time.Until(lastStamp(t, dir+"/source", dir+"/replica").Add(racy + 1))) // on the fake clock
			cached(t, s, r)
			if read, _ := cached(t, s, r); read != 0 && r.cache != nil {
				t.Errorf("durability %d: %d bytes read of what is known", d, read)
			}
			ok(t, r.Close())
			again := replicaAt(t, dir+"/again", o)
			if read, drift := cached(t, s, again); read != bytes || drift != 0 {
				t.Errorf("durability %d: %d bytes read where it is mounted once more, and %d drifted; want %d", d, read, drift, bytes)
			}
			ok(t, again.Close())
		}
	})
}
