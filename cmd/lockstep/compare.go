package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"

	"lockstep/logging"
	"lockstep/reconcile"
	"lockstep/reconcile/local"
	"lockstep/reconcile/tree"
)

// words turn a difference into what a person reads.
type words func(tree.Drift) string

// verifyWords say what is.
func verifyWords(d tree.Drift) string {
	switch {
	case d.Differs == tree.OfExistence && d.Have.Kind == tree.Absent:
		return "missing"
	case d.Differs == tree.OfExistence:
		return "additional"
	}
	return "differs"
}

// planWords say what a pass would do.
func planWords(d tree.Drift) string {
	switch {
	case d.Want.Kind == tree.Absent:
		return tree.Remove.String()
	case d.Differs.Has(tree.OfLinks):
		return tree.Link.String()
	case d.Differs.Has(tree.OfName):
		return tree.Rename.String()
	case d.Want.Kind == tree.File && d.Have.Kind != tree.File:
		return tree.Copy.String()
	case d.Want.Kind == tree.File && d.Differs.Has(tree.OfContent):
		return tree.Update.String()
	case d.Differs&(tree.OfExistence|tree.OfKind|tree.OfContent) != 0:
		return tree.Create.String()
	}
	return tree.Metadata.String()
}

// compare carries out verify and --dry-run: it prints each difference and a
// summary, and changes nothing.
func compare(ctx context.Context, s settings, stdout io.Writer, say words) error {
	s.logFile = "" // nothing is logged
	p, err := admit(&s)
	if err != nil {
		return err
	}
	source, err := local.OpenSource(p.source)
	if err != nil {
		return unreadable(err)
	}
	defer source.Close()
	ctx, stopped := untilSignal(ctx, stopGrace)
	defer stopped()
	replica, err := openReplica(ctx, s, p, local.ReplicaOptions{ReadOnly: true}, nil)
	if err != nil {
		return err
	}
	defer replica.Close()
	release := replica.keep(ctx, absence{begins: func() {}, ends: func() {}})
	defer release()

	found := &findings{out: bufio.NewWriter(stdout)}
	if here, ok := replica.Replica.(*local.Replica); ok && !s.quiet {
		if assumed := here.Assumed(); assumed != "" {
			found.print(fmt.Sprintf("%-10s  the replica's file system keeps %s", "assumed", assumed))
		}
	}
	m := reconcile.New(source, replica, reconcile.Options{
		Comparers: s.comparers, Method: s.method, Observer: found,
		MaxDelete: s.maxDelete, AllowEmptySource: s.allowEmpty || !s.dryRun, // who only looks holds nothing
	})
	report, err := m.Compare(ctx, func(path tree.Path, d tree.Drift) {
		if !s.quiet {
			found.print(differenceLine(say(d), path, d))
		}
	})
	if err == nil {
		found.print(summaryLine(report))
	}
	written := found.out.Flush()
	if ctx.Err() != nil {
		return &ending{code: exitFailed, what: "stopped before the end", hint: "start it again"}
	}
	if err != nil {
		return failed(err)
	}
	if err := unwritten(written); err != nil {
		return err
	}
	switch {
	case report.Drift > 0:
		return &ending{code: exitDiffer}
	case report.Problems > 0:
		return &ending{code: exitPartial}
	}
	return nil
}

// unwritten returns the ending for output that did not get out; nil where nobody
// wants it.
func unwritten(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EBADF) {
		return nil
	}
	return &ending{code: exitFailed, what: err.Error(), hint: "make room, or write it elsewhere"}
}

func differenceLine(word string, path tree.Path, d tree.Drift) string {
	kind := d.Want.Kind
	if kind == tree.Absent {
		kind = d.Have.Kind
	}
	line := fmt.Sprintf("%-10s  %-8s  %s", word, kindWord(kind), logging.Name(string(path)))
	if d.Differs != tree.OfExistence {
		line += "  (" + d.Differs.String() + ")"
	}
	return line
}

func summaryLine(r reconcile.Report) string {
	what := "equal"
	switch {
	case r.Drift > 0:
		what = counted(r.Drift, "difference")
	case r.Problems > 0:
		what = "not known to be equal"
	}
	line := fmt.Sprintf("%s: %s and %s compared, %s read", what,
		counted(r.Files, "file"), counted(r.Folders, "folder"), counted(r.BytesRead, "byte"))
	if r.Problems > 0 {
		line += fmt.Sprintf(", %d could not be compared", r.Problems)
	}
	for i, u := range unheld(r) {
		if i == 0 {
			line += ", not held by the replica:"
		}
		line += fmt.Sprintf(" %d %s,", u.N, u.What)
	}
	line = strings.TrimSuffix(line, ",")
	if !r.Digest.IsZero() {
		line += ", digest " + r.Digest.String()
	}
	return line
}

// counted is n and its noun.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// findings prints what a comparison finds. Of what an engine tells, only what
// could not be compared or would be held can happen when nothing is changed.
type findings struct {
	reconcile.Observer
	mu  sync.Mutex
	out *bufio.Writer
}

func (f *findings) print(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintln(f.out, line)
}

func (f *findings) Problem(p reconcile.Problem) {
	word := "unreadable"
	if tree.IsUnplaced(p.Err) {
		word = "unheld"
	}
	f.print(fmt.Sprintf("%-10s  %s: %v", word, logging.Name(string(p.Path)), p.Err))
}
func (f *findings) Held(h reconcile.Hold) {
	f.print(fmt.Sprintf("%-10s  %s: %s; %s", "held", counted(int64(h.Count), "removal"), h.Reason, h.Remedy))
}
func (f *findings) Solved(tree.Path)                {}
func (f *findings) Lost(tree.Attributes, tree.Path) {}
func (f *findings) Released(reconcile.Hold)         {}
