# Semper. `make demo` and `make test` do all their own set-up on a machine that has only a Rust toolchain.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# RocksDB takes about 16 minutes to compile on 2 cores. Three habits let that happen once per machine:
# - one target folder outside the checkout, so that every clone reuses it;
# - one set of cargo flags for run, test and lint: the same profile and the same features always, so cargo finds nothing
#   to build again (--all-targets because a build without the tests' dependencies unifies features differently);
# - the ccache links first in PATH: the C++ compiler is cached even if the folder is lost, and cargo's fingerprints stay
#   as they are (they record CC and CXX, not PATH).
CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/semper
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PATH := /usr/lib/ccache:$(PATH)
FLAGS := --workspace --release --locked

SEMPER := $(CARGO_TARGET_DIR)/release/semper
# The checkout that last built there. Cargo tells sources of the same package apart by their times only, so those of
# another checkout would pass for ours; then our own packages (not the dependencies) are built again. Two checkouts that
# build or test at the same moment need a target folder each (CARGO_TARGET_DIR).
OWNER := $(CARGO_TARGET_DIR)/checkout
# Where `make serve` keeps its demonstration data; keys and ledger live there until you delete it.
DATA ?= $(CACHE)/demo-data

.PHONY: help demo test build serve bench fuzz models sim lint setup-build setup-all

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: build ## build, then timestamp, log and verify a document offline; ends by itself
	$(SEMPER) demo

test: setup-all build ## all tests, with the foreign clients that judge our output
	cargo test $(FLAGS)

build: setup-build ## build everything; the binary is linked at target/release/semper
	cargo build $(FLAGS) --all-targets
	@mkdir -p target/release
	@[ $(SEMPER) -ef target/release/semper ] || ln -sfn $(SEMPER) target/release/semper

serve: build ## run a demonstration server (DATA=… chooses its folder)
	@[ -e $(DATA) ] || $(SEMPER) init --data $(DATA) --demo
	$(SEMPER) serve --data $(DATA)

bench: build ## measure; AREA=tsa, ledger, trust, ca, notary or exchange for one area; writes target/bench.json
	$(SEMPER) bench $(if $(AREA),--area $(AREA)) --out target/bench.json

models: build ## explore the models of the exchange protocols, and say how many states there are
	cargo test $(FLAGS) -p semper-ttp --test models -- --nocapture

sim: build ## runs of exchanges and payments over HTTP with corrupt sides and faults, SEMPER_SIM_RUNS (10,000) from SEMPER_SIM_SEED (1) on
	SEMPER_SIM_RUNS=$${SEMPER_SIM_RUNS:-10000} cargo test $(FLAGS) -p semper-api --test sim -- --nocapture the_matrix

fuzz: setup-build ## every fuzz target for FUZZ_SECONDS (60)
	ops/fuzz.sh

lint: setup-build ## rustfmt and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy $(FLAGS) --all-targets -- -D warnings

setup-build:
	@ops/setup.sh build
	@[ "$$(cat "$(OWNER)" 2>/dev/null)" = "$(CURDIR)" ] || cargo clean --quiet --workspace --release --locked
	@mkdir -p "$(CARGO_TARGET_DIR)" && echo "$(CURDIR)" >"$(OWNER)"

setup-all: setup-build
	@ops/setup.sh test
