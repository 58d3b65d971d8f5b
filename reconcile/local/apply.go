package local

import (
	"context"
	"fmt"
	"io/fs"

	"lockstep/reconcile/tree"
)

// syncEach is up to how many files of one batch are synced one by one; more
// are staged together and one syncfs(2) does for all of them, where it does.
const syncEach = 4

// batch is one call of [Replica.Apply]. Content is staged as actions come, and
// what would be seen waits in deferred; then one sync, then everything deferred
// takes effect in the order of the actions. One goroutine.
type batch struct {
	r        *Replica
	ctx      context.Context
	actions  []tree.Action
	outcomes []tree.Outcome
	folders  *folders
	current  int // the action that attributes are set for

	deferred []deferred
	// What an action staged later must not overtake: the paths that the
	// deferred ones change, and all above what they move or remove.
	changed, above map[tree.Path]struct{}

	// each: every file is synced by itself; else whole stands for the file
	// system, opened before the first write.
	each  bool
	whole *syncHandle
}

// deferred is an action that waits to take effect.
type deferred struct {
	index int
	staged
}

// staged is a complete file that waits for its name: a temp, or one that is
// kept open without a name. The zero one is none.
type staged struct {
	temp string       // its name until then
	file *unnamedFile // the file itself, where it has none
}

func (s staged) none() bool { return s == staged{} }

// Apply carries out actions.
func (r *Replica) Apply(ctx context.Context, actions []tree.Action) []tree.Outcome {
	b := &batch{
		r: r, ctx: ctx, actions: actions, outcomes: make([]tree.Outcome, len(actions)),
		folders: r.openFolders(toWrite),
		changed: map[tree.Path]struct{}{}, above: map[tree.Path]struct{}{},
	}
	if r.root == nil || r.options.ReadOnly {
		for i := range actions {
			b.outcomes[i].Err = fmt.Errorf("%v: replica is only read: %w", actions[i].Kind, fs.ErrPermission)
		}
		return b.outcomes
	}
	b.planSync()
	for i := range actions {
		b.take(i)
	}
	b.settle()
	b.folders.close()
	b.finish()
	return b.outcomes
}

func (b *batch) planSync() {
	if b.r.options.Durability == NeverSync {
		return
	}
	files := 0
	for i := range b.actions {
		if kind := b.actions[i].Kind; kind == tree.Copy || kind == tree.Update {
			files++
		}
	}
	if b.each = files <= syncEach || !b.r.syncsAll; b.each && b.r.options.Durability != Always {
		return
	}
	var err error
	if b.whole, err = b.r.openSync(); err != nil {
		b.each = true // a sync of every file needs no other handle
	}
}

// take stages action i, carries it out, or defers it.
func (b *batch) take(i int) {
	a := &b.actions[i]
	if err := b.check(a); err != nil {
		b.fail(i, err)
		return
	}
	switch {
	case a.Kind == tree.Copy || a.Kind == tree.Update:
		if b.overtakes(a.Path) {
			b.settle()
		}
		s, err := b.stage(i)
		switch {
		case err != nil:
			b.fail(i, err)
		case s.none():
		case b.mayPublish():
			b.effect(deferred{i, s}, nil)
		default:
			b.deferAction(deferred{i, s})
		}
	case a.Kind == tree.Create && a.Over == tree.Absent:
		if b.overtakes(a.Path) {
			b.settle()
		}
		if err := b.create(i); err != nil {
			b.fail(i, err)
		}
	default:
		b.deferAction(deferred{index: i})
	}
}

// mayPublish reports whether what is staged waits neither for a sync nor for
// an action before it. A temp that gets its name at once leaves its place in
// the folder to the next one, and the folder stays half as large.
func (b *batch) mayPublish() bool { return b.whole == nil && len(b.deferred) == 0 }

func (b *batch) check(a *tree.Action) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if err := a.Path.Check(); err != nil {
		return err
	}
	if a.Path == tree.Root && a.Kind != tree.Metadata && a.Kind != tree.None {
		return fmt.Errorf("the root itself: %w", fs.ErrInvalid)
	}
	if a.Kind == tree.Link || a.Kind == tree.Rename {
		if a.From == tree.Root || a.From == a.Path || a.From.Holds(a.Path) {
			return fmt.Errorf("from %q: %w", string(a.From), fs.ErrInvalid)
		}
		return a.From.Check()
	}
	return nil
}

