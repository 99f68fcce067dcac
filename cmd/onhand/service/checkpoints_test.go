package service

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/state/checkpoint"
)

// A shop's machine burns down: what was backed up begins elsewhere, and knows
// what the old one knew.
func TestRestore(t *testing.T) {
	away := t.TempDir()
	s := start(t, config.Config{Checkpoints: config.Checkpoints{To: away}})
	old := s.Log.ID()
	track(t, s, "ann", "Product Added", `{"cart_id":"c1","product_id":"phone","price":199,"quantity":1}`)
	require.Eventually(t, func() bool { return len(decisions(t, s, "customer=ann").Data) > 0 }, time.Minute, 20*time.Millisecond)
	decided := decisions(t, s, "customer=ann").Data

	_, _, err := (&Restore{From: away, Data: t.TempDir()}).Run(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrNoBackup)
	checkpoints := func(s *Service, query string) (c api.Checkpoints) {
		status, answer, _ := ask(t, s, "POST", "/api/v1/checkpoints"+query, "")
		require.Equal(t, 200, status, answer)
		require.NoError(t, json.Unmarshal([]byte(answer), &c))
		require.Len(t, c.Partitions, 2)
		require.Empty(t, c.Errors)
		return c
	}
	require.Empty(t, checkpoints(s, "").Backup)
	_, _, err = (&Restore{From: away, Data: t.TempDir()}).Run(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrNoBackup, "checkpoints of different times do not fit together")
	first := checkpoints(s, "?backup=1")
	require.NotEmpty(t, first.Backup)
	track(t, s, "bob", "Product Added", `{"cart_id":"c2","product_id":"phone","price":199,"quantity":1}`)
	checkpoints(s, "?backup=1")
	stop(t, s)

	restored := func(backup string) *Service {
		data := filepath.Join(t.TempDir(), "data")
		r := Restore{From: away, Data: data, Backup: backup}
		id, b, err := r.Run(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, b.Deployment, id)
		_, _, err = r.Run(t.Context())
		require.ErrorContains(t, err, "not empty")
		return start(t, config.Config{Data: data, Checkpoints: config.Checkpoints{To: away}})
	}
	s = restored("")
	require.Contains(t, get(t, s, "/api/v1/customers/ann"), "phone")
	require.Contains(t, get(t, s, "/api/v1/customers/bob"), "phone")
	track(t, s, "eve", "Product Added", `{"cart_id":"c3","product_id":"phone","price":199,"quantity":1}`)
	require.Eventually(t, func() bool { return len(decisions(t, s, "customer=eve").Data) > 0 }, time.Minute, 20*time.Millisecond)
	for _, d := range decisions(t, s, "customer=ann").Data {
		require.NotContains(t, decided, d, "decided on again")
	}
	checkpoints(s, "?backup=1")
	stop(t, s)

	_, _, err = (&Restore{From: away, Data: t.TempDir()}).Run(t.Context())
	require.ErrorContains(t, err, "--deployment", "there are two now")
	data := filepath.Join(t.TempDir(), "data")
	_, _, err = (&Restore{From: away, Data: data, Deployment: old, Backup: first.Backup}).Run(t.Context())
	require.NoError(t, err)
	s = start(t, config.Config{Data: data, Checkpoints: config.Checkpoints{To: config.CheckpointsOff}})
	status, _, _ := ask(t, s, "GET", "/api/v1/customers/bob", "")
	require.Equal(t, 404, status, "bob came later")
	status, answer, _ := ask(t, s, "POST", "/api/v1/checkpoints", "")
	require.Equal(t, 409, status, answer)

	// Nothing is left of a restore that fails.
	require.NoError(t, filepath.WalkDir(away, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Base(filepath.Dir(path)) == "files" {
			return os.Truncate(path, 1)
		}
		return err
	}))
	data = t.TempDir()
	_, _, err = (&Restore{From: away, Data: data, Deployment: old}).Run(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrBroken)
	left, err := os.ReadDir(data)
	require.NoError(t, err)
	require.Empty(t, left)
}
