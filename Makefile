# Everything a person or a build server does here. Only Go is needed.

GO     ?= go
GOFMT  := "$$($(GO) env GOROOT)/bin/gofmt"
SEEDS  ?= 200
SECONDS ?= 20
SEED   ?= 0
CHECKS ?= 2000
LINT   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What is drawn is the same each time, so that a change fails for what it changed;
# make explore draws anew.
export RAPID_SEED ?= 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## the binary ./onhand
	$(GO) build -o onhand ./cmd/onhand

.PHONY: run
run: ## the service with a simulated shop in front of it, about a minute
	$(GO) run ./cmd/onhand demo

.PHONY: test
test: ## the tests, within three minutes on two cores; make race runs those that wait for elections as well
	$(GO) test -short ./...

.PHONY: race
race: ## all tests under the race detector
	$(GO) test -race -timeout 30m ./...

.PHONY: lint
lint: ## vet and golangci-lint
	$(GO) vet ./...
	$(GO) run $(LINT) run ./...

.PHONY: fmt
fmt: ## format all files
	$(GOFMT) -w .

.PHONY: fmt-check
fmt-check: ## fail when a file is not formatted
	@files=$$($(GOFMT) -l .); if [ -n "$$files" ]; then echo "not formatted, run make fmt:"; echo "$$files"; exit 1; fi

.PHONY: sim
sim: ## the simulator on SEEDS= seeds; prints the seed that fails
	$(GO) run ./cmd/onhand sim --seeds $(SEEDS)

.PHONY: scenarios
scenarios: ## the shipped scenarios
	$(GO) run ./cmd/onhand test processor/scenario/scenarios

.PHONY: bench
bench: ## the harness, side by side with the bare pipe
	$(GO) run ./cmd/onhand bench

.PHONY: bench-quick
bench-quick: ## the same in under a minute
	$(GO) run ./cmd/onhand bench --quick

.PHONY: fuzz
fuzz: ## every fuzz target for SECONDS= seconds
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(SECONDS)s $$package; \
		done; \
	done

.PHONY: explore
explore: ## every property with CHECKS= draws nobody has seen; prints the seed that fails
	RAPID_SEED=$(SEED) RAPID_CHECKS=$(CHECKS) $(GO) test -timeout 6h $$($(GO) list -f '{{.TestImports}} {{.XTestImports}} {{.ImportPath}}' ./... | awk '/rapid/ {print $$NF}')

.PHONY: kill
kill: ## services killed under load, compared with an undisturbed replay
	$(GO) test ./cmd/onhand/faults -run TestKill -seed $(SEED) -kill 20 -timeout 20m -v

.PHONY: chaos
chaos: ## three services on three NATS servers, and what can break broken for SECONDS= seconds, by SEED=
	$(GO) test ./cmd/onhand/faults -run 'TestChaos|TestTruncatedLog' -seed $(SEED) -chaos $(SECONDS)s -timeout 2h -v

.PHONY: golden
golden: ## write the golden files anew; look at the difference before committing
	$(GO) test ./processor -run Golden -rewrite-golden
	$(GO) test ./processor/scenario -rewrite
	$(GO) test ./processor/moments -run TestFaults -rewrite
	$(GO) test ./cmd/onhand/config -run Golden -rewrite

.PHONY: ci
ci: fmt-check lint race sim bench-quick ## what must hold before a change is taken
