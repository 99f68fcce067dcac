package service

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A worker's id is a random part, which stays with its data folder, and the
// address under which the other workers reach it. So whoever knows the owner
// of a partition knows where to ask.

var spelling = base32.HexEncoding.WithPadding(base32.NoPadding)

var randomPart = regexp.MustCompile(`^[0-9a-f]{8}$`)

// workerID returns the id of the worker on a data folder.
func workerID(data, address string) (string, error) {
	path := filepath.Join(data, "worker")
	text, err := os.ReadFile(path)
	name := strings.TrimSpace(string(text))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !randomPart.MatchString(name) {
		b := make([]byte, 4)
		rand.Read(b)
		name = hex.EncodeToString(b)
		err = os.WriteFile(path, []byte(name+"\n"), 0o600)
	}
	return name + "-" + strings.ToLower(spelling.EncodeToString([]byte(address))), err
}

// addressOf returns the address in a worker's id, "" when it has none.
func addressOf(id string) string {
	_, coded, _ := strings.Cut(id, "-")
	b, err := spelling.DecodeString(strings.ToUpper(coded))
	if err != nil {
		return ""
	}
	return string(b)
}

// advertised returns the address others reach a listener at: a listener on all
// addresses is reached by the machine's name.
func advertised(wanted, listening string) string {
	if wanted != "" {
		return wanted
	}
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return listening
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}
