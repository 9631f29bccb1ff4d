package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/flyte-notifier/flyte-notifier/notifier"
	"github.com/flyte-notifier/flyte-notifier/store"
)

// maxMeta bounds the resource_meta, which FlytePropeller keeps in the FlyteWorkflow.
const maxMeta = 2 << 10

// metaVersion is raised when older agents could not read a meta.
const metaVersion = 1

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

// encode fits into maxMeta: all that is not short by itself is Rejected, see rejection.
func (m meta) encode() ([]byte, error) {
	m.Version = metaVersion
	raw, err := compact(m)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "encode resource_meta: %v", err)
	}
	return raw, nil
}

// decodeMeta reads what encode wrote. The error of anything else names resource_meta.
func decodeMeta(raw []byte) (m meta, err error) {
	if len(raw) > maxMeta {
		return m, fmt.Errorf("resource_meta: has %d bytes, at most %d are allowed", len(raw), maxMeta)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("resource_meta: not of this agent: %w", err)
	}
	switch {
	case m.Version != metaVersion:
		return m, fmt.Errorf("resource_meta: not of this agent: version %d, not %d", m.Version, metaVersion)
	case m.Watch == "" && m.Rejected == "":
		return m, errors.New("resource_meta: not of this agent: names no watch")
	}
	return m, nil
}

// Bounds of a rejection, in bytes: of one problem, and of all as JSON, so that a meta has room for
// the rest of its own.
const (
	maxProblem  = 400
	maxProblems = maxMeta - 200
)

// rejection lists the problems, as many as fit.
func rejection(problems []notifier.Problem) string {
	text := "bad notification task:"
	for _, p := range problems {
		longer := text + "\n" + cut(strings.ReplaceAll(notifier.Printable(p.String()), "\n", " "), maxProblem)
		if raw, err := compact(longer); err != nil || len(raw) > maxProblems {
			return text + "\nand more: flyte-notifier validate lists them"
		}
		text = longer
	}
	return text
}

// compact is JSON as short as it can be: json.Marshal makes six bytes of every <.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
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
