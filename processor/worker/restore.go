package worker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/state"
	"onhand/state/checkpoint"
)

// worthIt is how many records of the log a checkpoint must spare to be fetched
// instead.
const worthIt = 10_000

// StateDir returns the folder of a partition's state below Config.DataDir.
// deployment is the log's ID. That of a partition that was rewound has a suffix.
func StateDir(dataDir, deployment string, partition int) string {
	return filepath.Join(dataDir, deployment, strconv.Itoa(partition))
}

// dir returns the folder of the state. One from before the partition was rewound
// is of no use.
func (l *loop) dir() string { return l.dirOf(l.incarnation) }

func (l *loop) dirOf(incarnation uint64) string {
	return StateDir(l.w.cfg.DataDir, l.w.log.ID(), l.part) + rewoundSuffix(incarnation)
}

func rewoundSuffix(incarnation uint64) string {
	if incarnation == 0 {
		return ""
	}
	return ".rewound-" + strconv.FormatUint(incarnation, 10)
}

// reincarnate takes note of how often the partition was rewound and where to, and
// drops the states from before.
func (l *loop) reincarnate(ctx context.Context) error {
	_, last, err := l.w.log.LastCommit(ctx, l.part)
	if err != nil || last == nil {
		return err
	}
	c, err := processor.ParseCommit(last)
	if err != nil {
		return err
	}
	if l.incarnation = c.Incarnation; l.incarnation > 0 && l.keeper.repo != nil {
		rewinds, err := l.w.log.Rewinds(ctx, l.part)
		if err != nil {
			return err
		}
		l.keeper.repo.Disregard(rewinds.Lost)
	}
	for i := uint64(0); i < l.incarnation; i++ {
		if err := os.RemoveAll(l.dirOf(i)); err != nil {
			return err
		}
	}
	return nil
}

// openStore opens the state of the partition. One that is corrupt is put aside.
// Where a checkpoint is far ahead of what is here, or the log between here and
// there is gone, the checkpoint takes its place.
func (l *loop) openStore(ctx context.Context) error {
	if err := l.reincarnate(ctx); err != nil {
		return err
	}
	open := func() (err error) {
		l.store, err = state.Open(l.dir(), state.Options{Shared: l.w.shared, Logger: l.log})
		return err
	}
	err := open()
	if errors.Is(err, state.ErrCorrupt) {
		if err = l.putAside(); err == nil {
			err = open()
		}
	}
	if err != nil || l.keeper.repo == nil {
		return err
	}
	fetched, err := l.fetch(ctx)
	if fetched == "" || err != nil {
		if err != nil {
			err = errors.Join(err, l.closeStore())
		}
		return err
	}
	if err := l.closeStore(); err != nil {
		return err
	}
	if err := os.RemoveAll(l.dir()); err != nil {
		return err
	}
	if err := os.Rename(fetched, l.dir()); err != nil {
		return err
	}
	return open()
}

func (l *loop) closeStore() error {
	err := l.store.Close()
	if err == nil {
		l.store = nil
	}
	return err
}

// fetch downloads a checkpoint when it is better than what is here, and returns
// the folder.
func (l *loop) fetch(ctx context.Context) (string, error) {
	dir := l.dir() + ".fetched"
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	here, err := positionOf(diskStore{l.store}, l.part, l.w.log.Partitions())
	if err != nil {
		return "", err
	}
	first, _, err := l.w.log.Bounds(ctx, l.part)
	if err != nil {
		return "", err
	}
	there, err := commitsSince(ctx, l.w.log, l.part, here)
	if err != nil {
		return "", err
	}
	gap := here+1 < first || !there
	// Several must fit the log, as it is trimmed behind the oldest that is kept.
	_, limit, err := l.w.log.Fill(ctx, l.part)
	if err != nil {
		return "", err
	}
	if limit > 0 {
		l.keeper.bytes = min(l.keeper.bytes, uint64(limit)/8)
	}
	// One ahead of the last commit is of a log that has gone back.
	_, last, err := l.w.log.LastCommit(ctx, l.part)
	if err != nil || last == nil {
		return "", err
	}
	c, err := processor.ParseCommit(last)
	if err != nil || !gap && c.Position < here+worthIt {
		return "", err
	}
	all, err := l.keeper.repo.List(ctx)
	if err != nil {
		return "", l.ifNeeded(gap, err)
	}
	for _, m := range all {
		if m.Position > c.Position || m.Code > processor.CodeVersion || m.Position+1 < first {
			continue
		}
		if there, err := commitsSince(ctx, l.w.log, l.part, m.Position); err != nil {
			return "", err
		} else if !there {
			continue
		}
		if !gap && m.Position < here+worthIt {
			break
		}
		if ok, err := l.ofThisLog(ctx, m); err != nil {
			return "", err
		} else if !ok {
			l.log.Warn("a checkpoint is of what the log has lost", "position", m.Position, "of epoch", m.Epoch)
			continue
		}
		if err = l.keeper.repo.Download(ctx, m, dir); err == nil {
			l.log.Info("state fetched from a checkpoint", "position", m.Position, "of epoch", m.Epoch, "bytes", m.Bytes(), "here was", here)
			l.keeper.position = m.Position
			return dir, nil
		}
		l.log.Warn("a checkpoint cannot be used", "position", m.Position, "error", err)
	}
	return "", l.ifNeeded(gap, err)
}

