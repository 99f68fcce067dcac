package blob

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStream keeps blobs in a JetStream object store, and created ones in a
// key-value bucket, as only that compares before it writes.
type JetStream struct {
	name    string
	objects jetstream.ObjectStore
	entries jetstream.KeyValue
	uploads jetstream.JetStream // publishes chunks, and asks the leaders
	chunks  jetstream.Stream    // of objects
	values  jetstream.Stream    // of entries
}

// abandonedAfter is how old the parts of an upload that never ended are when they
// are removed.
const abandonedAfter = time.Hour

const listWait = 30 * time.Second

// OpenJetStream returns the blobs in the buckets NAME-checkpoints and
// NAME-manifests, which are made when they are not there, with that many
// replicas. Parts of uploads that ended in the middle are removed.
func OpenJetStream(ctx context.Context, js jetstream.JetStream, name string, replicas int) (_ *JetStream, err error) {
	s := &JetStream{name: name}
	defer func() {
		if err != nil {
			err = fmt.Errorf("blob: object store %s: %w", name, reached(err))
		}
	}()
	if s.uploads, err = jetstream.New(js.Conn(), jetstream.WithPublishAsyncTimeout(ackWait)); err != nil {
		return nil, err
	}
	if s.objects, err = js.ObjectStore(ctx, s.bucket()); errors.Is(err, jetstream.ErrBucketNotFound) {
		s.objects, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: s.bucket(), Storage: jetstream.FileStorage, Replicas: replicas})
		if errors.Is(err, jetstream.ErrBucketExists) {
			s.objects, err = js.ObjectStore(ctx, s.bucket())
		}
	}
	if err != nil {
		return nil, err
	}
	kv := jetstream.KeyValueConfig{Bucket: name + "-manifests", Storage: jetstream.FileStorage, History: 1, Replicas: replicas}
	if s.entries, err = js.KeyValue(ctx, kv.Bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
		s.entries, err = js.CreateKeyValue(ctx, kv)
		if errors.Is(err, jetstream.ErrBucketExists) {
			s.entries, err = js.KeyValue(ctx, kv.Bucket)
		}
	}
	if err != nil {
		return nil, err
	}
	if s.chunks, err = js.Stream(ctx, "OBJ_"+s.bucket()); err != nil {
		return nil, err
	}
	if s.values, err = js.Stream(ctx, "KV_"+kv.Bucket); err != nil {
		return nil, err
	}
	return s, s.sweep(ctx)
}

// FindJetStream returns the blobs of a name that are there, to be read: nothing
// is made or removed. The error is fs.ErrNotExist when there are none.
func FindJetStream(ctx context.Context, js jetstream.JetStream, name string) (_ *JetStream, err error) {
	s := &JetStream{name: name, uploads: js}
	if s.objects, err = js.ObjectStore(ctx, s.bucket()); err == nil {
		s.entries, err = js.KeyValue(ctx, name+"-manifests")
	}
	if err == nil {
		s.chunks, err = js.Stream(ctx, "OBJ_"+s.bucket())
	}
	if err == nil {
		s.values, err = js.Stream(ctx, "KV_"+name+"-manifests")
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("blob: object store %s: %w", name, reached(err))
	}
	return s, nil
}

func (s *JetStream) bucket() string { return s.name + "-checkpoints" }

// sweep removes chunks that no object has, of uploads long ended. The chunks
// are listed before the objects, so that of an upload that ends meanwhile the
// object is seen.
func (s *JetStream) sweep(ctx context.Context) error {
	info, err := s.chunks.Info(ctx, jetstream.WithSubjectFilter("$O."+s.bucket()+".C.>"))
	if err != nil {
		return err
	}
	orphans := map[string]bool{}
	for subject := range info.State.Subjects {
		orphans[subject] = true
	}
	objects, err := s.list(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		delete(orphans, s.chunkSubject(o.NUID))
	}
	for subject := range orphans {
		last, err := s.chunks.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && time.Since(last.Time) < abandonedAfter {
			continue
		}
		if err == nil {
			err = s.chunks.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *JetStream) list(ctx context.Context) ([]*jetstream.ObjectInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, listWait) // the client waits for as long as it may
	defer cancel()
	objects, err := s.objects.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil
	}
	return objects, err
}

