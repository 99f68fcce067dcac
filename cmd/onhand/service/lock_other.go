//go:build !unix

package service

import (
	"os"
	"path/filepath"
)

func lock(data string) (*os.File, error) {
	return os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