// ofThisLog reports whether the log has the record that a checkpoint ends with. One
// that was trimmed is taken for it.
func (l *loop) ofThisLog(ctx context.Context, m *checkpoint.Manifest) (bool, error) {
	if m.Position == 0 {
		return true, nil
	}
	r, err := l.w.log.RecordAt(ctx, l.part, m.Position)
	if errors.Is(err, jetstream.ErrNotFound) {
		return true, nil
	}
	return err == nil && processor.RecordHash(r.Data) == m.Record, err
}

// ifNeeded returns the error of fetching a checkpoint if nothing else helps: a
// place for checkpoints that cannot be reached stops nobody who has the log.
func (l *loop) ifNeeded(gap bool, err error) error {
	if err != nil && !gap {
		l.log.Warn("no checkpoint is fetched, the log is replayed", "error", err)
		return nil
	}
	if err != nil {
		return errors.Join(errFetch, err)
	}
	return nil
}

// errFetch says that a checkpoint is needed and cannot be had now.
var errFetch = errors.New("worker: the state is older than the log, and no checkpoint can be fetched")

// putAside keeps a corrupt state for whoever wants to look at it, the last one
// only. What it held comes from a checkpoint and the log.
func (l *loop) putAside() error {
	l.log.Error("the state is corrupt; it is put aside and made anew", "folder", l.dir()+".corrupt")
	if err := os.RemoveAll(l.dir() + ".corrupt"); err != nil {
		return err
	}
	return os.Rename(l.dir(), l.dir()+".corrupt")
}

// RestoreOptions say what is restored, and where to.
type RestoreOptions struct {
	Blobs      checkpoint.Blobs
	Deployment string            // that made the backup
	Backup     string            // "" means the newest
	DataDir    string            // see Config; has no state of the new deployment yet
	Log        jetstream.Options // of the new deployment; partitions and shards are those of the old one
}

// Restore makes a new deployment of a backup, with an ID of its own, and
// returns that. The states come from the backup's checkpoints, the logs begin
// behind them. A worker on DataDir goes on from there: it replays what was
// committed, silently, and then what was not. Decisions made before the backup
// are in the states, but not in the new commit records. Who was erased since is
// erased again: their keys are not restored.
func Restore(ctx context.Context, o RestoreOptions) (id string, err error) {
	b, err := checkpoint.LoadBackup(ctx, o.Blobs, o.Deployment, o.Backup)
	if err != nil {
		return "", err
	}
	aside, tails := filepath.Join(o.DataDir, ".restored-"+b.Name), filepath.Join(o.DataDir, ".tails-"+b.Name)
	clean := func() error { return errors.Join(os.RemoveAll(aside), os.RemoveAll(tails)) }
	if err := clean(); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, clean()) }()
	if err := os.MkdirAll(tails, 0o700); err != nil {
		return "", err
	}
	erased, err := b.Erasures(ctx, o.Blobs)
	if err != nil {
		return "", err
	}
	from := jetstream.Origin{Shards: b.Shards, Ingest: b.Ingest,
		Keys: func(f func(string, []byte) error) error { return b.Keys(ctx, o.Blobs, erased, f) }}
	for p, part := range b.Partitions {
		repo := checkpoint.New(o.Blobs, b.Deployment, p, 0)
		m, err := repo.Load(ctx, part.Checkpoint)
		if err != nil {
			return "", err
		}
		if m.Code > processor.CodeVersion {
			return "", &NewerError{p, uint64(m.Code), processor.CodeVersion}
		}
		c, err := processor.ParseCommit(part.Commit)
		if err != nil {
			return "", err
		}
		if err := repo.Download(ctx, m, filepath.Join(aside, strconv.Itoa(p)+rewoundSuffix(c.Incarnation))); err != nil {
			return "", err
		}
		tail := filepath.Join(tails, strconv.Itoa(p))
		if err := b.FetchTail(ctx, o.Blobs, p, tail); err != nil {
			return "", err
		}
		from.Partitions = append(from.Partitions, jetstream.PartitionOrigin{
			Position: m.Position, Commit: part.Commit,
			Records: func(f func(int64, []byte) error) error {
				if err := b.ReadTail(p, tail, f); err != nil {
					return err
				}
				return eraseAgain(erased, time.Now().UnixMilli(), p, len(b.Partitions), f)
			},
		})
	}
	if id, err = jetstream.Restore(ctx, o.Log, from); err != nil {
		return "", err
	}
	return id, os.Rename(aside, filepath.Join(o.DataDir, id))
}

// eraseAgain calls f with a record for each customer of a partition who was
// erased after the backup was begun, or whose erasure was not done by then.
func eraseAgain(erased []checkpoint.Erasure, now int64, part, partitions int, f func(stamp int64, record []byte) error) error {
	for _, x := range erased {
		at := min(x.At.UnixMilli(), now) // a clock that was ahead does not move the log's
		for _, id := range x.IDs {
			e := processor.Event{Kind: processor.CustomerErased, Source: "restore", Stamp: at, At: at, AnonymousID: id}
			if partitionOf(&e, partitions) != part {
				continue
			}
			entry := processor.AppendEvent([]byte{byte(processor.EventEntry)}, &e)
			if err := f(at, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, at), entry)); err != nil {
				return err
			}
		}
	}
	return nil
}
