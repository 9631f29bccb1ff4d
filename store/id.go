package store

import (
	"crypto/sha256"
	"encoding/hex"
)

// NewID makes an id from a key: a letter for what it is, and enough of the key's hash.
func NewID(letter, key string) string {
	sum := sha256.Sum256([]byte(key))
	return letter + hex.EncodeToString(sum[:10])
}

// DeliveryID is the ID of the delivery with this Key.
func DeliveryID(key string) string { return NewID("d", key) }
