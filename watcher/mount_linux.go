package watcher

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const mountFile = "/proc/self/mountinfo"

// mountTable tells when something was mounted or unmounted, for the price of one system call: see proc(5), where poll
// marks the file after a change. The zero value is ready; without /proc it never tells anything.
type mountTable struct {
	fd int // 0: not open. No os.File: the runtime would poll it too and take the mark away.
}

// changed returns true if the table changed since the call before.
func (m *mountTable) changed() bool {
	if m.fd == 0 {
		fd, err := retry(func() (int, error) { return unix.Open(mountFile, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
		if err != nil {
			return false
		}
		m.fd = fd
		return true
	}
	fds := []unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLPRI}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLPRI) != 0
}

// below returns the paths, relative to root, at which something is mounted below it.
func (m *mountTable) below(root string) []string {
	f, err := os.Open(mountFile)
	if err != nil {
		return nil
	}
	defer f.Close()
	prefix := strings.TrimSuffix(root, "/") + "/"
	var paths []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // overlays list many folders in one line
	for lines.Scan() {
		fields := strings.Split(lines.Text(), " ") // any other white space belongs to a name
		if len(fields) < 5 {
			continue
		}
		if path, ok := strings.CutPrefix(unescape(fields[4]), prefix); ok && path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

func (m *mountTable) close() {
	if m.fd != 0 {
		unix.Close(m.fd)
		m.fd = 0
	}
}

// unescape turns the octal escapes of the kernel (space, tab, newline, backslash) back.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
