package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// maxMeta bounds the resource_meta, which FlytePropeller keeps in the FlyteWorkflow.
const maxMeta = 2 << 10

// meta is the resource_meta: what later calls know of a task. It carries a rejection itself, and
// all that a task which does not wait is answered with, so that those need no store.
type meta struct {
	Version  int        `json:"v"`
	Watch    string     `json:"watch,omitempty"`
	Attempt  uint32     `json:"attempt,omitempty"`
	Kind     store.Kind `json:"kind,omitempty"`
	Wait     bool       `json:"wait,omitempty"`    // the task runs until the store says otherwise
	Require  string     `json:"require,omitempty"` // of a send: accepted or delivered
	Outputs  []string   `json:"outputs,omitempty"` // those the task declares
	Rejected string     `json:"rejected,omitempty"`
}

const metaVersion = 1

// encode never fails: all that is not bounded by itself is Rejected, and that is cut to fit.
func (m meta) encode() ([]byte, error) {
	m.Version = metaVersion
	raw, err := json.Marshal(m)
	if err == nil && len(raw) > maxMeta {
		err = fmt.Errorf("resource_meta has %d bytes, at most %d are allowed", len(raw), maxMeta)
	}
	return raw, err
}

func decodeMeta(raw []byte) (meta, error) {
	var m meta
	if len(raw) > maxMeta {
		return m, fmt.Errorf("resource_meta: %d bytes, at most %d are allowed", len(raw), maxMeta)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("resource_meta: not of this agent: %w", err)
	}
	switch {
	case d.More():
		return m, errors.New("resource_meta: not of this agent: more than one value")
	case m.Version != metaVersion:
		return m, fmt.Errorf("resource_meta: version %d, this agent writes %d", m.Version, metaVersion)
	case m.Watch == "" && m.Rejected == "":
		return m, errors.New("resource_meta: names no watch")
	}
	return m, nil
}

// rejection lists the problems, as many as fit.
func rejection(problems []notifier.Problem) string {
	const room = 1200 // JSON escapes can make it half as long again
	var b strings.Builder
	b.WriteString("bad notification task:")
	for i, p := range problems {
		line := "\n" + cut(clean(p.String()), 400)
		if b.Len()+len(line) > room {
			fmt.Fprintf(&b, "\nand %d more problems", len(problems)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// clean makes text safe for a protobuf string and for JSON of bounded length.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// cut shortens s to at most n bytes, on a rune's border, and says so.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
