# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
ARGS ?=
bin := .venv/bin
# A uv that works, or one installed here; a name on PATH may be a shim that runs nothing.
uv := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
compile := pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

# The interpreter is this machine's; uv must not look for another on the network.
export UV_PYTHON_DOWNLOADS := never
# Trust the machine's certificates, as pip and Maven do: companies sign for their own mirrors.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-tables bench-backtest run docs lock

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed  ## Run ten scenarios on a real Kafka with two simulated external systems
	@$(bin)/southbound demo $(ARGS)

test: .venv/.installed  ## Run all tests: unit, contract, integration, chaos, architecture (ARGS="-k lanes" for some)
	@$(bin)/pytest $(ARGS)

check: .venv/.installed  ## Check style, types, import rules and the history of the schemas
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/python -m tests.contract.schemas.compatibility

bench: .venv/.installed  ## Measure throughput next to alternatives, and write docs/benchmarks.md
	@$(bin)/python tests/benchmarks/path/bench.py $(ARGS)

bench-tables: .venv/.installed  ## Measure decision tables next to zen-engine, and write their part of docs/benchmarks.md
	@$(bin)/python tests/benchmarks/tables/bench.py $(ARGS)

bench-backtest: .venv/.installed  ## Measure how fast recorded events are decided again, and write docs/benchmarks.md
	@$(bin)/python tests/benchmarks/bench_backtest.py $(ARGS)

run: .venv/.installed  ## Run every role in this process
	@$(bin)/southbound run $(ARGS)

docs: .venv/.installed  ## Write the pages that are generated from the code
	@$(bin)/python -m docs.generate

lock: .venv/.installed  ## Update the locked versions of all dependencies (see docs/adr/0002)
	$(uv) $(compile) --upgrade --extra dev pyproject.toml locks/build.in --output-file locks/dev.txt
	$(uv) $(compile) --constraints locks/dev.txt pyproject.toml --output-file locks/runtime.txt
	$(uv) $(compile) --constraints locks/dev.txt locks/build.in --output-file locks/build.txt

.venv/.installed: locks/dev.txt pyproject.toml | $(uv)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Southbound needs Python 3.11 or newer.")'
	$(uv) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(uv) pip sync --quiet --require-hashes --python $(bin)/python locks/dev.txt
	$(uv) pip install --quiet --no-deps --no-build-isolation --python $(bin)/python --editable .
	@touch $@

.uv/bin/uv: locks/uv.txt
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement locks/uv.txt
	@touch $@
