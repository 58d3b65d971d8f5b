package local

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"syscall"

	"lockstep/reconcile/local/at"
	"lockstep/reconcile/tree"
)

// assumed are the traits of a native file system, as far as the rights of
// this process go.
func (r *Replica) assumed() tree.Traits {
	t := tree.Full()
	t.UID = r.uid
	t.Groups = []uint32{r.gid}
	if more, err := os.Getgroups(); err == nil {
		for _, gid := range more {
			t.Groups = append(t.Groups, uint32(gid))
		}
	}
	if r.owner {
		t.Owners, t.Devices, t.SystemXattrs = false, false, false
	}
	return t
}

// tryTraits finds out what the replica can hold by making one of each in a
// folder with the name of a temp, and removes it. The root's time is put back.
// Only a refusal says that the replica cannot hold something: what fails for
// any other reason is taken for a native file system's, for what the replica
// is not supposed to hold would be removed from it.
func (r *Replica) tryTraits() error {
	root, err := r.openFolder(tree.Root, toWrite)
	if err != nil {
		return err
	}
	defer root.close()
	name := r.temps.name()
	defer r.temps.drop(name)
	if err := root.dir.Mkdir(name); tree.IsFull(err) {
		return nil // it may have room later
	} else if err != nil {
		return err
	}
	if err = r.tryTimes(root.dir, name); err == nil {
		err = r.tryIn(root.dir, name)
	}
	if tree.IsFull(err) {
		err = nil
	}
	_, left := r.removeTree(context.Background(), root.dir, name)
	return errors.Join(err, left, root.dir.SetTime("", root.self.ModTime))
}

// tryTimes finds out whether the modification time can be set alone. It goes
// first: what is opened later is told.
func (r *Replica) tryTimes(root *at.Dir, name string) error {
	dir, err := root.Sub(tree.Path(name), at.OneMount)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.CreateFile("times")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.SetTime(trialTime); err != nil {
		return err
	}
	e, err := f.Entry()
	if err == nil && e.ModTime.Sec > trialTime.Sec+2 { // it is as new as before
		r.root.SetBothTimes()
	}
	return err
}

func (r *Replica) tryIn(root *at.Dir, name string) error {
	dir, err := root.Sub(tree.Path(name), at.OneMount)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.CreateFile("file")
	if err != nil {
		return err
	}
	defer f.Close()
	t := &r.traits
	if t.TimeStep, err = timeStep(f); err != nil {
		return err
	}
	t.Earliest, t.Latest = timeBounds(f)
	if err := r.tryModes(dir, f); err != nil {
		return err
	}
	t.UserXattrs = holds(f, "user.lockstep", "1")
	t.ACLs = holds(f, tree.ACLAccess, sampleACL)
	t.SystemXattrs = t.SystemXattrs && holds(f, "trusted.lockstep", "1")
	can := func(err error) bool { return !isRefusal(err) }
	t.Symlinks = can(dir.Symlink("text", "symlink"))
	t.FIFOs = can(makeNode(dir, "fifo", tree.FIFO, 0))
	t.HardLinks = can(dir.Link("file", dir, "link"))
	r.unnamed.learn(dir)
	switch {
	case t.Symlinks:
		t.SpecialLinks = can(dir.Link("symlink", dir, "symlink-link"))
	case t.FIFOs:
		t.SpecialLinks = can(dir.Link("fifo", dir, "fifo-link"))
	default:
		t.SpecialLinks = t.HardLinks
	}
	t.Devices = t.Devices && can(makeNode(dir, "null", tree.CharDevice, 1<<8|3)) // mem(4)
	if t.Owners {
		e, err := f.Entry()
		if err != nil {
			return err
		}
		err = f.SetOwner(e.UID+1, e.GID+1)
		now, lookErr := f.Entry()
		if err == nil && lookErr == nil {
			t.Owners = now.UID == e.UID+1 && now.GID == e.GID+1
		} else {
			t.Owners = !isRefusal(err)
		}
	}
	r.tryGroups(f)
	return r.tryNames(dir)
}

// makeNode is [at.Dir.Mknod], and refuses when something else came of it: the
// FUSE driver of exFAT answers EIO and leaves a regular file.
func makeNode(dir *at.Dir, name string, kind tree.Kind, device uint64) error {
	err := dir.Mknod(name, kind, device)
	if e, lookErr := dir.Look(name); lookErr == nil && e.Kind != kind {
		return at.ErrUnsupported
	}
	return err
}

// tryNames finds out in a folder of its own what names the replica takes.
func (r *Replica) tryNames(dir *at.Dir) error {
	if err := dir.Mkdir("names"); err != nil {
		return err
	}
	names, err := dir.Sub("names", at.OneMount)
	if err != nil {
		return err
	}
	defer names.Close()
	r.traits.Names, err = nameTrial{names}.run()
	return err
}

