// Package memo remembers what texts came to: the templates and conditions of a workflow come again
// with each of its executions, and compiling them is most of what reading a spec costs.
//
// A memo is of a function without effects, whose result nobody changes; then it is not to be seen
// but in the time that things take.
package memo

import "sync"

// longest is the size, in bytes, of the longest text that is remembered: what users write is
// shorter, and what is longer must not fill the memory.
const longest = 4 << 10

// Memo remembers a function's results. It is safe for concurrent use.
type Memo[V any] struct {
	of    func(string) V
	limit int

	mu    sync.RWMutex
	young map[string]V
	old   map[string]V // the young of before: what is used again becomes young again
}

// New returns a memo of a function, which holds at most twice limit results. Without a function it is for
// Get and Put alone.
func New[V any](limit int, of func(string) V) *Memo[V] {
	return &Memo[V]{of: of, limit: limit, young: map[string]V{}}
}

// Of returns what the function makes of the text.
func (m *Memo[V]) Of(text string) V {
	v, ok := m.Get(text)
	if !ok {
		v = m.of(text)
		m.Put(text, v)
	}
	return v
}

// Get returns what was put for the text, as long as it is remembered.
func (m *Memo[V]) Get(text string) (v V, ok bool) {
	m.mu.RLock()
	v, ok = m.young[text]
	old := false
	if !ok {
		v, old = m.old[text]
	}
	m.mu.RUnlock()
	if old {
		m.Put(text, v)
	}
	return v, ok || old
}

// Put remembers what a text came to, unless it is too long.
func (m *Memo[V]) Put(text string, v V) {
	if len(text) > longest {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.young) >= m.limit {
		m.young, m.old = map[string]V{}, m.young
	}
	m.young[text] = v
}
