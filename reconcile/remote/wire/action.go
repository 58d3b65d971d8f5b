package wire

import (
	"fmt"

	"lockstep/reconcile/tree"
)

// FromAction puts a into a message; its content travels by itself.
func FromAction(a tree.Action) *Action {
	m := &Action{
		Kind: uint32(a.Kind), Path: []byte(a.Path), From: []byte(a.From), Over: uint32(a.Over), Content: Carries(a),
		Fresh: a.Fresh, Unsettled: a.Unsettled, Follows: a.Follows,
	}
	if a.Kind != tree.Remove {
		m.Want = FromEntry(a.Want)
		m.Want.Dev, m.Want.Ino = 0, 0
	}
	return m
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
