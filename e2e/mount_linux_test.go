package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"lockstep/e2e/rig"

	"golang.org/x/sys/unix"
)

// mountCommands change mounts. Whatever is mounted at the end of a script is taken away.
var mountCommands = map[string]command{
	"mount-tmpfs":   {"FOLDER...", mountMemory},
	"mount-bind":    {"OLD NEW...", mountBind},
	"mount-image":   {"FOLDER PROGRAM...", mountImage},
	"mount-fuse":    {"FOLDER KIND", mountFuse},
	"mount-overlay": {"FOLDER LOWER UPPER WORK", mountOverlay},
	"umount":        {"FOLDER", unmount},
}

// unmount may be told for a moment that the mount is in use.
func unmount(s *scene, arguments []string) error {
	return rig.Await(rig.Patience, func() error { return unix.Unmount(s.MkAbs(arguments[0]), 0) })
}

func mountMemory(s *scene, arguments []string) error {
	folder := s.MkAbs(arguments[0])
	options := strings.Join(append([]string{"size=64m,mode=0777"}, arguments[1:]...), ",")
	if err := unix.Mount("lockstep-e2e", folder, "tmpfs", 0, options); err != nil {
		return err
	}
	s.takeAway(folder)
	return nil
}

func mountBind(s *scene, arguments []string) error {
	folder := s.MkAbs(arguments[1])
	if err := unix.Mount(s.MkAbs(arguments[0]), folder, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	s.takeAway(folder)
	if len(arguments) > 2 && arguments[2] == "ro" {
		return unix.Mount("", folder, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return nil
}

// imageSize is the least that mkfs.xfs takes.
const imageSize = 300 << 20

// mountImage makes a file system in a file beside folder with a program such as mkfs.ext4, and mounts it.
func mountImage(s *scene, arguments []string) error {
	folder, words := s.MkAbs(arguments[0]), arguments[1:]
	image := folder + ".image"
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, imageSize); err != nil {
		return err
	}
	if output, err := exec.Command(words[0], append(words[1:], image)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", words, err, output)
	}
	if output, err := exec.Command("mount", "-o", "loop", image, folder).CombinedOutput(); err != nil {
		return fmt.Errorf("mount %q: %w\n%s", image, err, output)
	}
	s.takeAway(folder)
	return os.Chmod(folder, 0o777)
}

// mountOverlay mounts UPPER over LOWER.
func mountOverlay(s *scene, arguments []string) error {
	folder := s.MkAbs(arguments[0])
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", s.MkAbs(arguments[1]), s.MkAbs(arguments[2]), s.MkAbs(arguments[3]))
	if err := unix.Mount("lockstep-e2e", folder, "overlay", 0, options); err != nil {
		return err
	}
	s.takeAway(folder)
	return nil
}

// takeAway unmounts folder at the end of the script, unless the script did.
func (s *scene) takeAway(folder string) {
	s.Defer(func() {
		s.close()
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			s.Logf("unmount %q: %v", folder, err)
		}
	})
}

// need leaves a script out that cannot run here: see missing.
func need(s *scene, conditions []string) error {
	for _, condition := range conditions {
		ok, err := s.has(condition)
		if err != nil {
			return err
		}
		if !ok {
			missing(s.t, fmt.Sprintf("%s needs %s", s.Name(), condition))
		}
	}
	return nil
}

// has reports whether this machine has what a script needs.
func (s *scene) has(condition string) (bool, error) {
	work := s.Getenv("WORK")
	switch condition {
	case "root":
		return os.Geteuid() == 0, nil
	case "mount": // mounts that nobody else sees
		return os.Getenv(namespace) != "", nil
	case "fuse":
		_, err := os.Stat("/dev/fuse")
		return err == nil, nil
	case "xattr":
		return probe(work, func(path string) error { return unix.Lsetxattr(path, "user.probe", nil, 0) }), nil
	case "acl":
		return probe(work, func(path string) error { return exec.Command("setfacl", "-m", "u:1:r", path).Run() }), nil
	case "device":
		return probe(work, func(path string) error {
			return unix.Mknod(path+"2", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
		}), nil
	}
	if program, ok := strings.CutPrefix(condition, "exec:"); ok {
		_, err := exec.LookPath(program)
		return err == nil, nil
	}
	return false, fmt.Errorf("no condition %q", condition)
}
