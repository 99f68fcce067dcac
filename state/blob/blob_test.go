package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// store is what the suite asks for.
type store interface {
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	Create(ctx context.Context, name string, data []byte) error
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	List(ctx context.Context, prefix string) ([]string, error)
	Delete(ctx context.Context, name string) error
}

func TestDir(t *testing.T) {
	root := t.TempDir()
	conformance(t, func() store { return NewDir(root) })
	require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		require.NotContains(t, path, unfinished, "a half-written file was left behind")
		return err
	}))
}

func TestJetStream(t *testing.T) {
	js := startJetStream(t, false)
	conformance(t, func() store {
		s, err := OpenJetStream(t.Context(), js, "shop", 1)
		require.NoError(t, err)
		return s
	})
}

func startJetStream(t *testing.T, sync bool) jetstream.JetStream {
	ns, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: sync,
		StreamMaxBufferedSize: 16 << 20, DontListen: true, NoSigs: true,
	})
	require.NoError(t, err)
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	require.True(t, ns.ReadyForConnections(10*time.Second))
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}

// TestJetStreamUploadsAtOnce: a server that syncs each message takes large files
// of several workers at once, and hands them out to any client.
func TestJetStreamUploadsAtOnce(t *testing.T) {
	js := startJetStream(t, true)
	data := make([]byte, 60<<20+17)
	rand.Read(data)
	var group sync.WaitGroup
	for i := range 4 {
		s, err := OpenJetStream(t.Context(), js, "shop", 1)
		require.NoError(t, err)
		group.Go(func() {
			if err := s.Put(t.Context(), fmt.Sprint("a/", i), bytes.NewReader(data), int64(len(data))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	bucket, err := js.ObjectStore(t.Context(), "shop-checkpoints")
	require.NoError(t, err)
	patient, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 4 {
		got, err := bucket.GetBytes(patient, fmt.Sprint("a/", i))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, got), "60 MiB came back changed")
	}
}

// TestJetStreamReadsSlowly: who reads may take longer than the server may take to
// answer.
func TestJetStreamReadsSlowly(t *testing.T) {
	const wait = 300 * time.Millisecond
	js, err := jetstream.New(startJetStream(t, false).Conn(), jetstream.WithDefaultTimeout(wait))
	require.NoError(t, err)
	s, err := OpenJetStream(t.Context(), js, "shop", 1)
	require.NoError(t, err)
	data := make([]byte, 3*chunkBytes+17)
	rand.Read(data)
	require.NoError(t, s.Put(t.Context(), "a/1", bytes.NewReader(data), int64(len(data))))
	r, err := s.Get(t.Context(), "a/1")
	require.NoError(t, err)
	first := make([]byte, 10)
	_, err = io.ReadFull(r, first)
	require.NoError(t, err)
	time.Sleep(2 * wait)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, append(first, rest...)))

	// What is not whole is not there.
	r, err = s.Get(t.Context(), "a/1")
	require.NoError(t, err)
	info, err := s.objects.GetInfo(t.Context(), "a/1")
	require.NoError(t, err)
	require.NoError(t, s.chunks.Purge(t.Context(), jetstream.WithPurgeSubject(s.chunkSubject(info.NUID)), jetstream.WithPurgeKeep(1)))
	_, err = io.ReadAll(r)
	require.Error(t, err)
}

