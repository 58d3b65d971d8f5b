package local

import (
	"testing"

	"lockstep/reconcile/tree"
)

// strict is an entry that holds that nobody has rights to it, not even for a
// moment, that neither the old nor the new attributes give.
type strict struct {
	t         *testing.T
	e         tree.Entry
	old, last tree.Entry
}

func (s *strict) check() {
	if s.e.UID != s.old.UID && s.e.Mode&^s.last.Mode != 0 || s.e.GID != s.old.GID && s.e.Mode&^s.last.Mode&0o2070 != 0 {
		s.t.Errorf("%d:%d has the mode %o; it is to become %o", s.e.UID, s.e.GID, s.e.Mode, s.last.Mode)
	}
}

func (s *strict) SetOwner(uid, gid uint32) error {
	if uid != ^uint32(0) {
		s.e.UID = uid
	}
	if gid != ^uint32(0) {
		s.e.GID = gid
	}
	if s.e.Kind != tree.Folder {
		s.e.Mode &^= lendingBits
	}
	s.check()
	return nil
}

func (s *strict) SetMode(mode uint32) error {
	s.e.Mode = mode
	s.check()
	return nil
}

func (s *strict) SetTime(t tree.Time) error {
	s.e.ModTime = t
	return nil
}

func (s *strict) SetXattrs(want, _ []tree.Xattr) error {
	s.e.Xattrs = want
	return nil
}

// TestNobodyIsLentRights: of whatever owner and mode something is, and is to be,
// it comes to be that, and who becomes its owner or its group gets no rights on
// the way that they are not to have. Scenarios: P8, P12.
func TestNobodyIsLentRights(t *testing.T) {
	r := &Replica{traits: tree.Full()}
	modes := []uint32{0, 0o400, 0o600, 0o640, 0o755, 0o777, 0o4755, 0o2755, 0o1777, 0o6711}
	for _, kind := range []tree.Kind{tree.File, tree.Folder, tree.FIFO, tree.CharDevice} {
		for _, before := range modes {
			for _, after := range modes {
				for owner := range uint32(2) {
					for group := range uint32(2) {
						old := tree.Entry{Kind: kind, Mode: before}
						want := tree.Entry{Kind: kind, Mode: after, UID: owner, GID: group}
						s := &strict{t, old, old, want}
						if err := r.setAttributes(s, want, old); err != nil || r.traits.Differ(want, s.e) != 0 {
							t.Errorf("%v: %+v is to become %+v: %+v, %v", kind, old, want, s.e, err)
						}
					}
				}
			}
		}
	}
}
