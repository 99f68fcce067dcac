package config

import (
	"crypto/ed25519"
	_ "embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"onhand/processor/jetstream"
	"onhand/processor/moments"
)

// Reference is a configuration file with every key there is, and what each
// means.
//
//go:embed reference.yaml
var Reference string

// Config is the configuration of the service. The zero value of a field means
// that the file does not mention it; see Defaults.
type Config struct {
	Data       string // folder of everything the service keeps
	HTTP       string // host:port
	Moments    string // path of a moments file; "" = the shipped one
	Partitions int    // on creation; 0 = 16, or as created
	Sync       string // always or interval
	Personal   string // sealed or clear
	Memory     int64  // bytes the process may use; 0 = half of the machine's
	NATS       NATS
	Keys       Keys
	Channels   map[string]Channel

	Checkpoints Checkpoints
	Decisions   Decisions
}

// Decisions say how long what was decided can be listed.
type Decisions struct {
	Keep time.Duration // at least; 0 = 90 days, KeepAlways = for ever
}

// KeepAlways is the Keep of decisions that are never dropped.
const KeepAlways = time.Duration(-1)

const keepDecisions = 90 * 24 * time.Hour

// Checkpoints say where the states are kept besides the data folder.
type Checkpoints struct {
	To    string        // log (the default), off, a folder (relative to the data folder) or s3://BUCKET/PREFIX
	Every time.Duration // 0 = ten minutes
	Keep  int           // of each partition; 0 = 3
}

// Special places for checkpoints.
const (
	CheckpointsLog = "log" // an object store beside the streams of the log
	CheckpointsOff = "off" // nowhere; the log is never trimmed then
)

// CheckpointsPlace refuses places that no checkpoints can be kept in. Without it
// an address of a kind that is not known would be the name of a folder, and
// states that were to be kept elsewhere would lie beside the data.
func CheckpointsPlace(to string) error {
	if strings.Contains(to, "://") && !strings.HasPrefix(to, "s3://") {
		return fmt.Errorf("%s is no place for checkpoints; log, a folder, s3://BUCKET/PREFIX, or off", to)
	}
	return nil
}

// MinMemory is the least that a process may be told to do with: an idle one
// with its log and sixteen partitions has about as much in use, and with less
// it would do nothing but look for garbage.
const MinMemory = 128 << 20

// NATS says which server the log is on.
type NATS struct {
	URL    string // of servers elsewhere; "" = embedded
	Listen string // of the embedded server; "" = no socket
	Users  []jetstream.User

	Replicas int // of each stream, on creation; 0 = 1
}

// Keys are who may do what.
type Keys struct {
	Write         map[string]string // key -> source
	Pages         map[string]Page   // by key
	Read, Operate []string          // who may operate may read

	Voucher ed25519.PrivateKey // signs vouchers, see package voucher; nil = none are made
}

// Any reports whether a key is configured.
func (k Keys) Any() bool { return k.Writes() || len(k.Read)+len(k.Operate) > 0 }

// Writes reports whether a key to send events with is configured.
func (k Keys) Writes() bool { return len(k.Write)+len(k.Pages) > 0 }

// Page is who sends with a key that stands in pages and apps.
type Page struct {
	Source string
	Also   []string // events it may send besides those of segment.OfPages
}

// Channel says how a channel is reached.
type Channel struct {
	Type string // webhook or file

	URL        string // webhook
	Secrets    []string
	PublicOnly bool

	To bool // the customer's address goes with an action

	Path     string // file; relative to the data folder
	Sync     bool
	MaxBytes int64

	Rate     float64 // attempts per second, 0 = no limit
	Burst    int
	InFlight int
	Timeout  time.Duration
}

// The values of Sync.
const (
	SyncAlways   = "always"
	SyncInterval = "interval"
)

// The values of Personal: what events say of a person is sealed in the log, see
// package seal, or stands there as it was sent.
const (
	PersonalSealed = "sealed"
	PersonalClear  = "clear"
)

// Defaults returns the configuration with what it leaves out filled in.
func (c Config) Defaults() Config {
	if c.Data == "" {
		c.Data = "data"
	}
	if c.HTTP == "" {
		c.HTTP = "127.0.0.1:7070"
	}
	if c.Sync == "" {
		c.Sync = SyncAlways
	}
	if c.Personal == "" {
		c.Personal = PersonalSealed
	}
	if c.Decisions.Keep == 0 {
		c.Decisions.Keep = keepDecisions
	}
	return c
}

// Load reads and checks a configuration file. The faults include warnings;
// without any that is not a warning the configuration can be used.
func Load(path string) (Config, []moments.Fault, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, nil, err
	}
	c, faults := Parse(path, text)
	if c.Moments != "" && !filepath.IsAbs(c.Moments) {
		c.Moments = filepath.Join(filepath.Dir(path), c.Moments)
	}
	return c, faults, nil
}

// Loopback reports whether a listening address can be reached from this
// machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
