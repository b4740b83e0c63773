# The two commands of the README are `make demo` and `make test`; each sets up all it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := broker,registry,dev
QUIETLY := --quiet --disable-pip-version-check --no-compile
# Our matrices are small: OpenBLAS's threads for them only spin (as the console script says too).
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: setup demo test check bench bench-pipeline soak recorded clickhouse chaos clean

setup: $(STAMP)  ## virtual environment, packages, and the broker's jars

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "greekstream needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing the packages'
	@if [ -n "$$PIP_INDEX_URL" ]; then export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$PIP_INDEX_URL}"; fi; \
	{ $(BIN)/pip install $(QUIETLY) -c constraints.txt uv && \
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[$(EXTRAS)]'; } || \
	{ echo 'uv could not; once more with pip, which takes longer and reads pip.conf'; $(BIN)/pip install $(QUIETLY) -c constraints.txt -e '.[$(EXTRAS)]'; }
	@echo 'compiling the kernels (once) on two cores, while the broker is fetched'
	@$(BIN)/greekstream broker fetch & fetch=$$!; \
	$(BIN)/python -c 'import pricers; pricers.warm_up(["implied_vols"])' & implied=$$!; \
	$(BIN)/python -c 'import pricers; from pricers import scenarios; from streams import engine; pricers.warm_up(["values"]); engine.warm_up(); scenarios.warm_up()' && wait $$implied && wait $$fetch
	touch $(STAMP)

demo: setup  ## broker, simulated venue, ingest, workers, live chain; Ctrl-C ends all of it
	$(BIN)/greekstream demo

test: export REQUIRE_BROKER = 1
test: export REQUIRE_JIT = 1
test: export REQUIRE_QUANTLIB = 1
test: export REQUIRE_CALENDARS = 1
test: export REQUIRE_NBFORMAT = 1
test: setup  ## everything, broker tests on a real Apache Kafka included
	$(BIN)/python -m tests.suite

check: setup  ## lint, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## figures, as JSON
	$(BIN)/python -m pytest tests/bench -p no:randomly --benchmark-disable-gc --benchmark-json=.state/bench.json

bench-pipeline: setup  ## worker with and without pricing, replay, spot move, one quote, ten thousand options: JSON, machine named
	$(BIN)/python -m pytest tests/bench/test_pipeline_bench.py tests/bench/test_engine_bench.py -p no:randomly --benchmark-disable-gc --benchmark-json=.state/bench-pipeline.json

soak: setup  ## an hour of the simulated market through sixteen workers: memory and lag, flat or not
	$(BIN)/python -m tests.soak --minutes 60 --workers 16 --plot .state/soak.svg

recorded: setup  ## both recorded days (12 and 13 April 2023), BTC and ETH, through the whole path
	$(BIN)/python -m tests.recorded --full

clickhouse: export REQUIRE_CLICKHOUSE = 1
clickhouse: setup  ## history's tables and SQL in ClickHouse itself, as a Python package (half a gigabyte, installed here)
	$(BIN)/pip install $(QUIETLY) -c constraints.txt -e '.[clickhouse]'
	$(BIN)/python -m pytest tests/clickhouse

chaos: setup  ## ten seeds of kills, stops, joins and restarts of workers, ingest and services; wrong clocks, a bad network, slow readers, 1 -> 16 -> 3 workers, a full disk
	$(BIN)/python -m tests.chaos --seeds 10 --all

clean:  ## everything that setup and runs have made
	-test -x $(BIN)/greekstream && $(BIN)/greekstream broker stop
	rm -rf $(VENV) .state pricers/__pycache__ build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
