//go:build !linux

package agentproc

import "errors"

var errNoSmallDisk = errors.New("small disks need Linux namespaces")

// OnSmallDisk does nothing here: see CheckSmallDisk.
func (*Config) OnSmallDisk(int) {}

// CheckSmallDisk says that there are none here.
func CheckSmallDisk(string) error { return errNoSmallDisk }

// FillDisk is impossible here.
func (*Agent) FillDisk() error { return errNoSmallDisk }

// FreeDisk is impossible here.
func (*Agent) FreeDisk() error { return errNoSmallDisk }
