# Bare "make" explains itself: it lists what stands behind "##".
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
FUZZTIME ?= 1000000x

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the server on http://127.0.0.1:8000 with a database in this folder
	go run ./cmd/propusk serve

.PHONY: demo
demo: ## Play the life of an account against a server of its own, step by step
	go run ./cmd/propusk demo

.PHONY: test
test: ## Run the tests, as the README says
	go test ./...

.PHONY: race
race: ## Run the tests in random order under the race detector (needs gcc)
	.ci/run race

.PHONY: lint
lint: ## Formatting, go vet and the linters
	.ci/run format vet lint

.PHONY: fuzz
fuzz: ## Run each fuzz target with FUZZTIME inputs (1000000x)
	FUZZTIME=$(FUZZTIME) .ci/run fuzz

.PHONY: cover
cover: ## Test coverage by function, and as a page in coverage.html
	go test -coverpkg=./... -coverprofile=cover.out ./...
	go tool cover -func=cover.out
	go tool cover -html=cover.out -o coverage.html

.PHONY: hold
hold: ## The long measurements: crashes, floods, timing, the model, a million members (up to an hour)
	go test -tags hold -timeout 60m -p 1 -v -skip '^TestNodes' ./internal/rbactest ./internal/lease ./internal/sqlstore ./e2e/...
	go -C bench test -tags hold -timeout 60m -v ./...

.PHONY: nodes
nodes: ## The long measurements of several nodes: thousands of revocations, whatever breaks (up to two hours)
	go test -tags hold -timeout 150m -v -run '^TestNodes' ./e2e

.PHONY: bench
bench: ## Time Propusk beside its peers (some minutes, on a quiet machine); writes bench/results and docs/performance.md
	go -C bench run ./speed -update-docs

.PHONY: generate
generate: ## Make all generated code anew
	go generate ./...

.PHONY: build
build: ## Build bin/propusk: one file, no cgo, stripped
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/propusk ./cmd/propusk

.PHONY: ci
ci: ## Everything a change must pass
	.ci/run

.PHONY: clean
clean: ## Remove what building and testing left; databases stay
	rm -rf bin coverage.html cover.out
	go clean -testcache