// tryModes sets a mode that no mount option gives, and sees whether anything of
// it is kept: on Windows that is whether the file may be written.
func (r *Replica) tryModes(dir *at.Dir, f *at.File) error {
	const trial = 0o404
	before, err := f.Entry()
	if err != nil {
		return err
	}
	if err := f.SetMode(trial); err != nil && !isRefusal(err) {
		return err
	}
	now, err := f.Entry()
	if err != nil {
		return err
	}
	if now.Mode != before.Mode {
		return f.SetMode(before.Mode)
	}
	self, err := dir.Self()
	if err != nil {
		return err
	}
	r.traits.Fixed, r.traits.FileMode, r.traits.FolderMode = true, before.Mode, self.Mode
	return nil
}

// tryGroups finds out whether a process that gives no files away can give them
// to its groups.
func (r *Replica) tryGroups(f *at.File) {
	t := &r.traits
	if t.Owners {
		return
	}
	e, err := f.Entry()
	if err != nil {
		return
	}
	for _, gid := range t.Groups {
		if gid == e.GID {
			continue
		}
		err := f.SetOwner(at.Keep, gid)
		now, lookErr := f.Entry()
		if isRefusal(err) || err == nil && lookErr == nil && now.GID != gid {
			t.Groups = nil
		}
		return
	}
}

// sampleACL is what setfacl(1) makes of u::rw-,u:1:r--,g::---,m::r--,o::---
// (acl(5); version 2 of the layout in linux/posix_acl_xattr.h). An ACL without
// a named user would be kept in the mode.
const sampleACL = "\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" +
	"\x02\x00\x04\x00\x01\x00\x00\x00" +
	"\x04\x00\x00\x00\xff\xff\xff\xff" +
	"\x10\x00\x04\x00\xff\xff\xff\xff" +
	"\x20\x00\x00\x00\xff\xff\xff\xff"

// isRefusal reports whether err says that a file system does not do what was
// asked for, rather than that it could not do it this time.
func isRefusal(err error) bool {
	for _, errno := range []error{
		syscall.EPERM, syscall.EACCES, syscall.EINVAL, syscall.ENOSYS, syscall.EMLINK, errors.ErrUnsupported, at.ErrUnsupported,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// holds reports whether the file keeps an extended attribute.
func holds(f *at.File, name, value string) bool {
	x := []tree.Xattr{{Name: name, Value: value}}
	have, err := f.Xattrs()
	if err == nil {
		err = f.SetXattrs(x, have)
	}
	if err != nil {
		return !isRefusal(err)
	}
	now, err := f.Xattrs()
	if err != nil {
		return !isRefusal(err)
	}
	for _, x := range now {
		if x.Name == name {
			return strings.HasPrefix(name, "system.") || x.Value == value
		}
	}
	return false
}

// trialTime has an odd digit in every place.
var trialTime = tree.Time{Sec: 1_000_000_001, Nsec: 999_999_999}

// timeBounds sets times that hardly any file system has room for, and sees what
// becomes of them.
func timeBounds(f *at.File) (earliest, latest int64) {
	earliest = timeBound(f, math.MinInt64, -1)
	latest = timeBound(f, math.MaxInt64, +1)
	if trialTime.Sec <= earliest || trialTime.Sec >= latest || earliest == math.MinInt64 && latest == math.MaxInt64 {
		return 0, 0
	}
	return earliest, latest
}

// timeBound returns what the time extreme becomes, if so does another one
// beyond it in direction; a bound does that, and what overflows does not.
func timeBound(f *at.File, extreme, direction int64) int64 {
	const beyond = 1 << 20
	kept := func(sec int64) int64 {
		if f.SetTime(tree.Time{Sec: sec}) != nil {
			return extreme
		}
		e, err := f.Entry()
		if err != nil {
			return extreme
		}
		return e.ModTime.Sec
	}
	bound := kept(extreme)
	if bound == extreme || kept(bound+direction*beyond) != bound {
		return extreme
	}
	return bound
}

// timeStep sets a time and sees which of its places are kept.
func timeStep(f *at.File) (int64, error) {
	set := trialTime
	if err := f.SetTime(set); err != nil {
		return 0, err
	}
	e, err := f.Entry()
	if err != nil {
		return 0, err
	}
	if e.ModTime.Sec != set.Sec {
		return 2e9, nil
	}
	for step := int64(1); step < 1e9; step *= 10 {
		if int64(e.ModTime.Nsec) == int64(set.Nsec)/step*step {
			return step, nil
		}
	}
	return 1e9, nil
}
