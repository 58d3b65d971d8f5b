package main

import (
	"runtime"
	"runtime/debug"
)

// mirrorHelp is the whole help: examples first, exit codes last, one screen.
const mirrorHelp = `lockstep keeps the folder REPLICA exactly equal to the folder SOURCE.

  lockstep ~/work /mnt/copy            mirror until stopped with Ctrl-C
  lockstep --once -n ~/work /mnt/copy  say what would be done, and do nothing
  lockstep verify ~/work /mnt/copy     prove that both are equal

usage:
  lockstep [flags] SOURCE REPLICA
  lockstep verify [flags] SOURCE REPLICA
  lockstep serve [flags] FOLDER        be a replica for another machine
  lockstep id                          print the ID of this machine

REPLICA is a folder, [user@]host:folder or ssh://[user@]host[:port]/folder,
or lockstep://ID@host:port.

flags (anywhere; each has a variable such as LOCKSTEP_INTERVAL):
  -i, --interval TIME       from one full pass to the next (5m; 90 is seconds)
  -l, --log-file FILE       JSON lines (under the user's state folder)
      --once                one full pass, then exit
  -n, --dry-run             print what a pass would do, change nothing
      --debounce TIME       how long a path must be quiet (10ms; 0 allowed)
  -j, --workers N           paths worked on at once (processors + 1, up to 16)
      --compare HOW         content, cached or metadata (content)
      --durability HOW      none, auto or always (auto)
      --max-delete N|N%     hold removals when there are more at once
      --allow-empty-source  let an empty source empty the replica
      --log-level LEVEL     debug, info, warn or error (info)
      --log-format FORMAT   of the console: text or json (text)
  -q, --quiet               warnings and errors only, on the console
  -h, --help                this text
  -v, --version             print the version

SIGUSR1 starts a pass now. SIGINT, SIGTERM and SIGHUP stop.

exit codes:
  0  equal, or stopped cleanly     3  finished, some paths could not be mirrored
  1  failed                        4  the trees differ (verify, --dry-run)
  2  wrong usage                   5  finished, removals are held
`

const verifyHelp = `lockstep verify compares two folders by content and every attribute.

  lockstep verify ~/work /mnt/copy

It prints each difference and a summary, and changes nothing.

flags:
  -j, --workers N  folders compared at once (processors + 1, up to 16)
  -q, --quiet      print the summary only

exit codes:
  0  equal    1  failed    2  wrong usage    3  some paths could not be read    4  the trees differ
`

// version says what was built, as well as the build knows it.
func version() string {
	v := "devel"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && v == "devel" {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v + " " + runtime.GOOS + "/" + runtime.GOARCH + " " + info.GoVersion
}
