// Package logging says what happened: on the console for people, in the log file for machines.
//
// A [Log] is passed to whoever has something to tell; there is no global logger. Each kind of record has one method, one
// event name and one literal message, so that a log file can be searched without knowing the source code. The file holds
// JSON lines written by zerolog; the console shows either the same lines or text laid out in columns. A [Live] stands
// between the log and the console: it keeps one live line, progress or state, below the log lines of a terminal.
//
// Nothing here ever stops or slows the mirror. A full disk, a rotated log file, a closed pipe and a terminal that has been
// stopped with Ctrl-S cost records, which are counted and told, and nothing else.
package logging
