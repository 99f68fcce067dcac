package state

import (
	"errors"
	"fmt"
	"os"
)

// Checkpoint makes everything committed durable and puts the store, as it is
// then, into a folder, which must not exist and is best on the same disk: the
// tables are hard links, so it takes milliseconds and no space until the store
// has rewritten them. What is there opens as a store, here or on another
// machine. The files never change; a folder that is not wanted any more is
// removed like any other. The owner calls it, not beside Commit; steps and
// reads go on. On an error nothing is left.
func (s *Store) Checkpoint(dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("state %s: checkpoint: %s is there already", s.dir, dir)
	}
	if err := s.Flush(); err != nil {
		return err
	}
	if err := s.db.Checkpoint(dir); err != nil {
		return errors.Join(s.fail("checkpoint", err), s.disk.RemoveAll(dir))
	}
	return nil
}
