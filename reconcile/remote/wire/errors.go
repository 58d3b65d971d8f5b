package wire

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"lockstep/reconcile/tree"
)

// sentinels are the errors that callers test for. The place in the list is
// the code on the wire: only ever append.
var sentinels = []error{
	1:  tree.ErrChanged,
	2:  tree.ErrConflict,
	3:  tree.ErrNoParent,
	4:  tree.ErrMount,
	5:  tree.ErrReplicaReplaced,
	6:  tree.ErrUnreachable,
	7:  context.Canceled,
	8:  context.DeadlineExceeded,
	9:  fs.ErrNotExist,
	10: fs.ErrExist,
	11: fs.ErrPermission,
	12: fs.ErrInvalid,
	13: errors.ErrUnsupported,
	14: ErrHeld,
	15: ErrBusy,
	16: ErrVersion,
	17: tree.ErrName,
	18: tree.ErrTwin,
	19: tree.ErrAttribute,
}

var (
	// ErrHeld: the server's own guard holds a removal.
	ErrHeld = errors.New("the server holds removals")
	// ErrBusy: another client has the folder.
	ErrBusy = errors.New("another client has this folder")
)

// errnos are the causes that a person wants to know. Their numbers differ from
// system to system, so they travel by name.
var errnos = map[string]syscall.Errno{
	"EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "ENOSPC": syscall.ENOSPC, "EDQUOT": syscall.EDQUOT,
	"EROFS": syscall.EROFS, "EIO": syscall.EIO, "ENAMETOOLONG": syscall.ENAMETOOLONG, "EFBIG": syscall.EFBIG,
	"EMFILE": syscall.EMFILE, "ENFILE": syscall.ENFILE, "EBUSY": syscall.EBUSY, "ENOTEMPTY": syscall.ENOTEMPTY,
	"EMLINK": syscall.EMLINK, "EXDEV": syscall.EXDEV, "EINVAL": syscall.EINVAL, "ENOENT": syscall.ENOENT,
	"ENOTDIR": syscall.ENOTDIR, "EISDIR": syscall.EISDIR, "ELOOP": syscall.ELOOP, "ENOMEM": syscall.ENOMEM, "EILSEQ": syscall.EILSEQ,
}

// FromError puts err into a message; nil for nil.
func FromError(err error) *Error {
	if err == nil {
		return nil
	}
	e := &Error{Text: clip(err.Error()), Code: CodeOf(err)}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		for name, number := range errnos {
			if number == errno {
				e.Errno = name
			}
		}
	}
	return e
}

// CodeOf returns the code by which err travels; 0 for one that nobody tests
// for.
func CodeOf(err error) uint32 {
	for code, sentinel := range sentinels {
		if sentinel != nil && errors.Is(err, sentinel) {
			return uint32(code)
		}
	}
	return 0
}

// ToError is the error that [FromError] put into e, as far as it can be told:
// [errors.Is] finds what callers test for. nil for nil.
func ToError(e *Error) error {
	if e == nil {
		return nil
	}
	r := &remoteError{text: Clean(e.Text)}
	if int(e.Code) < len(sentinels) && sentinels[e.Code] != nil {
		r.causes = append(r.causes, sentinels[e.Code])
	}
	if errno, known := errnos[e.Errno]; known {
		r.causes = append(r.causes, errno)
	}
	if r.text == "" {
		r.text = "the server gave no reason"
	}
	return r
}

// remoteError is an error of the other side.
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.causes }

// Clean returns a text of the other side as it may be shown and logged: short,
// and quoted unless it is printable through and through.
func Clean(text string) string {
	text = clip(text)
	for _, r := range text {
		if !strconv.IsPrint(r) {
			return strconv.QuoteToGraphic(text)
		}
	}
	return text
}

func clip(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
