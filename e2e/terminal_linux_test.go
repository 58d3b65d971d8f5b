package e2e_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// onTerminal runs a program to its end with a terminal of 100 columns as its console, and wants the exit code 0.
// What the terminal was sent becomes the standard output of the script.
func onTerminal(s *scene, words []string) error {
	master, tty, err := openTerminal()
	if err != nil {
		return err
	}
	defer master.Close()
	c, err := s.program(words)
	if err == nil {
		c.Env = append(c.Env, "TERM=xterm-256color")
		c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
		err = c.Start()
	}
	// The read below ends when the program has the last handle of the terminal.
	tty.Close()
	if err != nil {
		return err
	}
	defer s.attend(c)()
	if _, err := io.Copy(s.Stdout(), master); err != nil && !errors.Is(err, unix.EIO) {
		return err
	}
	var exit *exec.ExitError
	if err := c.Wait(); errors.As(err, &exit) {
		return fmt.Errorf("%v, not exit code 0", exit)
	} else if err != nil {
		return err
	}
	return nil
}

// openTerminal returns both ends of a new terminal: pts(4).
func openTerminal() (master, tty *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	number := 0
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100})
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, tty, nil
}
