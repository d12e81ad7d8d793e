package table

// FromWire is the way from wire bytes alone, InGeneral that by values alone.
func (e *Encoder) FromWire(body []byte) (Encoded, bool)   { return e.fromWire(body) }
func (e *Encoder) InGeneral(body []byte) (Encoded, error) { return e.inGeneral(body) }
