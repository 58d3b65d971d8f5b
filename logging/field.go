package logging

// Event names: the value of [KeyEvent] in every record. They never change; messages may.
const (
	EventStart       = "start"
	EventWatching    = "watching"
	EventActed       = "acted"
	EventPassStarted = "pass_started"
	EventPassDone    = "pass_done"
	EventHeld        = "removals_held"
	EventReleased    = "removals_released"
	EventProblem     = "problem"
	EventSolved      = "problem_solved"
	EventNotice      = "notice"
	EventUnheld      = "attribute_unheld"
	EventFailed      = "failed"
	EventStopped     = "stopped"
	EventLost        = "records_lost"
)

// Field names of the records. Sizes are bytes, times are milliseconds with a fraction, everything else counted is a
// number of entries, and names are in the form of [Name].
const (
	KeyTime    = "time" // RFC 3339, local time with offset, microseconds
	KeyLevel   = "level"
	KeyMessage = "message"
	KeyEvent   = "event"

	KeyPath      = "path"
	KeyFrom      = "from"
	KeyKind      = "kind"
	KeyAction    = "action"
	KeyCause     = "cause"
	KeyBytes     = "bytes"
	KeyElapsedMS = "elapsed_ms"
	KeyEntries   = "entries"

	KeyVersion  = "version"
	KeySource   = "source"
	KeyReplica  = "replica"
	KeySettings = "settings"
	KeyLogFile  = "log_file"

	KeyFolders   = "folders"
	KeyPolled    = "polled"
	KeyFiles     = "files"
	KeyCompared  = "compared"
	KeyBytesRead = "bytes_read"
	KeyDrift     = "drift"
	KeyRepaired  = "repaired"
	KeyRemoved   = "removed"
	KeyProblems  = "problems"
	KeyHeld      = "held"
	KeySkipped   = "skipped_sockets"
	KeyUnheld    = "unheld" // by class
	KeyDigest    = "digest"
	KeyEqual     = "equal"

	KeyReason  = "reason"
	KeyRemedy  = "remedy"
	KeyVerb    = "verb"
	KeyError   = "error"
	KeyAttempt = "attempt"
	KeyClass   = "class"
	KeyText    = "text"
	KeyPasses  = "passes"
	KeyActions = "actions"
	KeyRecords = "records"
)

// Causes of an action or a pass.
const (
	CauseEvent = "event"
	CausePass  = "pass"
)
