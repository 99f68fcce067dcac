package state

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestLayout compares the keys and values one batch writes with those on
// record. When it fails, stores in the field cannot be read any more: raise
// layout and read both.
func TestLayout(t *testing.T) {
	fs := vfs.NewMem()
	shared := testShared(t, SharedOptions{})
	s := openTest(t, shared, fs, "p")
	b := s.NewBatch()
	b.Set(2, 0x0102030405060708, []byte("ada"))
	b.Set(MaxKind, 0xffffffffffffffff, nil)
	b.SetTimer(0x0a0b0c0d0e0f, 2, 0x0102030405060708)
	b.FiredUpTo(0x0a0b0c0d0e00)
	b.AddSeen(7, []uint64{0xfff0000000000002, 1, 0xfff0000000000001})
	require.NoError(t, b.Commit([]byte("mark")))
	require.NoError(t, s.Close())

	db, err := pebble.Open("p", &pebble.Options{FS: fs, ReadOnly: true})
	require.NoError(t, err)
	it, err := db.NewIter(nil)
	require.NoError(t, err)
	var got strings.Builder
	for ok := it.First(); ok; ok = it.Next() {
		fmt.Fprintln(&got, strings.TrimSpace(hex.EncodeToString(it.Key())+" "+hex.EncodeToString(it.Value())))
	}
	require.NoError(t, it.Close())
	require.NoError(t, db.Close())

	want, err := os.ReadFile(filepath.Join("testdata", "layout.txt"))
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// TestOtherLayout: a store written by a newer program is refused, by name.
func TestOtherLayout(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebble.Open("p", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatValueSeparation})
	require.NoError(t, err)
	require.NoError(t, db.Set(markKey, []byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 'x'}, pebble.Sync))
	require.NoError(t, db.Close())
	_, err = Open("p", Options{FS: fs, Shared: testShared(t, SharedOptions{})})
	require.ErrorContains(t, err, "layout 2 is not known")
	require.NotErrorIs(t, err, ErrCorrupt)
}

// FuzzKeys: whatever is taken for a key is one, and means what it was made of.
func FuzzKeys(f *testing.F) {
	f.Add([]byte{2, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte("t\x00\x00\x01\x02\x03\x04\x05\x06\x02abcdefgh"))
	f.Add([]byte("d\x00\x00\x01\x02\x00\x04abcdefgh"))
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x09mark"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, key []byte) {
		back := make([]byte, timerKeyLen)
		if kind, hash, err := parseEntityKey(key); err == nil {
			putEntityKey(back, kind, hash)
			require.Equal(t, key, back[:entityKeyLen])
		}
		if due, kind, hash, err := parseTimerKey(key); err == nil {
			require.GreaterOrEqual(t, due, int64(0))
			putTimerKey(back, due, kind, hash)
			require.Equal(t, key, back[:timerKeyLen])
		}
		if hour, slot, chunk, err := parseSeenKey(key); err == nil {
			putSeenKey(back, hour, slot, chunk)
			require.Equal(t, key, back[:seenKeyLen])
		}
		if chunks, mark, err := parseMark(key); err == nil {
			require.Equal(t, key, appendMark(nil, chunks, mark))
		}
		_, err := hasID(key, 7)
		require.Equal(t, len(key)%8 != 0, err != nil)
	})
}
