//go:build amd64 || arm64

package at

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// approverVariable makes a process of this test the approver of a mount.
const approverVariable = "LOCKSTEP_TEST_APPROVES"

// How long an approver takes for one call, and how many of them there are.
const (
	approvedAfter = 40 * time.Millisecond
	callsApproved = 8
)

// TestWaitingForApproval: where a process is asked before a file is opened or
// read, and takes its time, few of those calls keep a processor from the
// goroutines beside it, once one was timed: the first open always is.
func TestWaitingForApproval(t *testing.T) {
	needRoot(t)
	listener, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY)
	if err != nil {
		t.Skipf("needs fanotify(7): %v", err)
	}
	must(t, unix.Close(listener))
	for name, asked := range map[string]uint64{"open": unix.FAN_OPEN_PERM, "read": unix.FAN_ACCESS_PERM} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			mount(t, "none", path, "tmpfs", 0)
			must(t, os.WriteFile(path+"/f", []byte("content"), 0o600))
			d := open(t, path)
			d.sys.approval = newApproval()
			_, err := d.Look("f") // so that the system knows it
			must(t, err)
			approve(t, path, asked)

			unannounced := 0
			for range callsApproved {
				if _, ok := d.sys.approval.begin(true); ok {
					unannounced++
				}
				began := time.Now()
				f, err := d.OpenFile("f")
				must(t, err)
				f.timed = true
				if n, err := f.ReadAt(make([]byte, 7), 0); n != 7 || err != nil {
					t.Fatalf("read %d bytes: %v", n, err)
				}
				if took := time.Since(began); took < approvedAfter {
					t.Errorf("it took %v: nobody was asked", took)
				}
				must(t, f.Close())
			}
			if unannounced > 2 {
				t.Errorf("%d of %d waited unannounced", unannounced, callsApproved)
			}
		})
	}
}

// approve has a process of its own asked before what happens on the mount at
// path: the one of the test could stand still.
func approve(t *testing.T, path string, asked uint64) {
	t.Helper()
	approver := exec.Command(os.Args[0], "-test.run=^TestApprover$")
	approver.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", approverVariable, asked, path))
	approver.Stderr = os.Stderr
	said, err := approver.StdoutPipe()
	must(t, err)
	must(t, approver.Start())
	t.Cleanup(func() {
		approver.Process.Kill()
		approver.Wait()
	})
	if _, err := io.ReadFull(said, make([]byte, len(approverReady))); err != nil {
		t.Fatalf("the approver has not begun: %v", err)
	}
}

const approverReady = "ready\n"

// TestApprover is no test: it approves what it is asked about until it is
// killed, each after a while.
func TestApprover(t *testing.T) {
	var asked uint64
	var path string
	if n, _ := fmt.Sscanf(os.Getenv(approverVariable), "%d %s", &asked, &path); n != 2 {
		return
	}
	listener, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY|unix.O_CLOEXEC)
	must(t, err)
	must(t, unix.FanotifyMark(listener, unix.FAN_MARK_ADD|unix.FAN_MARK_MOUNT, asked, unix.AT_FDCWD, path))
	fmt.Print(approverReady)
	var events [4096]byte
	for {
		n, err := unix.Read(listener, events[:])
		must(t, err)
		for at := 0; at < n; {
			event := (*unix.FanotifyEventMetadata)(unsafe.Pointer(&events[at]))
			at += int(event.Event_len)
			time.Sleep(approvedAfter) // on the real clock: to be slow is what an approver is here for
			answer := binary.NativeEndian.AppendUint32(nil, uint32(event.Fd))
			answer = binary.NativeEndian.AppendUint32(answer, unix.FAN_ALLOW)
			_, err := unix.Write(listener, answer)
			must(t, err)
			must(t, unix.Close(int(event.Fd)))
		}
	}
}
