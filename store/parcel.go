package store

// Parcel is a watch with all that goes with it, on its way to another store.
type Parcel struct {
	Watch      Watch      // of one that was purged only the ID
	Purged     bool       // the watch was
	Events     []Event    // ascending
	Deliveries []Delivery // in their order
	Forgotten  []string   // ids of deliveries that were purged
	Notes      []Note     // that go with the watch
}

// Sundries are what belongs to no watch, on its way to another store.
type Sundries struct {
	Buckets  []Bucket
	Holds    []LaneHold
	Resolved []Resolution
}

// Bucket is a rate's bucket: FullAt is when it will be full again, in nanoseconds since 1970.
type Bucket struct {
	Name   string
	FullAt int64
}

// LaneHold is a lane that wants nothing before Until, in microseconds since 1970.
type LaneHold struct {
	Lane  Lane
	Until int64
}

// Resolution is what a service calls a lane's destination, see Names.
type Resolution struct {
	Lane  Lane
	Value []byte
}
