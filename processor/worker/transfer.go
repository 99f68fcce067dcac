package worker

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// outbox is what one partition has to tell another: the messages of confirmed
// commits, in the order of their numbers, packed into records of which one is
// in flight. The receiver drops copies by number, so that a record whose fate
// is unknown is simply published again.
type outbox struct {
	parcels []*parcel
	busy    bool   // the first one is in flight
	listed  bool   // in Partition.ready
	held    bool   // nothing leaves until Requeue, see Hold
	queued  uint64 // number of the last message queued
	acked   uint64 // number of the last message known to be in the receiver's log
}

// parcel is a record of transfers.
type parcel struct {
	record  []byte
	entries int
	last    uint64 // number of its last message
}

const maxSizeBytes = 3 // of the size in front of an entry

// transfer queues a confirmed message, unless it was queued before.
func (p *Partition) transfer(body []byte, incarnation uint64) error {
	t, err := processor.ParseTransfer(body)
	if err != nil {
		return err
	}
	t.Incarnation = incarnation
	if t.Receiver < 0 || t.Receiver >= len(p.boxes) || t.Receiver == p.cfg.Partition {
		return fmt.Errorf("worker: partition %d: message to partition %d, which does not exist or is itself", p.cfg.Partition, t.Receiver)
	}
	b := &p.boxes[t.Receiver]
	if t.Number <= b.queued {
		return nil
	}
	begin := 0
	if b.busy {
		begin = 1
	}
	rest, err := p.pack(b.parcels[begin:], t)
	if err != nil {
		return err
	}
	b.parcels = append(b.parcels[:begin], rest...)
	b.queued = t.Number
	p.list(t.Receiver)
	return nil
}

// pack puts a message into the last of some parcels, or into a new one.
func (p *Partition) pack(parcels []*parcel, t processor.Transfer) ([]*parcel, error) {
	p.own.scratch = processor.AppendTransfer(p.own.scratch[:0], p.cfg.Partition, t.Incarnation, t)
	entry := p.own.scratch
	var k *parcel
	if n := len(parcels); n > 0 {
		k = parcels[n-1]
	}
	if k == nil || k.entries == processor.MaxRecordEntries || len(k.record)+maxSizeBytes+len(entry) > processor.MaxRecordBytes {
		k = &parcel{record: processor.AppendRecordHeader(make([]byte, 0, 1024), 0)} // stamped when it leaves
		parcels = append(parcels, k)
	}
	before := len(k.record)
	k.record = processor.AppendRecordEntry(k.record, entry)
	if len(k.record) > processor.MaxRecordBytes {
		return nil, fmt.Errorf("worker: partition %d: message %d to partition %d has %d bytes, a record holds %d",
			p.cfg.Partition, t.Number, t.Receiver, len(entry), processor.MaxRecordBytes)
	}
	k.entries++
	k.last = t.Number
	p.owed += len(k.record) - before
	return parcels, nil
}

// Hold keeps messages to a receiver back until Requeue is called for it. It takes
// none that come before their turn, and asks for those in between but once.
func (p *Partition) Hold(receiver int) {
	if b := &p.boxes[receiver]; !b.held {
		b.held = true
		p.holding++
	}
	p.unlist(receiver)
}

// Requeue publishes messages to a receiver again, in the order of their numbers
// and before those that wait: its log has lost them. What of them it still has
// it knows by their numbers. It ends Hold.
func (p *Partition) Requeue(receiver int, again []processor.Transfer) error {
	if p.stopped != nil || receiver < 0 || receiver >= len(p.boxes) || receiver == p.cfg.Partition {
		return p.stopped
	}
	var parcels []*parcel
	for _, t := range again {
		var err error
		if parcels, err = p.pack(parcels, t); err != nil {
			return p.stop(err)
		}
	}
	b := &p.boxes[receiver]
	if b.held {
		b.held = false
		p.holding--
	}
	begin := 0
	if b.busy {
		begin = 1
	}
	b.parcels = slices.Insert(b.parcels, begin, parcels...)
	p.list(receiver)
	return nil
}

// list makes NextTransfer look at a receiver.
func (p *Partition) list(q int) {
	if b := &p.boxes[q]; !b.busy && !b.listed && !b.held && len(b.parcels) > 0 {
		b.listed = true
		p.ready = append(p.ready, q)
	}
}

// unlist ends list.
func (p *Partition) unlist(q int) {
	if b := &p.boxes[q]; b.listed {
		b.listed = false
		p.ready = slices.DeleteFunc(p.ready, func(x int) bool { return x == q })
	}
}

// NextTransfer returns a record to publish in the log of another partition. It
// is valid until TransferDone is called for that partition.
func (p *Partition) NextTransfer(now int64) (receiver int, record []byte, ok bool) {
	if len(p.ready) == 0 || p.stopped != nil || p.following {
		return 0, nil, false
	}
	q := p.ready[0]
	p.ready = slices.Delete(p.ready, 0, 1)
	b := &p.boxes[q]
	b.listed, b.busy = false, true
	record = b.parcels[0].record
	processor.AppendRecordHeader(record[:0], now)
	return q, record, true
}

// told takes the word of a commit record that the messages up to number are in
// the receiver's log: the owner whose partition is followed has put them there.
func (p *Partition) told(receiver int, number uint64) {
	b := &p.boxes[receiver]
	b.acked, b.queued = max(b.acked, number), max(b.queued, number)
	n := 0
	for ; n < len(b.parcels) && b.parcels[n].last <= number; n++ {
		p.owed -= len(b.parcels[n].record) - processor.RecordHeaderBytes
	}
	if b.parcels = slices.Delete(b.parcels, 0, n); len(b.parcels) == 0 {
		p.unlist(receiver)
	}
}

// TransferDone says whether the record in flight to a partition is in its log.
// If not, or if that is not known, NextTransfer returns it again: after a
// failure call TransferDone only when it is time to try again.
func (p *Partition) TransferDone(receiver int, ok bool) {
	b := &p.boxes[receiver]
	if !b.busy {
		return
	}
	b.busy = false
	if ok {
		k := b.parcels[0]
		b.acked = max(b.acked, k.last)
		p.owed -= len(k.record) - processor.RecordHeaderBytes
		b.parcels = slices.Delete(b.parcels, 0, 1)
	}
	p.list(receiver)
}
