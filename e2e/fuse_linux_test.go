package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"lockstep/e2e/rig"
)

// fuseSize is enough for exFAT and NTFS.
const fuseSize = 64 << 20

// fuseKind is a file system of Windows that a program here serves.
type fuseKind struct {
	make []string // makes it in the image that is named last
	// serve takes what is named and the folder. device: it wants a block device, not a file.
	serve  []string
	device bool
}

var fuseKinds = map[string]fuseKind{
	// A and a are one name, listed as it was made.
	"exfat": {[]string{"mkfs.exfat"}, []string{"mount.exfat-fuse"}, true},
	// A and a are one name, listed in small letters.
	"ntfs-lower": {[]string{"mkntfs", "-q", "-F"}, []string{"lowntfs-3g", "-o", "ignore_case,windows_names"}, false},
	// A and a are two names, but a colon is none.
	"ntfs": {[]string{"mkntfs", "-q", "-F"}, []string{"ntfs-3g", "-o", "windows_names"}, false},
}

// mountFuse makes a file system in a file beside the folder, and mounts it.
func mountFuse(s *scene, arguments []string) error {
	folder, kind := s.MkAbs(arguments[0]), fuseKinds[arguments[1]]
	if kind.make == nil {
		return fmt.Errorf("no file system %q", arguments[1])
	}
	image := folder + ".image"
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, fuseSize); err != nil {
		return err
	}
	if _, err := output(append(slices.Clone(kind.make), image)...); err != nil {
		return err
	}
	served := image
	if kind.device {
		loop, err := output("losetup", "-f", "--show", image)
		if err != nil {
			return err
		}
		served = strings.TrimSpace(loop)
		// With the last who has it open, which is the program that serves it, it goes.
		defer output("losetup", "-d", served)
	}
	if _, err := output(append(slices.Clone(kind.serve), served, folder)...); err != nil {
		return err
	}
	s.takeAway(folder)
	return nil
}

// output runs a program and returns what it wrote, to tell with an error too.
func output(words ...string) (string, error) {
	text, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%v: %w\n%s", words, err, text)
	}
	return string(text), err
}

// awaitScript waits until a shell script succeeds.
func awaitScript(s *scene, arguments []string) error {
	return rig.Await(rig.Patience, func() error {
		c, err := s.program([]string{"sh", "-euc", arguments[0]})
		if err != nil {
			return err
		}
		if text, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, text)
		}
		return nil
	})
}
