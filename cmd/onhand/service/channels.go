package service

import (
	"errors"
	"fmt"
	"path/filepath"

	"onhand/cmd/onhand/config"
	"onhand/connectors"
	"onhand/connectors/file"
	"onhand/connectors/webhook"
	"onhand/processor/moments"
)

// openChannels opens the channels of the configuration, and one file for all
// the channels of the rules that it leaves out.
func openChannels(c config.Config, rules *moments.File) (all map[string]connectors.ChannelConfig, err error) {
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
		all[name] = limits(rules, name, connectors.ChannelConfig{
			Channel: channel, RatePerSecond: cc.Rate, Burst: cc.Burst, InFlight: cc.InFlight, Timeout: cc.Timeout,
		})
	}
	var rest []string
	for _, channel := range rules.Policy.Channels {
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
		all[name] = limits(rules, name, connectors.ChannelConfig{Channel: users})
	}
	return all, nil
}

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
