package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/connectors"
	"onhand/connectors/collector"
	"onhand/connectors/file"
	"onhand/connectors/seal"
	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/processor/whatif"
	"onhand/processor/worker"
)

// Options describe a service. Config and Rules are required.
type Options struct {
	Config config.Config // what it leaves out is as in Defaults
	Rules  []byte        // moments activated on a new deployment; checked by the caller

	// Channels replace those of the configuration; nil means those, and a file
	// for every channel of the rules that is not configured.
	Channels map[string]connectors.ChannelConfig

	Clock      func() time.Time // nil means the wall clock
	FlushEvery time.Duration    // see worker.Config
	Advertise  string           // host:port under which other workers reach this one; "" = as listened on
	Version    string
	Logger     *slog.Logger
}

// Service is a running service.
type Service struct {
	Log    *jetstream.Log
	Worker *worker.Worker
	Rules  *moments.File // as given; what is in force may differ

	actions    *file.Channel // of the channels that are not configured
	sealer     *seal.Sealer
	addressKey []byte
	log        *slog.Logger
	named      bool // the rules are from a file that somebody named
	server     *jetstream.Server
	http       *http.Server
	lock       *os.File // of the data folder
	listener   net.Listener
	clock      func() time.Time
	stop       context.CancelFunc
	tasks      sync.WaitGroup
	failed     chan error // what the process cannot go on without
}

// Open starts a service. It returns when HTTP is served; see WaitReady. ctx
// bounds the start only.
func Open(ctx context.Context, o Options) (s *Service, err error) {
	o.Config = o.Config.Defaults()
	c := o.Config
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	stamps := o.Clock // nil: the log keeps a clock that cannot be set back
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if !config.Loopback(c.HTTP) && !c.Keys.Any() {
		return nil, fmt.Errorf("without keys the service listens on loopback only, not on %s; configure keys, or use --http 127.0.0.1:7070", c.HTTP)
	}
	if !config.Loopback(c.HTTP) && !c.Keys.Writes() {
		return nil, fmt.Errorf("without write keys everybody could send events to %s; configure keys.write or keys.pages", c.HTTP)
	}
	s = &Service{log: o.Logger, named: c.Moments != "", clock: o.Clock, failed: make(chan error, 2)}
	var faults []moments.Fault
	if s.Rules, faults = moments.Parse("moments", o.Rules, processor.Vocabulary()); s.Rules == nil {
		return nil, fmt.Errorf("the moments cannot be used: %w", faults[0])
	}
	if code := s.Rules.Country; code != "" && !segment.IsCountry(code) {
		return nil, fmt.Errorf("the moments cannot be used: no country has the code %q; write the one of ISO 3166-1, GB for the United Kingdom", code)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.Background()))
			s = nil
		}
	}()
	if err = os.MkdirAll(c.Data, 0o700); err == nil {
		s.lock, err = lock(c.Data)
	}
	if err != nil {
		return s, fmt.Errorf("the data folder %s cannot be used: %w; name another one with --data", c.Data, err)
	}
	if s.listener, err = net.Listen("tcp", c.HTTP); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; is another one running? use --http", err)
		}
		return s, fmt.Errorf("cannot listen on %s: %w", c.HTTP, err)
	}
	id, err := workerID(c.Data, advertised(o.Advertise, s.listener.Addr().String()))
	if err != nil {
		return s, err
	}
	limit := limitMemory(c.Memory)
	if err := s.openLog(ctx, c, stamps, o.Logger); err != nil {
		return s, err
	}
	if s.sealer, err = seal.New(s.Log.Keys()); err != nil {
		return s, err
	}
	s.addressKey, err = jetstream.Patiently(ctx, o.Logger, func() ([]byte, error) { return s.sealer.AddressKey(ctx) })
	if err != nil {
		return s, err
	}
	channels, rest := o.Channels, s.rest
	if channels != nil {
		rest = nil
	} else if channels, err = s.openChannels(c); err != nil {
		return s, err
	}
	checkpoints, err := openCheckpoints(ctx, c, s.Log, o.Logger)
	if err != nil {
		return s, err
	}
	s.Worker, err = worker.New(worker.Config{
		ID: id, Log: s.Log, DataDir: filepath.Join(c.Data, "state"), Memory: worker.EntityMemory(limit),
		Channels: channels, Rest: rest, Rules: s.Rules, AddressKey: s.addressKey, FlushEvery: o.FlushEvery, Clock: o.Clock, Logger: o.Logger,
		Checkpoints: checkpoints, Seal: s.seal(c), SealCall: s.sealCall(c),
	})
	if err != nil {
		return s, err
	}
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	if _, err := jetstream.Patiently(ctx, o.Logger, func() (none struct{}, err error) { return none, s.Worker.Start(running) }); err != nil {
		return s, err
	}
	s.tasks.Go(func() { s.activate(running) })
	s.tasks.Go(func() { s.expireCalls(running) })
	if s.server != nil {
		s.tasks.Go(func() { s.watch(running) })
	}
	s.serve(o, id, s.past(c, checkpoints, limit))
	return s, nil
}

