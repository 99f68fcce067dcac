package processor

// SealedPrefix begins a text that an inlet has sealed: what only who has the
// customer's key can read. To the core it is a text like any other; only an
// address that is sealed is kept, for the channels. Between the prefix and the
// first dot stands the name of the key.
const SealedPrefix = "sealed:"

// MaxSealedBytes bounds Traits and Properties that are sealed: what was
// MaxPropertyBytes is up to that long then.
const MaxSealedBytes = 32 << 10
