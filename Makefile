# On a new machine, `make demo` and `make test` install everything that they need.
PYTHON ?= python3
ARGS ?=
bin := .venv/bin
# Use the uv on PATH if it runs (it may be a shim without a program), otherwise install one.
uv := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
compile := pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

# Use the interpreter of this machine; uv must not download another one.
export UV_PYTHON_DOWNLOADS := never
# Trust the certificates of the machine, as pip and Maven do: mirrors of companies use their own authorities.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-tables bench-backtest bench-members bench-dead-system chaos soak run docs lock

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed  ## Run twelve scenarios on a real Kafka, with two simulated systems and a ServiceNow instance that orders over HTTP
	@$(bin)/southbound demo $(ARGS)

test: .venv/.installed  ## Run all tests: unit, contract, integration, chaos, architecture (select with ARGS="-k lanes")
	@$(bin)/pytest $(ARGS)

check: .venv/.installed  ## Check style, types, import rules and the history of the schemas
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/python -m tests.contract.schemas.compatibility

bench: .venv/.installed  ## Measure throughput beside two other implementations, and write docs/benchmarks.md
	@$(bin)/python tests/benchmarks/path/bench.py $(ARGS)

bench-tables: .venv/.installed  ## Measure decision tables beside zen-engine, and write docs/benchmarks.md
	@$(bin)/python tests/benchmarks/tables/bench.py $(ARGS)

bench-members: .venv/.installed  ## Measure what is left of the throughput while a process is killed again and again
	@$(bin)/python tests/benchmarks/membership/bench.py $(ARGS)

bench-dead-system: .venv/.installed  ## Measure what one dead system of ten costs the other nine
	@$(bin)/python -m tests.benchmarks.bench_dead_system $(ARGS)

bench-backtest: .venv/.installed  ## Measure the backtest of recorded events, and write docs/benchmarks.md
	@$(bin)/python tests/benchmarks/bench_backtest.py $(ARGS)

chaos: .venv/.installed  ## Attack worker processes, brokers, stores and systems (ARGS="--list", "--scenario NAME --seed N")
	@$(bin)/python -m tests.chaos.conductor $(ARGS)

soak: .venv/.installed  ## Sample what must stay flat under load (ARGS="--minutes 30 --rate 300")
	@$(bin)/python -m tests.chaos.conductor --soak $(ARGS)

run: .venv/.installed  ## Run every role in this process
	@$(bin)/southbound run $(ARGS)

docs: .venv/.installed  ## Write the generated pages of docs/
	@$(bin)/python -m docs.generate

lock: .venv/.installed  ## Update the locked versions of all dependencies (docs/adr/0002-lock-without-hosts.md)
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