// TestWhoOnlyReads: who finds the blobs of another process reads all of them, and
// makes none.
func TestWhoOnlyReads(t *testing.T) {
	js := startJetStream(t, false)
	_, err := FindJetStream(t.Context(), js, "shop")
	require.ErrorIs(t, err, fs.ErrNotExist)
	s, err := OpenJetStream(t.Context(), js, "shop", 1)
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), "a/1", strings.NewReader("put"), 3))
	require.NoError(t, s.Create(t.Context(), "a/2", []byte("created")))
	found, err := FindJetStream(t.Context(), js, "shop")
	require.NoError(t, err)
	names, err := found.List(t.Context(), "a/")
	require.NoError(t, err)
	require.Equal(t, []string{"a/1", "a/2"}, names)
	for name, want := range map[string]string{"a/1": "put", "a/2": "created"} {
		r, err := found.Get(t.Context(), name)
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

// TestJetStreamLeavesNothing: neither what was deleted nor an upload that ended
// in the middle stays on the disk.
func TestJetStreamLeavesNothing(t *testing.T) {
	js := startJetStream(t, false)
	s, err := OpenJetStream(t.Context(), js, "shop", 1)
	require.NoError(t, err)
	data := make([]byte, 3*chunkBytes)
	require.NoError(t, s.Put(t.Context(), "a/1", bytes.NewReader(data), int64(len(data))))
	require.NoError(t, s.Create(t.Context(), "m/1", data[:10]))
	require.Error(t, s.Put(t.Context(), "a/2", io.MultiReader(bytes.NewReader(data), broken{}), 2*int64(len(data))))
	require.NoError(t, s.Delete(t.Context(), "a/1"))
	require.NoError(t, s.Delete(t.Context(), "m/1"))
	for _, stream := range []jetstream.Stream{s.chunks, s.values} {
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		require.Zero(t, info.State.Msgs, info.Config.Name)
	}
	// The process dies during an upload: chunks without an object. They are
	// young, so they might belong to one that is going on.
	_, err = js.Publish(t.Context(), "$O.shop-checkpoints.C.GONE", data[:10])
	require.NoError(t, err)
	require.NoError(t, s.sweep(t.Context()))
	info, err := s.chunks.Info(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, info.State.Msgs, "an upload that may go on was swept away")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the disk fails") }

// TestS3 runs against a real server: the one at ONHAND_TEST_S3 (an address as
// OpenS3 takes it, whose bucket exists), else versitygw, if there is one in
// the path (go install github.com/versity/versitygw/cmd/versitygw@v1.8.0).
func TestS3(t *testing.T) {
	address := os.Getenv("ONHAND_TEST_S3")
	if address == "" {
		address = startS3(t)
	}
	conformance(t, func() store {
		s, err := OpenS3(t.Context(), address)
		require.NoError(t, err)
		return s
	})
	u, err := url.Parse(address)
	require.NoError(t, err)
	_, err = OpenS3(t.Context(), "s3://no-such-bucket?"+u.RawQuery)
	require.ErrorContains(t, err, "create it")
}

func TestS3Address(t *testing.T) {
	for address, want := range map[string]string{
		"http://x/y":            "is not s3://",
		"s3:///y":               "is not s3://",
		"s3://b/p?endpiont=x:1": "parameter endpiont",
	} {
		_, err := OpenS3(t.Context(), address)
		require.ErrorContains(t, err, want)
	}
}

// startS3 starts a server with a bucket and returns the address.
func startS3(t *testing.T) string {
	program, err := exec.LookPath("versitygw")
	if err != nil {
		t.Skip("no S3 server: set ONHAND_TEST_S3 or install versitygw")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	endpoint := l.Addr().String()
	require.NoError(t, l.Close())
	cmd := exec.Command(program, "--access", "test", "--secret", "test-secret", "--port", endpoint, "--region", "us-east-1", "posix", "--sidecar", t.TempDir(), t.TempDir())
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
	client, err := minio.New(endpoint, &minio.Options{Creds: credentials.NewStaticV4("test", "test-secret", ""), Region: "us-east-1"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return client.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}) == nil
	}, time.Minute, 50*time.Millisecond)
	return "s3://bucket/some/where?tls=off&region=us-east-1&endpoint=" + endpoint
}

// conformance is what every kind promises. open returns another view of the
// same blobs, as another process has it.
func conformance(t *testing.T, open func() store) {
	ctx := t.Context()
	s, other := open(), open()
	content := func(name string) string {
		r, err := other.Get(ctx, name)
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, errors.Join(err, r.Close()))
		return string(data)
	}
	names := func(prefix string) []string {
		n, err := other.List(ctx, prefix)
		require.NoError(t, err)
		return n
	}

	t.Run("nothing yet", func(t *testing.T) {
		_, err := s.Get(ctx, "shop/0/files/none")
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Empty(t, names("shop/"))
		require.NoError(t, s.Delete(ctx, "shop/0/files/none"))
	})
	t.Run("put", func(t *testing.T) {
		big := make([]byte, 20<<20+123)
		rand.Read(big)
		require.NoError(t, s.Put(ctx, "shop/0/files/big", bytes.NewReader(big), int64(len(big))))
		require.True(t, content("shop/0/files/big") == string(big), "20 MiB came back changed")
		require.NoError(t, s.Put(ctx, "shop/0/files/empty", strings.NewReader(""), 0))
		require.Empty(t, content("shop/0/files/empty"))
		require.NoError(t, s.Put(ctx, "shop/0/files/x", strings.NewReader("one"), 3))
		require.NoError(t, s.Put(ctx, "shop/0/files/x", strings.NewReader("other"), 5))
		require.Equal(t, "other", content("shop/0/files/x"), "put replaces")
	})
	t.Run("an upload that fails leaves nothing", func(t *testing.T) {
		for i, r := range []io.Reader{
			io.MultiReader(strings.NewReader("half"), broken{}),
			strings.NewReader("too short"),
		} {
			name := fmt.Sprint("shop/0/files/failed", i)
			require.Error(t, s.Put(ctx, name, r, 1000))
			_, err := other.Get(ctx, name)
			require.ErrorIs(t, err, fs.ErrNotExist)
		}
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		require.Error(t, s.Put(canceled, "shop/0/files/canceled", strings.NewReader("abc"), 3))
		_, err := other.Get(ctx, "shop/0/files/canceled")
		require.ErrorIs(t, err, fs.ErrNotExist)
	})
	t.Run("create", func(t *testing.T) {
		large := make([]byte, MaxCreateBytes)
		rand.Read(large)
		require.NoError(t, s.Create(ctx, "shop/0/manifests/1", large))
		require.True(t, content("shop/0/manifests/1") == string(large))
		require.ErrorIs(t, other.Create(ctx, "shop/0/manifests/1", []byte("mine")), fs.ErrExist)
		require.True(t, content("shop/0/manifests/1") == string(large), "create must not replace")
		require.ErrorContains(t, s.Create(ctx, "shop/0/manifests/2", append(large, 0)), "at most")
	})
	t.Run("list", func(t *testing.T) {
		require.NoError(t, s.Create(ctx, "shop/00/manifests/1", nil))
		require.Equal(t, []string{"shop/0/files/big", "shop/0/files/empty", "shop/0/files/x", "shop/0/manifests/1"}, names("shop/0/"))
		require.Equal(t, []string{"shop/0/manifests/1"}, names("shop/0/manifests/"))
		require.Len(t, names("shop/"), 5)
		require.Empty(t, names("shop/1/"))
	})
	t.Run("of many that create one wins", func(t *testing.T) {
		for round := range 5 {
			name := fmt.Sprint("race/", round)
			won := make(chan string, 8)
			var group sync.WaitGroup
			for i := range cap(won) {
				group.Go(func() {
					text := fmt.Sprint("from ", i)
					if err := []store{s, other}[i%2].Create(ctx, name, []byte(text)); err == nil {
						won <- text
					} else if !errors.Is(err, fs.ErrExist) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			require.Len(t, won, 1)
			require.Equal(t, <-won, content(name))
		}
	})
	t.Run("delete", func(t *testing.T) {
		for _, name := range names("") {
			require.NoError(t, s.Delete(ctx, name))
			_, err := other.Get(ctx, name)
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.NoError(t, s.Delete(ctx, name))
		}
		require.Empty(t, names(""))
		require.NoError(t, s.Create(ctx, "shop/0/manifests/1", []byte("again")), "a deleted name is free")
		require.Equal(t, "again", content("shop/0/manifests/1"))
		require.NoError(t, s.Delete(ctx, "shop/0/manifests/1"))
	})
	t.Run("names", func(t *testing.T) {
		for _, name := range []string{"", "/a", "a/", "a//b", "../a", "a/../b", "a b", "a/.b", "ä", strings.Repeat("a", 401)} {
			require.ErrorContains(t, s.Create(ctx, name, nil), "blob: name", name)
			require.ErrorContains(t, s.Put(ctx, name, strings.NewReader(""), 0), "blob: name", name)
			_, err := s.Get(ctx, name)
			require.ErrorContains(t, err, "blob: name", name)
			require.ErrorContains(t, s.Delete(ctx, name), "blob: name", name)
		}
	})
}
