package reconcile_test

import (
	"context"
	"os"
	"testing"
	"time"

	"lockstep/reconcile"
)

// A name that went may look just like a new one, and yet its file has another name that stays. The two must not become one file.
func TestNameOfAFileThatStaysIsNotRenamed(t *testing.T) {
	r := setUp(t, reconcile.Options{})
	then := time.Unix(1_000_000_000, 123456789)
	pair := func(one, other string) {
		r.write(one, "content")
		must(t, os.Chtimes(r.in(one), then, then))
		must(t, os.Link(r.in(one), r.in(other)))
	}
	pair("a/stays", "a/goes")
	r.once()
	r.renew()
	r.serve(func(ctx context.Context) {
		must(t, os.Remove(r.in("a/goes")))
		must(t, os.Mkdir(r.in("b"), 0o755))
		pair("b/new", "b/too")
		r.dirty(ctx, "a/goes", "b", "b/new", "b/too")
		r.wantEqual("after events")
		r.wantProof(ctx)
	})
}
