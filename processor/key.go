package processor

import "github.com/cespare/xxhash/v2"

// EntityKind says what an entity is. Kinds are part of keys on disk; never
// renumber them.
type EntityKind uint8

// The kinds of entity.
const (
	ShopKind      EntityKind = iota + 1 // the partition's own state: clock, rules, senders
	CustomerKind                        // one person, by customer id
	ItemKind                            // one SKU, in the partition that decides about its stock
	WatchKind                           // one SKU as this partition's customers see it
	ChunkKind                           // a part of a long ordered list (queue, watchers)
	OutboxKind                          // on disk only: a customer with pending actions
	SaleKind                            // one announced sale, by sale id, as a partition sees it
	RewardKind                          // one reward, by reward id, where a till asks for it
	QuorumKind                          // one audience, where it is counted who would be in it
	HouseholdKind                       // one household, where it is known who is of it

	entityKinds // the number of kinds, with 0
)

func (k EntityKind) String() string {
	switch k {
	case ShopKind:
		return "shop"
	case CustomerKind:
		return "customer"
	case ItemKind:
		return "item"
	case WatchKind:
		return "watch"
	case ChunkKind:
		return "chunk"
	case SaleKind:
		return "sale"
	case RewardKind:
		return "reward"
	case QuorumKind:
		return "quorum"
	case HouseholdKind:
		return "household"
	}
	return "unknown"
}

// Slots is the number of ranges the key space is divided into. A partition
// owns a contiguous range of slots, so that it can later be split by range.
// The slot is the top 12 bits of the hash and so stands in front of each key.
const Slots = 4096

// Hash returns the 64-bit hash that addresses an id: xxhash64. Two ids of one
// kind with the same hash are told apart by the partition, which stores the id.
func Hash(id string) uint64 { return xxhash.Sum64String(id) }

// PartitionOf returns the partition, from 0 to partitions-1, that owns a hash.
// partitions is from 1 to Slots.
func PartitionOf(hash uint64, partitions int) int {
	return int(hash >> 52 * uint64(partitions) / Slots)
}
