# make VENV=path TARGET uses an environment that is there already.
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.pvt_exp-installed

.PHONY: help install quickstart check lint types imports unit test test-all benchmarks docs clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED)  ## a virtual environment with everything in it

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

quickstart: $(INSTALLED)  ## train a small ablation on the CPU (minutes) and print its table
	$(BIN)/pvt-exp sweep sweeps/quickstart.yaml --gpus none

check: $(INSTALLED)  ## format, lint, types, import rules, unit tests: seconds
	@$(MAKE) --no-print-directory --keep-going --jobs --output-sync=target lint types imports unit

lint:
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .

types:
	@$(BIN)/mypy

imports:
	@$(BIN)/lint-imports --no-logo

unit:
	@$(BIN)/pytest -q -n 2 tests/unit tests/architecture

test: $(INSTALLED)  ## all tests but the slow ones: minutes
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal -m 'not slow'

test-all: $(INSTALLED)  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist worksteal

benchmarks: $(INSTALLED)  ## what measures speed, each beside a peer
	for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

docs: $(INSTALLED)  ## the documentation as a site, in build/site
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python docs/make_fields.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:  ## remove caches, not runs and not data
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
