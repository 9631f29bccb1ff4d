# Targets for people. `make` alone explains them.

GO             ?= go
BIN            := bin/flyte-notifier
IMAGE          ?= flyte-notifier:dev
CONFIG         ?= examples/local.yaml
FUZZTIME       ?= 60s
RACEFLAGS      ?=
E2EFLAGS       ?= -count=1 -timeout 30m
BENCH          ?=
BENCHFLAGS     ?=
BENCHPEER      := bench/.venv/installed
GOLANGCI_LINT  := v2.15.0
TOOLS          := $(CURDIR)/bin/tools

.DEFAULT_GOAL := help
.PHONY: help build demo run test examples race e2e lint format fuzz bench benchdoc microbench schema image clean

help: ## this list
	@echo "flyte-notifier: make TARGET"
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/flyte-notifier (static, no C compiler needed)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/agent

demo: build ## watch a success, a failure and an abort reach Slack and e-mail, all simulated here
	$(BIN) demo

run: build ## serve with CONFIG=file (default: a Flyte sandbox on this machine, messages to the terminal)
	$(BIN) serve --config $(CONFIG)

test: examples ## unit tests, and that every example is valid
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
		[ -n "$$FLYTE_NOTIFIER_TEST_POSTGRES" ] || echo "no Postgres on this machine: tests that need one are skipped"
	$(GO) test ./...

examples: build ## check that the examples and the deployed config are accepted
	@set -e; for f in examples/*.yaml; do $(BIN) validate $$f; done
	@set -e; for f in deploy/configmap.yaml deploy/postgres/configmap.yaml examples/sandbox/configmap.yaml; do \
		sed '1,/config.yaml: |/d; s/^    //' $$f > bin/deployed.yaml; \
		echo "$$f:"; $(BIN) validate bin/deployed.yaml; \
	done

race: ## unit tests with the race detector (needs gcc); RACEFLAGS=-short leaves out those that take it minutes
	CGO_ENABLED=1 $(GO) test -race -timeout 40m $(RACEFLAGS) ./...

e2e: build ## the real FlytePropeller drives bin/flyte-notifier (first build takes minutes)
	cd e2e && $(GO) test $(E2EFLAGS) ./...

lint: $(TOOLS)/golangci-lint ## linters and formatting, both modules
	$(TOOLS)/golangci-lint run ./...
	cd e2e && $(TOOLS)/golangci-lint run --config ../.golangci.yml ./...

format: $(TOOLS)/golangci-lint ## rewrite files in the project's format
	$(TOOLS)/golangci-lint fmt ./... ./e2e/...

fuzz: ## every fuzz target for FUZZTIME (60s; or a count of runs, as 20000x)
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=e2e . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

bench: build $(BENCHPEER) ## measure the agent and its peers, some ten minutes (BENCH=regexp of parts, BENCHFLAGS=-short)
	$(GO) run ./bench -run '$(BENCH)' $(BENCHFLAGS)

benchdoc: build $(BENCHPEER) ## measure, and write the table into docs/performance.md
	$(GO) run ./bench -doc docs/performance.md $(BENCHFLAGS)

microbench: ## the benchmarks of single packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

schema: ## write docs/schema anew; `make test` fails when it is not current
	$(GO) test ./spec ./config -run TestSchemaIsCurrent -update

image: ## container image IMAGE (flyte-notifier:dev)
	docker build --tag $(IMAGE) .

clean: ## remove what was built
	rm -rf bin

# golangci-lint is built from source into bin/tools, at exactly this version.
$(TOOLS)/golangci-lint: Makefile
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)

# The peer that `make bench` measures beside ours. Without a Python it is skipped, with a line that
# says so.
$(BENCHPEER): bench/requirements.txt
	@if python3 -m venv bench/.venv && bench/.venv/bin/pip install --quiet --requirement bench/requirements.txt; \
		then touch $@; else rm -rf bench/.venv; echo "no Python 3 with venv, or no package index: flytekit is not measured"; fi