// Put writes a blob of size bytes, or replaces it.
func (s *JetStream) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	if err := check(name); err != nil {
		return err
	}
	if err := s.upload(ctx, name, r, size); err != nil {
		return fmt.Errorf("blob: %s: %w", name, reached(err))
	}
	return nil
}

// Create writes a blob unless there is one.
func (s *JetStream) Create(ctx context.Context, name string, data []byte) error {
	if err := checkCreate(name, data); err != nil {
		return err
	}
	_, err := s.entries.Create(ctx, name, data)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return fmt.Errorf("blob: %s: %w", name, fs.ErrExist)
	}
	if err != nil {
		return fmt.Errorf("blob: %s: %w", name, reached(err))
	}
	return nil
}

// Get opens a blob.
func (s *JetStream) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	entry, err := s.last(ctx, s.values, s.entrySubject(name))
	if err == nil {
		return io.NopCloser(bytes.NewReader(entry)), nil
	}
	var o *jetstream.ObjectInfo
	if errors.Is(err, fs.ErrNotExist) {
		o, err = s.info(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("blob: %s: %w", name, reached(err))
	}
	return s.download(ctx, o), nil
}

// info says what an object is.
func (s *JetStream) info(ctx context.Context, name string) (*jetstream.ObjectInfo, error) {
	data, err := s.last(ctx, s.chunks, s.metaSubject(name))
	if err != nil {
		return nil, err
	}
	var o jetstream.ObjectInfo
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, err
	}
	if o.Deleted { // by another client
		return nil, fs.ErrNotExist
	}
	return &o, nil
}

// noMessage is the code of the API for a subject that has none.
const noMessage = 10037

// last returns the last message of a subject, as the leader of the stream has
// it. The client asks any server that keeps the stream, and one that is behind
// says that there is none, or another one.
func (s *JetStream) last(ctx context.Context, stream jetstream.Stream, subject string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, chunkWait)
	defer cancel()
	question, _ := json.Marshal(map[string]string{"last_by_subj": subject})
	m, err := s.uploads.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream.CachedInfo().Config.Name, question)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Message struct{ Data []byte }
		Error   *struct {
			Description string
			Code        int `json:"err_code"`
		}
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return nil, err
	case answer.Error != nil && answer.Error.Code == noMessage:
		return nil, fs.ErrNotExist
	case answer.Error != nil:
		return nil, errors.New(answer.Error.Description)
	}
	return answer.Message.Data, nil
}

// List returns the names that begin with a prefix, ascending.
func (s *JetStream) List(ctx context.Context, prefix string) (names []string, err error) {
	metas, entries := s.metaSubject(""), s.entrySubject("")
	for _, of := range []struct {
		stream   jetstream.Stream
		subjects string
	}{{s.chunks, metas}, {s.values, entries}} {
		info, err := of.stream.Info(ctx, jetstream.WithSubjectFilter(of.subjects+">"))
		if err != nil {
			return nil, fmt.Errorf("blob: listing %s: %w", prefix, reached(err))
		}
		for subject := range info.State.Subjects {
			name := strings.TrimPrefix(subject, of.subjects)
			if of.subjects == metas {
				plain, err := base64.URLEncoding.DecodeString(name)
				if err != nil {
					continue // another client's
				}
				name = string(plain)
			}
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// Delete removes a blob, if it is there, and does not note that it was: nobody
// asks for it, and notes would fill the disk slowly. When it ends half-way the
// chunks are swept away later.
func (s *JetStream) Delete(ctx context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	o, err := s.info(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = s.values.Purge(ctx, jetstream.WithPurgeSubject(s.entrySubject(name)))
	case err == nil:
		if err = s.chunks.Purge(ctx, jetstream.WithPurgeSubject(s.metaSubject(name))); err == nil {
			err = s.chunks.Purge(ctx, jetstream.WithPurgeSubject(s.chunkSubject(o.NUID)))
		}
	}
	if err != nil {
		return fmt.Errorf("blob: deleting %s: %w", name, reached(err))
	}
	return nil
}

func (s *JetStream) entrySubject(name string) string { return "$KV." + s.entries.Bucket() + "." + name }

// reached says what is the matter where the client tells of a buffer that it was
// not given.
func reached(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errUnreached
	}
	return err
}

var errUnreached = errors.New("NATS cannot be reached; try again later")
