package service

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"onhand/cmd/onhand/config"
	"onhand/connectors"
	"onhand/connectors/file"
	"onhand/connectors/seal"
	"onhand/connectors/webhook"
	"onhand/processor"
	"onhand/processor/moments"
)

// openChannels opens the channels of the configuration, and one file for all
// the channels of the rules that it leaves out.
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
		all[name] = limits(s.Rules, name, connectors.ChannelConfig{
			Channel: channel, RatePerSecond: cc.Rate, Burst: cc.Burst, InFlight: cc.InFlight, Timeout: cc.Timeout,
		})
	}
	var rest []string
	for _, channel := range s.Rules.Policy.Channels {
		if _, ok := all[channel.Name]; !ok {
			rest = append(rest, channel.Name)
		}
	}
	if len(rest) == 0 {
		return all, nil
	}
	path := filepath.Join(c.Data, "actions.ndjson")
	actions, err := file.New(file.Config{Path: path, MaxBytes: 256 << 20})
	if err != nil {
		return all, fmt.Errorf("%s: %w", path, err)
	}
	users := newShared(actions, len(rest))
	for _, name := range rest {
		all[name] = limits(s.Rules, name, connectors.ChannelConfig{Channel: users})
	}
	return all, nil
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

// limits adds what the rules promise for a channel.
func limits(rules *moments.File, name string, c connectors.ChannelConfig) connectors.ChannelConfig {
	if p := rules.Policy.Channel(name); p != nil {
		c.HandOver = p.HandOver
	}
	return c
}

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
