// Package connectortest is the suite that every channel passes. A channel
// brings a Harness: how to make one, together with a real peer that can be told
// to fail in the known ways. Run then holds it to the contract of
// connectors.Channel.
//
//	func TestConformance(t *testing.T) {
//		connectortest.Run(t, connectortest.Harness{New: newChannelAndPeer, Secrets: []string{secret}})
//	}
package connectortest
