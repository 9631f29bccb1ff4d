// Package executor decides WHEN: it follows watched executions from outside, evaluates their
// rules, and hands what must be told to the store as deliveries. It never sends.
//
//	flyteadmin → flyte.Feed → Rows → Execution (facts) → Evaluate → store.Move
//
// Evaluate is a pure function. Everything else repeats safely: one transaction moves a watch and
// inserts its deliveries, whose ids are made from what happened, so that a replay changes nothing.
package executor
