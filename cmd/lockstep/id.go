package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

const idHelp = `lockstep id prints the ID of this machine, and makes its key on first use.

  lockstep id

Tell it to the other side: a server takes it with --allow, a client writes
lockstep://ID@host:port. The key lies in the user's configuration folder,
readable by its owner alone; LOCKSTEP_KEY names another file.
`

func idCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:               "id",
		Usage:              "print the ID of this machine",
		CustomHelpTemplate: idHelp,
		OnUsageError:       onUsageError,
		HideHelpCommand:    true,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return wrongUsage("say lockstep id", "surplus argument %q", c.Args().First())
			}
			key, err := loadKey("")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(stdout, key.ID())
			return unwritten(err)
		},
	}
}
