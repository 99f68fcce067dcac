//go:build unix

package file

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps other processes from writing to the file until it is closed.
func lock(file *os.File) error {
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by another channel or process: give each its own path (%w)", file.Name(), err)
	}
	return nil
}
