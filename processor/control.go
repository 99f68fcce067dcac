package processor

// ControlType says what a control changes for the whole shop.
type ControlType uint8

// The controls. Stored in the log; never renumber.
const (
	Activate ControlType = iota + 1 // a moments file comes into force
	Stop                            // the kill switch, whole or for a tag
	Resume
	SourceSays // a source has reported complete up to At
	CrisisOn
	CrisisOff
	RaiseCode  // version At of decisions comes into force
	StallBegan // nobody runs partition At; each partition hears of it by itself
	StallEnded
	ChannelSays // a channel takes nothing before At; 0 = it does again
	// ActivateKeeping is Activate, but what is pending is gated by the file it
	// began under.
	ActivateKeeping
	Rewound // this partition was: it asks the others for what it has not heard
)

// Control is a change for the whole shop. It enters the log at partition 0,
// which applies it and passes it on to all others, so that the log says which
// rules held when.
type Control struct {
	Type ControlType
	Name string // tag (empty: everything), source or channel; Activate...: a secret
	At   int64
	Text []byte // Activate...: the moments file
}

// AppendControl appends the entry of a control.
func AppendControl(dst []byte, c *Control) []byte {
	w := writer{b: append(dst, byte(ControlEntry))}
	c.encode(&w)
	return w.b
}

func (c *Control) encode(w *writer) {
	w.u8(uint8(c.Type))
	w.str(c.Name)
	w.int(c.At)
	w.bytes(c.Text)
}

func (c *Control) decode(r *reader) {
	c.Type = ControlType(r.u8())
	c.Name = r.str()
	c.At = r.int()
	c.Text = r.bytes()
}

// control applies a control that entered here and passes it on.
func (m *Machine) control(c *Control) {
	w := writer{}
	c.encode(&w)
	for p := range m.partitions {
		if p != m.partition && c.Type != StallBegan && c.Type != StallEnded && c.Type != Rewound {
			m.sendTo(p, &Message{Type: ShopControl, Body: w.b})
		}
	}
	m.applyControl(c)
}

func (m *Machine) applyControl(c *Control) {
	s := &m.shop
	switch c.Type {
	case SourceSays, RaiseCode, StallBegan, StallEnded, ChannelSays, Rewound:
	default:
		defer m.retell(c.Type == Activate || c.Type == ActivateKeeping) // who is in an audience may not stay, who is out may come back
	}
	switch c.Type {
	case Activate, ActivateKeeping:
		m.activate(c.Text, c.Type == ActivateKeeping)
		s.Secret = c.Name
		m.awaitSilence()
	case Stop, Resume:
		if c.Name == "" {
			s.Stopped = c.Type == Stop
		} else {
			s.Tags = setMember(s.Tags, c.Name, c.Type == Stop)
		}
	case SourceSays:
		m.sourceSays(c.Name, c.At)
	case RaiseCode:
		s.Deployment.Code = max(s.Deployment.Code, uint64(c.At))
	case StallBegan, StallEnded:
		s.Deployment.stall(c.At, c.Type == StallBegan)
	case ChannelSays:
		s.hold(c.Name, c.At)
	case Rewound:
		for p := range m.partitions {
			from := s.sender(uint64(p))
			from.Asked = 0 // what came of asking before may be lost as well
			m.missing(from)
		}
	case CrisisOn, CrisisOff:
		s.Crises = setMember(s.Crises, c.Name, c.Type == CrisisOn)
	}
}
