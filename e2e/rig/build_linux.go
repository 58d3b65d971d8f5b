package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build puts the binary into folder and returns its path. Every user may run it if every user may enter folder.
func Build(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, "lockstep")
	arguments := []string{"build", "-o", path}
	if Race {
		arguments = append(arguments, "-race")
	}
	command := exec.CommandContext(ctx, "go", append(arguments, "lockstep/cmd/lockstep")...)
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, output)
	}
	return path, os.Chmod(path, 0o755)
}
