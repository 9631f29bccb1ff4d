// Package engine is what the engines of the store do alike, whatever their database: how writes are
// gathered, how rows are listed, what damage in a row is. It knows no SQL.
package engine
