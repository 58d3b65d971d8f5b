package local

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountPoint is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)): the
// part root of the file system on device shows at point.
type mountPoint struct {
	id                        uint64
	device, root, point, kind string
}

type mountTable []mountPoint

// readMounts returns nothing where proc(5) is not mounted; what remains then
// is the comparison of inodes.
func readMounts() mountTable {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parseMounts(string(text))
}

// optional is the first of the fields that a line of mountinfo may lack; a lone
// dash ends them (proc_pid_mountinfo(5)).
const optional = 6

func parseMounts(text string) (table mountTable) {
	for line := range strings.Lines(text) {
		// One space parts them; any other white space belongs to a name.
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) < optional {
			continue
		}
		dash := optional + slices.Index(fields[optional:], "-")
		if dash < optional || dash+1 >= len(fields) {
			continue
		}
		id, err := strconv.ParseUint(fields[0], 10, 64)
		if err != nil {
			continue
		}
		table = append(table, mountPoint{
			id: id, device: fields[2], root: unescape(fields[3]), point: unescape(fields[4]), kind: fields[dash+1],
		})
	}
	return table
}

// unescape turns the octal numbers that stand for spaces, tabs, newlines and
// backslashes back into them.
func unescape(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+4 > len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
			b.WriteByte(byte(c))
		} else {
			b.WriteString(s[i : i+4])
		}
		s = s[i+4:]
	}
}

func (t mountTable) find(id uint64) (mountPoint, bool) {
	i := slices.IndexFunc(t, func(m mountPoint) bool { return m.id == id })
	if i < 0 {
		return mountPoint{}, false
	}
	return t[i], true
}

// below returns what is mounted inside the folder at path.
func (t mountTable) below(path string) mountTable {
	return slices.DeleteFunc(slices.Clone(t), func(m mountPoint) bool { return !isBelow(path, m.point) })
}

// pseudoTypes are file systems that show the running system (statfs(2)).
var pseudoTypes = []uint64{
	unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC,
	unix.CGROUP2_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
	unix.BPF_FS_MAGIC, unix.PSTOREFS_MAGIC, unix.EFIVARFS_MAGIC, unix.BINFMTFS_MAGIC, unix.SELINUX_MAGIC,
	unix.HUGETLBFS_MAGIC, unix.NSFS_MAGIC, configFS, fuseControl, mqueue,
}

// Numbers that linux/magic.h lacks; each stands in the source of its file
// system.
const (
	configFS    = 0x62656570
	fuseControl = 0x65735543
	mqueue      = 0x19800202
)

// pseudo also goes by the name: devtmpfs has the number of tmpfs.
func pseudo(kind uint64, name string) bool {
	return name == "devtmpfs" || slices.Contains(pseudoTypes, kind)
}
