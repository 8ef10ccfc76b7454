# The verbs of this project. CI calls the same ones. Each sets up what it needs.
#
#   make test PYTHON=python3.12     runs on that interpreter; any CPython from 3.11 on will do

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", "")))')
VENV := build/venv-$(VERSION)
BIN := $(VENV)/bin
# What of CPython's tests is about what `ioxide.install` replaces, and about futures and tasks.
MODULES_OF_NATIVES := test_buffered_proto test_context test_eager_task_factory test_futures test_futures2 test_graph \
    test_locks test_pep492 test_queues test_runners test_staggered test_streams test_subprocess test_taskgroups test_tasks \
    test_threads test_timeouts test_waitfor

# Tests of what takes names out of asyncio: libraries, and whole programs.
TESTS_OF_PROGRAMS := $(patsubst %,tests/test_%.py,aiofiles aiohttp aiosqlite anyio asyncpg crawler crawler_resuming \
    downloader downloader_resuming httpx hypercorn link_extractor pytest_asyncio redis search starting_tls streams \
    subprocesses tour tutorials uvicorn websockets)

# Extensions apart from the workspace, as other people's are. They find Python's functions in the interpreter that loads
# them, and are built in one folder.
EXTENSIONS := tests/extension examples/rust-extension benches/extension-peer
BUILD_EXTENSION := PYO3_BUILD_EXTENSION_MODULE=1 CARGO_TARGET_DIR=target/extensions cargo --quiet

# An absolute path: PyO3 would otherwise look for the interpreter of an activated environment.
export PYO3_PYTHON := $(shell $(PYTHON) -c 'import sys; print(sys.executable)')

.PHONY: help demo test test-rust test-loom test-sanitizers test-python test-installed test-dev-mode test-cpython \
    test-newer-pythons lint fmt wheel bench bench-rust bench-runtimes bench-extensions bench-instructions clean

help: ## lists the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(BIN)/installed ## extracts the links of a website on ioxide and on asyncio, and compares
	$(BIN)/python examples/demo.py

test: test-rust test-python ## runs the tests, Rust's and Python's

test-rust: ## runs the core crate's tests
	cargo test --quiet --workspace

test-loom: ## checks what crosses threads, in every order
	RUSTFLAGS="--cfg loom" cargo test --quiet --package ioxide --lib --target-dir target/loom loom

# They need a nightly toolchain of Rust's, and the thread sanitizer its source (`rustup component add rust-src`): the
# standard library's locks are seen only if it is built with the sanitizer, too.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
test-sanitizers: ## runs the core crate's tests under the address, leak and thread sanitizers
	for part in "--lib --tests" --doc; do \
	    RUSTFLAGS=-Zsanitizer=address RUSTDOCFLAGS=-Zsanitizer=address cargo +nightly test --quiet --package ioxide $$part \
	        --target $(HOST) --target-dir target/address-sanitizer || exit; \
	    RUSTFLAGS=-Zsanitizer=thread RUSTDOCFLAGS=-Zsanitizer=thread cargo +nightly test --quiet --package ioxide $$part \
	        --target $(HOST) --target-dir target/thread-sanitizer -Zbuild-std || exit; \
	done

test-python: $(BIN)/installed load-generator rust-crawler extensions ## runs the tests of the Python package on PYTHON
	$(BIN)/python -m pytest --numprocesses 2 $(TESTS)

test-installed: $(BIN)/installed ## runs those of libraries and programs with everything of ioxide's under asyncio's names
	IOXIDE_TESTS_INSTALLED=1 $(BIN)/python -m pytest --numprocesses 2 $(TESTS_OF_PROGRAMS) $(TESTS)

test-dev-mode: $(BIN)/installed load-generator rust-crawler extensions ## runs them in Python's development mode, where what is left open is an error
	PYTHONDEVMODE=1 PYTHONWARNINGS=error::ResourceWarning $(BIN)/python -m pytest --numprocesses 2 $(TESTS)

