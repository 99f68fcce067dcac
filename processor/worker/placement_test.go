package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// peerWith is a worker to which partition 0 stands like that.
func peerWith(id string, s stand) peer { return peer{id, bulletin{Code: 1, Stands: []stand{s}}} }

func TestSeats(t *testing.T) {
	first := jetstream.Rank("partition", []string{"a", "b", "c"}, 0)
	w1, w2, w3 := first[0], first[1], first[2] // as partition 0 likes them
	none := func(id string) peer { return peer{id: id} }
	owning := func(id string, epoch uint64) peer { return peerWith(id, stand{Role: owns, Epoch: epoch}) }
	level := func(id string, at uint64) peer {
		return peerWith(id, stand{Role: follows, Position: at, Level: true})
	}
	behind := func(id string, at uint64) peer { return peerWith(id, stand{Role: follows, Position: at}) }
	leaving := func(p peer) peer { p.Leaving = true; return p }
	for name, c := range map[string]struct {
		peers []peer
		want  seat
	}{
		"nobody has it":                           {[]peer{none(w1), none(w2), none(w3)}, seat{Owner: w1, Standby: w2, Wanted: w1}},
		"it stays where it is":                    {[]peer{none(w1), none(w2), owning(w3, 4)}, seat{Owner: w3, Standby: w1, Wanted: w1, holder: w3, epoch: 4, runs: true}},
		"and may move to a standby that is level": {[]peer{level(w1, 9), none(w2), owning(w3, 4)}, seat{Owner: w3, Standby: w1, Wanted: w1, holder: w3, epoch: 4, runs: true, ready: true}},
		"its heir takes it":                       {[]peer{level(w1, 9), none(w2), peerWith(w3, stand{Role: owns, Epoch: 4, Heir: w1})}, seat{Owner: w1, Standby: w2, Wanted: w1, holder: w3, epoch: 4, runs: true}},
		"an heir who is gone does not":            {[]peer{none(w2), peerWith(w3, stand{Role: owns, Epoch: 4, Heir: w1})}, seat{Owner: w3, Standby: w2, Wanted: w2, holder: w3, epoch: 4, runs: true}},
		"a zombie does not count":                 {[]peer{owning(w1, 4), owning(w2, 5)}, seat{Owner: w2, Standby: w1, Wanted: w1, holder: w2, epoch: 5, runs: true}},
		"who is furthest takes over":              {[]peer{behind(w1, 3), none(w2), level(w3, 9)}, seat{Owner: w3, Standby: w1, Wanted: w1}},
		"two that open agree":                     {[]peer{owning(w2, 0), owning(w1, 0)}, seat{Owner: w1, Standby: w2, Wanted: w1, holder: w1}},
		"one that is ready beats one that opens":  {[]peer{owning(w1, 0), level(w2, 9)}, seat{Owner: w2, Standby: w1, Wanted: w1, holder: w1}},
		"who cannot is not asked":                 {[]peer{peerWith(w1, stand{Role: fails}), none(w2)}, seat{Owner: w2, Wanted: w2, unable: w1}},
		"nobody can":                              {[]peer{peerWith(w1, stand{Role: fails})}, seat{unable: w1}},
		"who leaves is not wanted":                {[]peer{leaving(owning(w1, 4)), level(w2, 9)}, seat{Owner: w1, Standby: w2, Wanted: w2, holder: w1, epoch: 4, runs: true, ready: true}},
		"but is better than nobody":               {[]peer{leaving(none(w1))}, seat{Owner: w1}},
		"a paused one does not run":               {[]peer{peerWith(w1, stand{Role: owns, Epoch: 4, Paused: true}), level(w2, 9)}, seat{Owner: w1, Standby: w2, Wanted: w1, holder: w1, epoch: 4, ready: true}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, seats(c.peers, 1)[0]) })
	}
}

// An owner that has taken over is told, by what was heard before the others
// heard of it, that the partition is the earlier owner's: it stays. What was
// heard of a later one ends it.
func TestOnlyALaterEpochReplacesAnOwner(t *testing.T) {
	for epoch, want := range map[uint64]error{0: nil, 4: nil, 5: nil, 6: ErrFenced} {
		l := &loop{p: &Partition{commit: commits{epoch: 5}}}
		l.wake = make(chan struct{}, 1)
		w := &Worker{cfg: Config{ID: "b"}, loops: map[int]*loop{0: l}, seats: []seat{{Owner: "b", holder: "a", epoch: epoch}}}
		require.False(t, w.place(0, 0))
		require.True(t, l.mailbox.run())
		require.Equal(t, want, l.err, epoch)
	}
}
