package local

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lockstep/reconcile/tree"
)

// TestHardLinkRace lets somebody who may change a folder of the replica put a name
// of a file that is none of theirs in the place of what is made and changed there,
// again and again: neither its owner nor its mode becomes that of another entry.
//
// Scenarios: L8, P16.
func TestHardLinkRace(t *testing.T) {
	privileged(t)
	for name, want := range map[string]tree.Entry{
		"folder": {Kind: tree.Folder}, "fifo": {Kind: tree.FIFO}, "symlink": {Kind: tree.Symlink, Link: "text"},
	} {
		t.Run(name, func(t *testing.T) { raceHardLinks(t, want) })
	}
}

func raceHardLinks(t *testing.T, want tree.Entry) {
	replica := t.TempDir()
	r := replicaAt(t, replica, ReplicaOptions{Durability: NeverSync})
	secret := filepath.Join(filepath.Dir(replica), "secret")
	ok(t, os.WriteFile(secret, []byte("secret"), 0o600))
	ok(t, os.Link(secret, replica+"/link"))
	var before, after syscall.Stat_t
	ok(t, syscall.Lstat(secret, &before))

	const least, most = 300 * time.Millisecond, 10 * time.Second // most, where the two seldom meet
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		for ctx.Err() == nil {
			os.Rename(replica+"/entry", replica+"/aside")
			os.Rename(replica+"/link", replica+"/entry")
			os.Rename(replica+"/entry", replica+"/link")
			os.Rename(replica+"/aside", replica+"/entry")
			os.Remove(replica + "/aside")
		}
	}()
	want.Links = 1
	did, refused := 0, 0
	began := time.Now()
	for took := time.Duration(0); took < least || (did == 0 || refused == 0) && took < most; took = time.Since(began) {
		want.Mode, want.UID, want.ModTime.Sec = want.Mode^0o066|0o600, 1000-want.UID, want.ModTime.Sec+1
		for _, out := range r.Apply(context.Background(), []tree.Action{
			{Kind: tree.Create, Path: "entry", Want: want},
			{Kind: tree.Metadata, Path: "entry", Want: want, Over: want.Kind},
		}) {
			if out.Err != nil {
				refused++
			} else if out.Did != tree.None {
				did++
			}
		}
	}
	stop()
	<-ended
	ok(t, syscall.Lstat(secret, &after))
	if after.Uid != before.Uid || after.Mode != before.Mode || after.Mtim != before.Mtim {
		t.Errorf("the file of somebody else has become %+v; it was %+v", after, before)
	}
	t.Logf("%d done, %d refused", did, refused)
	if did == 0 || refused == 0 {
		t.Error("this has shown nothing")
	}
}
