package reconcile

import (
	"context"
	"fmt"
	"math"

	"lockstep/reconcile/tree"
)

// drift hands a difference over to the workers, and waits while too many
// wait for them. leaf, if not nil, is given the digest of the path when it is
// equal, or the zero digest.
func (p *pass) drift(ctx context.Context, path tree.Path, d *tree.Drift, leaf func(tree.Digest)) error {
	p.mu.Lock()
	p.report.Drift++
	if p.visit != nil {
		defer p.mu.Unlock()
		p.visit(path, *d)
		return nil
	}
	p.mu.Unlock()
	found := dirt{cause: ByPass}
	plain := d.Want.Kind == tree.Folder || d.Want.Kind == tree.File && d.Want.Links == 1
	if plain && d.Have.Kind == tree.Absent && !p.wasRenamed(path) {
		found.hint = &d.Want
	}
	return p.track(ctx, path, found, leaf)
}

// track makes path dirty and follows what becomes of it.
func (p *pass) track(ctx context.Context, path tree.Path, d dirt, leaf func(tree.Digest)) error {
	select {
	case p.outstanding <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.follow(path, d, leaf, p.release)
	return nil
}

// follow makes path dirty, and the pass wait for what becomes of it. ended, if
// not nil, is called then; else the path counts as drift only if it was.
func (p *pass) follow(path tree.Path, d dirt, leaf func(tree.Digest), ended func()) {
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	d.pass = p
	d.done = append(d.done, func(v verdict) {
		if leaf != nil {
			leaf(p.leafOf(path, v))
		}
		if ended == nil && (v.result != settled || v.did != tree.None) && v.result != absent {
			p.mu.Lock()
			p.report.Drift++
			p.mu.Unlock()
		}
		p.workedOff(v)
		if ended != nil {
			ended()
		}
	})
	p.m.queue.add(path, d)
}

// leafOf returns the digest that v brings for path, or reads it: a file that
// became a hard link was not read.
func (p *pass) leafOf(path tree.Path, v verdict) tree.Digest {
	if v.result != settled || v.did == tree.Remove || !v.leaf.IsZero() {
		return v.leaf
	}
	f := folders{source: p.m.source}
	defer f.close()
	e, err := f.look(path)
	if err != nil {
		return tree.Digest{}
	}
	if e.Kind != tree.File {
		return p.m.leaf(e, tree.Digest{})
	}
	return p.m.readLeaf(f.opener(path))
}

// workedOff counts what became of one difference.
func (p *pass) workedOff(v verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch v.result {
	case held:
		p.report.Held++
		p.flawed = true
	case failed:
		p.report.Problems++
		p.flawed = true
	case settled:
		if v.did != tree.None {
			p.report.Repaired++
		}
		p.report.Removed += int64(v.removed)
	}
	p.open--
	p.changed.Broadcast()
}

// wait returns when every difference is worked off.
func (p *pass) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.abort(ctx.Err()) })
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.open > 0 && p.err == nil {
		p.changed.Wait()
	}
	return p.err
}

// extra keeps back what the source does not have until all is compared.
func (p *pass) extra(ctx context.Context, path tree.Path, d *tree.Drift) error {
	if p.visit != nil {
		if p.m.guard.limited() || !p.m.guard.allowEmpty { // it may be asked about them
			p.mu.Lock()
			p.removals = append(p.removals, extra{path, signatureOf(d.Have)})
			p.mu.Unlock()
		}
		return p.drift(ctx, path, d, nil)
	}
	p.mu.Lock()
	p.report.Drift++
	p.removals = append(p.removals, extra{path, signatureOf(d.Have)})
	full := len(p.removals) >= maxRemovals && !p.m.guard.limited()
	p.mu.Unlock()
	if full {
		return p.settleRemovals(ctx)
	}
	return nil
}

// misspelled keeps back a name that is spelled otherwise until all is compared:
// a folder is not renamed while it is listed.
func (p *pass) misspelled(path tree.Path, d tree.Drift, leaf func(tree.Digest)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.respells = append(p.respells, misspelled{path, d, leaf})
}

// settleNames hands over what misspelled kept back, and waits for it: what is in
// the folders comes by names that stay.
func (p *pass) settleNames(ctx context.Context) error {
	p.mu.Lock()
	respells := p.respells
	p.respells = nil
	p.mu.Unlock()
	for _, r := range respells {
		if err := p.drift(ctx, r.path, &r.drift, r.leaf); err != nil {
			return err
		}
	}
	return p.wait(ctx)
}

// renamed notes that a folder came under its name by a rename: it is not
// missing any more, and neither is what is in it.
func (p *pass) renamed(folder tree.Path) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moved == nil {
		p.moved = make(map[tree.Path]bool)
	}
	p.moved[folder] = true
}

// wasRenamed reports whether path is in a folder that was renamed meanwhile.
func (p *pass) wasRenamed(path tree.Path) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.moved) > 0 && path != tree.Root {
		if path = path.Parent(); p.moved[path] {
			return true
		}
	}
	return false
}

// takeRemovals returns what was kept back: nobody takes it for the former name
// of something any more.
func (p *pass) takeRemovals() []extra {
	p.mu.Lock()
	removals := p.removals
	p.removals = nil
	p.mu.Unlock()
	for _, r := range removals {
		p.m.gone.drop(r.mark, r.path)
	}
	return removals
}

// settleRemovals hands over what was kept back, if its number is allowed.
func (p *pass) settleRemovals(ctx context.Context) error {
	removals := p.takeRemovals()
	p.mu.Lock()
	compared := p.report.Compared
	p.mu.Unlock()
	count := int64(len(removals))
	if p.m.guard.limited() {
		for _, r := range removals {
			if r.mark.kind != tree.Folder {
				continue
			}
			n, err := p.m.replica.Count(ctx, r.path, math.MaxInt)
			if err != nil {
				p.problem(r.path, fmt.Errorf("count: %w", err))
				continue
			}
			count += int64(n) - 1
		}
	}
	ok, told := p.m.guard.allowPass(count, compared+count)
	p.m.tellHolds(told)
	p.m.findReleased(told) // what events asked for may have been held since it was compared
	if !ok {
		p.mu.Lock()
		p.report.Held += int64(len(removals))
		p.flawed = true
		p.mu.Unlock()
		return nil
	}
	if p.visit != nil {
		p.foretell(len(removals))
		return nil
	}
	for _, r := range removals {
		if err := p.track(ctx, r.path, dirt{cause: ByPass, counted: true}, nil); err != nil {
			return err
		}
	}
	return nil
}

// foretell tells whether a pass that removes would have n removals held.
func (p *pass) foretell(n int) {
	if n == 0 {
		return
	}
	_, told := p.m.guard.allow(removal{cause: ByPass, counted: true})
	for i := range told.held {
		told.held[i].Count = n
	}
	p.m.tellHolds(told)
}
