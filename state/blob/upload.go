package blob

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// An upload makes of an object what any client of the object store makes of it
// and reads: chunks on a subject of their own, and then a message that says what
// they are. The client's own upload sends as fast as it can read, though, and a
// server that syncs each message refuses what it cannot keep up with. Here a few
// chunks are on their way, and the object appears when all of them are there.

const (
	chunkBytes = 512 << 10
	inFlight   = 4 // chunks of an upload that the server has not answered yet
	ackWait    = 20 * time.Second
	forgetWait = 5 * time.Second
)

// upload writes size bytes as an object.
func (s *JetStream) upload(ctx context.Context, name string, r io.Reader, size int64) error {
	before, err := s.info(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkBytes}},
		Bucket:     s.bucket(), NUID: nuid.Next(),
	}
	if err := s.send(ctx, &exact{r: r, left: size}, uint64(size), &info); err != nil {
		return errors.Join(err, s.forget(ctx, info.NUID))
	}
	meta := nats.NewMsg(s.metaSubject(name))
	meta.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if meta.Data, err = json.Marshal(&info); err != nil {
		return err
	}
	// After an error it may be there all the same, so its chunks stay.
	if _, err := s.uploads.PublishMsg(ctx, meta); err != nil {
		return err
	}
	if before != nil {
		return s.forget(ctx, before.NUID)
	}
	return nil
}

// send publishes the chunks of an object and writes into info what they are. When
// it returns they are answered, if the server answers soon.
func (s *JetStream) send(ctx context.Context, r io.Reader, size uint64, info *jetstream.ObjectInfo) error {
	var flight []jetstream.PubAckFuture
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetWait)
		defer cancel()
		for _, ack := range flight {
			_ = answered(ctx, ack)
		}
	}()
	buffers := make([]byte, min(size, inFlight*chunkBytes))
	h := sha256.New()
	for info.Size < size || len(flight) > 0 {
		if info.Size == size || len(flight) == inFlight {
			oldest := flight[0]
			flight = flight[1:]
			if err := answered(ctx, oldest); err != nil {
				return err
			}
			continue
		}
		// A buffer is free when its chunk is answered: the client keeps it until then.
		at := uint64(info.Chunks%inFlight) * chunkBytes
		chunk := buffers[at : at+min(chunkBytes, size-info.Size)]
		if _, err := io.ReadFull(r, chunk); err != nil {
			return err
		}
		h.Write(chunk)
		m := &nats.Msg{Subject: s.chunkSubject(info.NUID), Data: chunk}
		ack, err := s.uploads.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)) // a retry would come behind the next chunk
		if err != nil {
			return err
		}
		flight = append(flight, ack)
		info.Chunks++
		info.Size += uint64(len(chunk))
	}
	info.Digest = jetstream.GetObjectDigestValue(h)
	_, err := io.Copy(io.Discard, r) // there must be no more
	return err
}

// answered waits until a chunk is in the stream.
func answered(ctx context.Context, ack jetstream.PubAckFuture) error {
	select {
	case <-ack.Ok():
		return nil
	case err := <-ack.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forget removes the chunks of an object, also when ctx has ended. Chunks that
// are still on their way are swept away later.
func (s *JetStream) forget(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetWait)
	defer cancel()
	return s.chunks.Purge(ctx, jetstream.WithPurgeSubject(s.chunkSubject(id)))
}

func (s *JetStream) chunkSubject(id string) string { return "$O." + s.bucket() + ".C." + id }

func (s *JetStream) metaSubject(name string) string {
	return "$O." + s.bucket() + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}