func (s *Service) openLog(ctx context.Context, c config.Config, clock func() time.Time, log *slog.Logger) (err error) {
	o := jetstream.Options{URL: c.NATS.URL, Partitions: c.Partitions, Replicas: c.NATS.Replicas, Clock: clock, Logger: log}
	if o.URL == "" {
		so := jetstream.ServerOptions{Dir: filepath.Join(c.Data, "nats"), Listen: c.NATS.Listen, Users: c.NATS.Users, Logger: log}
		if c.Sync == config.SyncInterval {
			so.SyncInterval = 2 * time.Second
		}
		if s.server, err = jetstream.StartServer(so); err != nil {
			return err
		}
		o.Server = s.server
	}
	s.Log, err = jetstream.Open(ctx, o)
	return err
}

// past is where replays with other moments take the past from. What one of a
// process that was killed has left is removed.
func (s *Service) past(c config.Config, checkpoints *worker.Checkpoints, memory int64) whatif.Options {
	old, _ := filepath.Glob(filepath.Join(c.Data, "whatif-*"))
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			s.log.Warn("what a replay has left cannot be removed", "folder", dir, "error", err)
		}
	}
	o := whatif.Options{Past: s.Log.Past(), Dir: c.Data, Memory: min(memory/8, maxWhatIf), Logger: s.log}
	if checkpoints != nil {
		o.Checkpoints = checkpoints.Blobs
	}
	return o
}

const maxWhatIf = 256 << 20

// seal returns what seals the personal data of events, nil when it is to stay
// as it is.
func (s *Service) seal(c config.Config) func(context.Context, []processor.Event) error {
	if c.Personal != config.PersonalSealed {
		return nil
	}
	return s.sealer.Seal
}

// sealCall returns what seals a call that was refused, nil when it is to stay as
// it is.
func (s *Service) sealCall(c config.Config) func(context.Context, []byte) (string, error) {
	if c.Personal != config.PersonalSealed {
		return nil
	}
	return func(ctx context.Context, call []byte) (string, error) { return s.sealer.SealCall(ctx, call, s.clock()) }
}

