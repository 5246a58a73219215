# What developers run; `make help` lists it. Everything obeys CARGO_TARGET_DIR.
#   make dev ARGS="--edges-per-region 2"
#   make test TESTS=stale            only tests with `stale` in their name
#   make bench ARGS="--rounds 5"

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
PYTHON_FOLDER := $(TARGET)/test-python
PYTHON_STAMP := $(PYTHON_FOLDER)/installed
BROWSER_STAMP := tests/browser/node_modules/.package-lock.json

.PHONY: help dev build test soak lint bench
.DEFAULT_GOAL := help

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: build ## Run a fleet on this machine (ARGS for `tidegate dev`); Ctrl-C stops it
	@exec $(TARGET)/release/tidegate dev $(ARGS)

build: ## Build target/release/tidegate
	@tools/install build
	cargo build --release --locked -p tidegate-cli

test: ## Run all tests (TESTS=name for some), installing what they need
	@tools/install test
	@$(MAKE) --no-print-directory $(PYTHON_STAMP) $(BROWSER_STAMP)
	@if cargo nextest --version >/dev/null 2>&1; then \
		cargo test --locked --workspace --doc --quiet $(TESTS) && \
		TIDEGATE_PYTHON=$(PYTHON_FOLDER)/bin/python cargo nextest run --locked --workspace --no-fail-fast $(TESTS); \
	else \
		TIDEGATE_PYTHON=$(PYTHON_FOLDER)/bin/python cargo test --locked --workspace --no-fail-fast $(TESTS); \
	fi

soak: ## Kill a process in the midst of writing to disk, ROUNDS times (1000)
	TIDEGATE_SOAK_ROUNDS=$(or $(ROUNDS),1000) cargo test --locked -p tidegate-store --test volume killed
	cargo build --locked -p tidegate-cli
	TIDEGATE_SOAK_ROUNDS=$(or $(ROUNDS),1000) cargo test --locked -p tidegate-tests --test integration disk::killed

lint: ## Check format, lints, licences and sources of dependencies
	@tools/install lint
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	tools/cargo-deny $(TARGET)/lint-tools --all-features check licenses bans sources

bench: ## Compare with nginx, HAProxy, Varnish, Traffic Server and Caddy (see docs/benchmarks.md)
	@tools/install build
	bench/install-tools
	cargo build --release --locked -p tidegate-cli -p tidegate-loadtest
	bench/run $(ARGS)

# The QUIC client of the tests, in an environment of its own.
$(PYTHON_STAMP): tests/tests/python/requirements.txt
	python3 -m venv $(PYTHON_FOLDER)
	$(PYTHON_FOLDER)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# What drives Chromium.
$(BROWSER_STAMP): tests/browser/package-lock.json
	cd tests/browser && npm ci --no-audit --no-fund
	@touch $@