test-cpython: $(BIN)/installed ## runs CPython's own asyncio tests on asyncio's loop and on ioxide's, and compares; ALONE=1
	$(BIN)/python tests/cpython/run_suite.py $(if $(ALONE),--alone) $(MODULES)
	$(BIN)/python tests/cpython/run_suite.py --alone --loop ioxide-natives $(or $(MODULES),$(MODULES_OF_NATIVES))

test-newer-pythons: ## runs the Python tests and CPython's own on 3.14 and 3.15, from Debian's sid
	@tests/newer_pythons/run.sh || [ $$? -eq 77 ]

lint: $(BIN)/installed ## checks formatting, lints, types and stubs
	$(BIN)/pip install --quiet --requirement tests/requirements-lint.txt --requirement benches/requirements.txt
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	set -e; for extension in $(EXTENSIONS); do \
	    cargo fmt --manifest-path $$extension/Cargo.toml --check; \
	    $(BUILD_EXTENSION) clippy --manifest-path $$extension/Cargo.toml -- -D warnings; \
	done
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest ioxide --allowlist tests/stubtest_allowlist.txt --mypy-config-file pyproject.toml

fmt: $(VENV)/created ## formats everything
	$(BIN)/pip install --quiet --requirement tests/requirements-lint.txt
	cargo fmt --all
	set -e; for extension in $(EXTENSIONS); do cargo fmt --manifest-path $$extension/Cargo.toml; done
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

wheel: $(VENV)/created ## builds a wheel for PYTHON into dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

# What is measured as a whole is shown in the README.
MEASUREMENTS := $(if $(QUICK)$(ONLY)$(LOOPS),build/bench,docs/benchmarks)
BENCH_OPTIONS := $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)') $(if $(LOOPS),--loops '$(LOOPS)') \
    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(MINUTES),--minutes $(MINUTES)) \
    $(if $(COMPARE),--compare '$(COMPARE)')

bench: $(BIN)/installed load-generator ## measures beside the peers, for an hour or two; QUICK=1, ONLY=queue,tls, LOOPS=, ROUNDS=, SECONDS=, MINUTES=, COMPARE=old.json
	$(BIN)/pip install --quiet --requirement benches/requirements.txt
	-RUSTUP_TOOLCHAIN=stable $(BIN)/pip install --quiet --requirement benches/requirements-source.txt
	mkdir -p $(MEASUREMENTS)
	$(BIN)/python -m benches.run $(BENCH_OPTIONS) --json $(MEASUREMENTS)/$(VERSION).json \
	    --markdown $(MEASUREMENTS)/$(VERSION).md --picture $(MEASUREMENTS)/$(VERSION).svg

bench-rust: ## measures the core crate's parts
	cargo bench --quiet --package ioxide

bench-runtimes: ## measures the core crate's tasks, queues, locks and an echo beside other runtimes'; ONLY=lock selects
	cd benches/runtimes && cargo run --quiet --release --target-dir ../../build/runtimes -- --bench $(ONLY)

bench-extensions: $(BIN)/installed ## measures Rust futures awaited by Python, beside pyo3-async-runtimes with tokio
	$(BIN)/python -m benches.extensions

bench-instructions: $(BIN)/installed ## counts instructions (needs valgrind), against benches/instructions.json; UPDATE=1
	$(BIN)/python -m benches.instructions $(if $(ONLY),--only '$(ONLY)') $(if $(UPDATE),--update)

clean: ## removes what the other verbs made
	rm -rf build dist target

$(VENV)/created:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	touch $@

# Always asked for, for cargo and pip know best what has changed.
$(BIN)/installed: $(VENV)/created FORCE
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	$(BIN)/pip install --quiet --force-reinstall --no-deps .

# Built ahead of the tests that need it, which have a time limit.
load-generator:
	cargo build --release --quiet --package ioxide-load

# As the tests do it, which then find it up to date. So for the next.
rust-crawler:
	cargo build --quiet --package ioxide --example crawler

extensions:
	set -e; for extension in tests/extension examples/rust-extension; do \
	    $(BUILD_EXTENSION) build --manifest-path $$extension/Cargo.toml; \
	done

.PHONY: FORCE load-generator rust-crawler extensions
FORCE:
