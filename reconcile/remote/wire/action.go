package wire

import (
	"fmt"
	"slices"

	"lockstep/reconcile/tree"
)

// FromAction puts a into a message; its content travels by itself.
func FromAction(a tree.Action) *Action {
	m := &Action{}
	PutAction(m, &Entry{}, a)
	return m
}

// PutAction puts a into a message that may have held another one, and what it
// wants into want; it uses the room that these had.
func PutAction(m *Action, want *Entry, a tree.Action) {
	m.Path, m.From = append(m.Path[:0], a.Path...), append(m.From[:0], a.From...)
	m.Kind, m.Over, m.Content = uint32(a.Kind), uint32(a.Over), Carries(a)
	m.Fresh, m.Unsettled, m.Follows = a.Fresh, a.Unsettled, a.Follows
	if m.Want = nil; a.Kind != tree.Remove {
		e := a.Want
		e.Name, e.ID = "", tree.ID{} // the path has the one, and the server its own of the other
		PutEntry(want, e)
		m.Want = want
	}
}

// ActionSize is about how long an action is on the wire, and how much room its
// extended attributes take when they are short.
func ActionSize(a tree.Action) int {
	return 64 + len(a.Path) + len(a.From) + RoughSize(a.Want) + 64*len(a.Want.Xattrs)
}

// CheckAction holds an action against the bounds of what travels.
func CheckAction(a tree.Action) error {
	for _, path := range []tree.Path{a.Path, a.From} {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	if a.Kind == tree.Remove {
		return nil
	}
	return CheckEntry(a.Want)
}

// IsPlanned reports whether a content says of itself what its action wants.
func IsPlanned(want, e tree.Entry) bool {
	return want.Kind == e.Kind && want.Mode == e.Mode && want.UID == e.UID && want.GID == e.GID && want.Size == e.Size &&
		want.ModTime == e.ModTime && slices.Equal(want.Xattrs, e.Xattrs)
}

// IsPlain reports whether an outcome need not be told: a new file was made with
// a content of that size.
func IsPlain(o tree.Outcome, size int64) bool {
	return o.Err == nil && o.Did == tree.Copy && o.Differed == tree.OfExistence && o.Bytes == size && o.Removed == 0
}

// Plain is that outcome.
func Plain(size int64) tree.Outcome {
	return tree.Outcome{Did: tree.Copy, Differed: tree.OfExistence, Bytes: size}
}

// Carries reports whether content goes with a.
func Carries(a tree.Action) bool {
	return a.Open != nil && (a.Kind == tree.Copy || a.Kind == tree.Update)
}

// ToAction reads an action that has to make sense. Open is left to the caller:
// content reports whether there is any.
func ToAction(m *Action) (a tree.Action, content bool, err error) {
	a = tree.Action{
		Kind: tree.ActionKind(m.GetKind()), Over: tree.Kind(m.GetOver()), Fresh: m.GetFresh(),
		Unsettled: m.GetUnsettled(), Follows: m.GetFollows(),
	}
	if m.GetKind() > uint32(tree.Remove) || m.GetOver() > uint32(tree.Socket) {
		return a, false, fmt.Errorf("action %d over kind %d is unknown", m.GetKind(), m.GetOver())
	}
	if a.Path, err = ToPath(m.GetPath()); err != nil {
		return a, false, err
	}
	if a.From, err = ToPath(m.GetFrom()); err != nil {
		return a, false, err
	}
	if m.Want != nil {
		if a.Want, err = ToEntry(m.Want); err != nil {
			return a, false, err
		}
		a.Want.Name = a.Path.Name()
	}
	takes := a.Kind == tree.Copy || a.Kind == tree.Update
	if m.GetContent() && !takes {
		return a, false, fmt.Errorf("content for %v", a.Kind)
	}
	return a, m.GetContent(), nil
}

// FromOutcome puts o into a message. Entry and digest stay behind: the client
// knows what it sent.
func FromOutcome(o tree.Outcome) *Outcome {
	return &Outcome{
		Did: uint32(o.Did), Differed: uint32(o.Differed), Bytes: o.Bytes, Removed: int64(o.Removed),
		Error: FromError(o.Err),
	}
}

// ToOutcome reads an outcome.
func ToOutcome(m *Outcome) (tree.Outcome, error) {
	o := tree.Outcome{
		Did: tree.ActionKind(m.GetDid()), Differed: tree.Attributes(m.GetDiffered()), Bytes: m.GetBytes(),
		Removed: int(m.GetRemoved()), Err: ToError(m.GetError()),
	}
	if m.GetDid() > uint32(tree.Remove) || o.Bytes < 0 || m.GetRemoved() < 0 ||
		m.GetDiffered() >= 1<<tree.AttributeClasses {
		return o, fmt.Errorf("outcome makes no sense: did %d, %d bytes, %d removed", m.GetDid(), o.Bytes, o.Removed)
	}
	return o, nil
}
