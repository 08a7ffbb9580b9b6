# `make` lists the targets.
.DEFAULT_GOAL := help
.NOTPARALLEL:

GOFMT    := $(shell go env GOROOT)/bin/gofmt
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
FUZZTIME ?= 1m

# Slow broker tests whose subject does not depend on a cluster.
CLUSTER_SKIP := MixedFleet|SlowClock|Crash|WaitMissesNoEnd|RecoveryIsAnnounced|NobodyAnnounces|Retention|ManyWorkers|ThatForgets|ForeignTasks|AreListed

.PHONY: help test tools vet format-check lint race build run fmt fuzz bench cover docker clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: tools build vet format-check lint race ## Check everything; installs what the tests need

tools: ## Install redis-server, gcc, Chromium and Node.js where they are missing, and npm packages
	@scripts/install-test-tools

vet: ## Run go vet
	go vet ./...
	go vet -C test ./...
	go vet -C test/outside ./...

format-check: ## Check that gofmt has nothing to change
	@files=$$($(GOFMT) -l .); test -z "$$files" || { echo "not formatted, run make fmt:" $$files; exit 1; }

lint: ## Run golangci-lint in the version that tools/go.mod pins, and compare the public packages with the last tag
	go tool -modfile=tools/go.mod golangci-lint run
	go tool -C test -modfile=../tools/go.mod golangci-lint run
	scripts/apidiff

race: ## Run the tests with the race detector, and the broker's also on a cluster
	go test -race -timeout 30m ./...
	go test -C test -count=1 -race -timeout 30m ./... # for Go does not see that they read files of the root module
	go test -C test/outside -race ./...
	BACKBEAT_TEST_CLUSTER=1 go test -race -timeout 30m -skip '$(CLUSTER_SKIP)' ./internal/broker

build: ## Build the programs into bin/
	scripts/build bin "$(VERSION)"

run: ## Run API, worker and beat in one process on http://127.0.0.1:8080
	go run ./cmd/standalone

fmt: ## Format the code and its imports
	go tool -modfile=tools/go.mod golangci-lint fmt
	go tool -C test -modfile=../tools/go.mod golangci-lint fmt

fuzz: ## Run each fuzz target for FUZZTIME (1m)
	scripts/fuzz $(FUZZTIME)

bench: ## Compare Backbeat with stock asynq, on an otherwise idle machine; takes about ten minutes
	@go run ./bench $(BENCHFLAGS)

cover: ## Measure the test coverage, into bin/cover.html
	@mkdir -p bin
	go test -coverpkg ./... -coverprofile bin/cover.out ./...
	go tool cover -html bin/cover.out -o bin/cover.html
	go tool cover -func bin/cover.out | tail -n 1

docker: ## Build the image backbeat
	docker build --build-arg VERSION="$(VERSION)" --tag backbeat .

clean: ## Remove the build output
	rm -rf bin
