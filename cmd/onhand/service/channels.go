package service

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"onhand/cmd/onhand/config"
	"onhand/connectors"
	"onhand/connectors/file"
	"onhand/connectors/seal"
	"onhand/connectors/webhook"
	"onhand/processor"
)

// openChannels opens the channels of the configuration, and one file for all
// those that it leaves out; see rest.
func (s *Service) openChannels(c config.Config) (all map[string]connectors.ChannelConfig, err error) {
	all = map[string]connectors.ChannelConfig{}
	defer func() {
		if err != nil {
			for _, channel := range all {
				channel.Channel.Close()
			}
		}
	}()
	for name, cc := range c.Channels {
		channel, err := openChannel(c.Data, cc)
		if err != nil {
			return all, fmt.Errorf("channel %s: %w", name, err)
		}
		if cc.To {
			channel = seal.NewChannel(channel, s.sealer, s.addresses)
		}
		all[name] = connectors.ChannelConfig{
			Channel: channel, RatePerSecond: cc.Rate, Burst: cc.Burst, InFlight: cc.InFlight, Timeout: cc.Timeout, HandOver: s.handOver(name),
		}
	}
	path := filepath.Join(c.Data, "actions.ndjson")
	if s.actions, err = file.New(file.Config{Path: path, MaxBytes: 256 << 20}); err != nil {
		return all, fmt.Errorf("%s: %w", path, err)
	}
	for _, channel := range s.Rules.Policy.Channels {
		if _, ok := all[channel.Name]; !ok {
			all[channel.Name] = s.rest(channel.Name)
		}
	}
	return all, nil
}

// rest is a channel that is not configured: what it is given goes to the file
// that all of them share.
func (s *Service) rest(name string) connectors.ChannelConfig {
	return connectors.ChannelConfig{Channel: shared{s.actions}, HandOver: s.handOver(name)}
}

// shared is the file of several channels. The service closes it.
type shared struct{ *file.Channel }

func (shared) Close() error { return nil }

// handOver returns what the moments in force promise of a channel.
func (s *Service) handOver(name string) func() time.Duration {
	return func() time.Duration {
		if p := s.Worker.Rules().Policy.Channel(name); p != nil {
			return p.HandOver
		}
		return 0
	}
}

// addresses returns where a customer is reached, under whichever of their ids,
// as long as the partitions of these run here: those that actions of the
// customer leave from.
func (s *Service) addresses(ctx context.Context, customer string) (a processor.Addresses, err error) {
	for range maxHops {
		keptBy := ""
		part := processor.PartitionOf(processor.Hash(customer), s.Log.Partitions())
		err = s.Worker.Ask(ctx, part, func(m *processor.Machine) { a, keptBy = m.Addresses(customer) })
		if err != nil || keptBy == "" {
			return a, err
		}
		customer = keptBy
	}
	return a, fmt.Errorf("more than %d ids of one customer point at each other", maxHops)
}

const maxHops = 64

func openChannel(data string, c config.Channel) (connectors.Channel, error) {
	switch c.Type {
	case "webhook":
		return webhook.New(webhook.Config{URL: c.URL, Secrets: c.Secrets, Timeout: c.Timeout, PublicOnly: c.PublicOnly})
	case "file":
		path := c.Path
		if !filepath.IsAbs(path) {
			path = filepath.Join(data, path)
		}
		return file.New(file.Config{Path: path, Sync: c.Sync, MaxBytes: c.MaxBytes})
	}
	return nil, errors.New("no such type; webhook or file")
}