// expireCalls destroys the keys of refused calls of long ago, once a day.
func (s *Service) expireCalls(ctx context.Context) {
	for {
		wait := 24 * time.Hour
		if err := s.sealer.ExpireCalls(ctx, s.clock()); err != nil && ctx.Err() == nil {
			s.log.Warn("keys of refused calls that are too old cannot be destroyed yet", "error", err)
			wait = time.Minute
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// serve starts the HTTP server. Its limits are against senders that are slow
// on purpose; the collector bounds the bodies.
func (s *Service) serve(o Options, id string, past whatif.Options) {
	c := o.Config
	pages := map[string]collector.PageKey{}
	for key, p := range c.Keys.Pages {
		only, _ := segment.OfPages().With(p.Also) // the configuration was checked
		pages[key] = collector.PageKey{Source: p.Source, Only: only}
	}
	inlet := collector.New(collector.Config{
		Keys: c.Keys.Write, Pages: pages, Rules: (&door{log: s.Log, worker: s.Worker}).rules, AddressKey: s.addressKey, Logger: o.Logger,
		Clock: func() int64 { return o.Clock().UnixMilli() },
	}, appender{worker.NewIntake(s.Log), s.seal(c)}, refuser{s.Log.DeadLetters(), s.sealCall(c)})
	handler := api.New(api.Config{
		Worker: s.Worker, Log: s.Log, Collector: inlet, Sealer: s.sealer, ID: id, Address: addressOf,
		Read: c.Keys.Read, Operate: c.Keys.Operate, Voucher: c.Keys.Voucher, Open: !c.Keys.Any(),
		WhatIf: past, Clock: o.Clock, Version: o.Version, Logger: o.Logger,
	})
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(handler.Close)
	s.tasks.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	})
}

// watch waits for the end of the embedded log.
func (s *Service) watch(ctx context.Context) {
	select {
	case err := <-s.server.Failed():
		s.failed <- err
	case <-ctx.Done():
	}
}

// URL returns the address of the HTTP server.
func (s *Service) URL() string { return "http://" + s.listener.Addr().String() }

// NATS returns the address of the embedded server, "" when it has none.
func (s *Service) NATS() string {
	if s.server == nil {
		return ""
	}
	return s.server.ClientURL()
}

// Failed yields an error when the process cannot go on: the HTTP server has
// ended, or the embedded log cannot be written.
func (s *Service) Failed() <-chan error { return s.failed }

// WaitReady waits until /readyz would say so.
func (s *Service) WaitReady(ctx context.Context) error {
	for {
		why := api.Ready(ctx, s.Log, s.Worker)
		if why == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("the service is not ready: %w", why)
		}
	}
}

// activate puts the rules in force on a new deployment. Only the owner of the
// first partition does, and only when no rules have ever been.
func (s *Service) activate(ctx context.Context) {
	for ctx.Err() == nil {
		version := ""
		err := s.live(ctx, func(m *processor.Machine) { version = m.Shop().Version })
		if err == nil && version != "" {
			if s.named && version != s.Rules.Hash {
				s.log.Info("other moments are in force than those given; onhand apply puts a file in force", "active", version, "given", s.Rules.Hash)
			}
			return
		}
		wait := 50 * time.Millisecond
		if err == nil {
			err = s.Worker.Control(ctx, &processor.Control{Type: processor.Activate, At: s.clock().UnixMilli(), Text: s.Rules.Source})
			if err == nil {
				s.log.Info("moments activated on a new deployment", "version", s.Rules.Hash)
				return
			}
			s.log.Warn("moments cannot be activated yet", "error", err)
			wait = time.Second
		} else if errors.Is(err, worker.ErrNotOwned) {
			wait = 200 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

var errOpening = errors.New("the partition is being opened")

// live asks the first partition once it has replayed what was committed.
func (s *Service) live(ctx context.Context, f func(*processor.Machine)) error {
	if p := s.Worker.Status(ctx)[0]; !api.Live(p) && p.Phase != "elsewhere" {
		return errOpening
	}
	return s.Worker.Ask(ctx, 0, f)
}

// Close stops the service in order. What is not done when ctx ends is left for
// the next start: nothing that was accepted is lost.
func (s *Service) Close(ctx context.Context) error {
	var errs []error
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	} else if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.Worker != nil {
		errs = append(errs, s.Worker.Close(ctx))
	}
	if s.actions != nil {
		errs = append(errs, s.actions.Close())
	}
	if s.stop != nil {
		s.stop()
	}
	s.tasks.Wait()
	if s.sealer != nil {
		s.sealer.Close()
	}
	if s.Log != nil {
		s.Log.Close()
	}
	if s.server != nil {
		s.server.Close()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}
