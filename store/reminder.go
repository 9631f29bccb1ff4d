package store

import (
	"strconv"
	"strings"
)

// Fallback says whether the delivery is sent only when all others of its occurrence are dead. The key ends with the step.
func (d Delivery) Fallback() bool {
	step := d.Key[strings.LastIndexByte(d.Key, '|')+1:]
	return strings.HasPrefix(step, "fallback[") || strings.Contains(step, "].fallback[")
}

// Reminder says whether the delivery tells again what was told before, so that it is less urgent than what is new. The
// key ends with the count of the occurrence and the step. Only those of a rule's send were told before: an escalation
// and a fallback tell somebody else.
func (d Delivery) Reminder() bool {
	i := strings.LastIndexByte(d.Key, '|')
	if i < 0 || !strings.HasPrefix(d.Key[i+1:], "send[") {
		return false
	}
	count, err := strconv.Atoi(d.Key[strings.LastIndexByte(d.Key[:i], '|')+1 : i])
	return err == nil && count > 0
}