// deferAction lets d wait for the next settle.
func (b *batch) deferAction(d deferred) {
	b.deferred = append(b.deferred, d)
	a := &b.actions[d.index]
	if a.Kind == tree.Metadata || a.Kind == tree.None {
		return
	}
	b.changed[a.Path] = struct{}{}
	if !d.none() && a.Over != tree.Folder {
		return
	}
	b.aboveOf(a.Path)
	if a.Kind == tree.Link || a.Kind == tree.Rename {
		b.changed[a.From] = struct{}{}
		b.aboveOf(a.From)
	}
}

func (b *batch) aboveOf(path tree.Path) {
	for path != tree.Root {
		path = path.Parent()
		if _, ok := b.above[path]; ok {
			return
		}
		b.above[path] = struct{}{}
	}
}

// overtakes reports whether work at path now would come before something that
// was to be done at, above or below it first.
func (b *batch) overtakes(path tree.Path) bool {
	if len(b.deferred) == 0 {
		return false
	}
	if _, ok := b.above[path]; ok {
		return true
	}
	for ; path != tree.Root; path = path.Parent() {
		if _, ok := b.changed[path]; ok {
			return true
		}
	}
	return false
}

// settle syncs what is staged and lets everything deferred take effect.
func (b *batch) settle() {
	err := b.sync()
	for _, d := range b.deferred {
		b.effect(d, err)
	}
	b.deferred = b.deferred[:0]
	clear(b.changed)
	clear(b.above)
}

// sync brings what is staged to disk. After an error nothing staged may be
// published, and another sync would not tell the truth.
func (b *batch) sync() error {
	if b.each || b.whole == nil {
		return nil
	}
	for _, d := range b.deferred {
		if !d.none() {
			err := b.r.syncer.sync(b.whole)
			b.renew()
			return err
		}
	}
	return nil
}

// renew opens another handle for what is written next: the one that there was has
// told what it knows. Where that cannot be had, files are synced one by one.
func (b *batch) renew() {
	b.whole.close()
	var err error
	if b.whole, err = b.r.openSync(); err != nil {
		b.whole, b.each = nil, true
	}
}

func (b *batch) effect(d deferred, syncErr error) {
	err := b.ctx.Err()
	if !d.none() {
		if err == nil {
			err = syncErr
		}
		if err != nil {
			b.discard(d)
		} else {
			err = b.publish(d)
		}
	} else if err == nil {
		switch b.actions[d.index].Kind {
		case tree.Create:
			err = b.create(d.index)
		case tree.Link:
			err = b.link(d.index)
		case tree.Rename:
			err = b.rename(d.index)
		case tree.Metadata:
			err = b.metadata(d.index)
		case tree.Remove:
			err = b.remove(d.index)
		}
	}
	if err != nil {
		b.fail(d.index, err)
	}
}

// fail notes what went wrong. What was removed before stays told.
func (b *batch) fail(i int, err error) {
	out := &b.outcomes[i]
	if out.Bytes = 0; out.Removed == 0 {
		out.Did = tree.None
	}
	out.Err = fmt.Errorf("%v: %w", b.actions[i].Kind, err)
}

// finish syncs the new names where everything has to be on disk. What had no
// handle for that in the beginning was synced file by file, and gets one now.
func (b *batch) finish() {
	var err error
	if b.whole == nil && b.r.options.Durability == Always {
		b.whole, err = b.r.openSync()
	}
	if b.whole != nil {
		defer b.whole.close()
	}
	if b.r.options.Durability != Always {
		return
	}
	if err == nil {
		err = b.r.syncer.sync(b.whole)
	}
	if err != nil {
		for i := range b.outcomes {
			if b.outcomes[i].Done() && b.outcomes[i].Did != tree.None {
				b.fail(i, err)
			}
		}
	}
}
