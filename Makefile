# Every target sets up what it needs: the environment lies in .venv and is built anew when the lock or pyproject changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A worker that dies ends the run: with another one in its place, pytest-xdist 3.8 would wait for ever
PYTEST := $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# mypy and import-linter cannot follow setuptools' names for the three folders: they are shown the package as links
TREE := $(VENV)/tree

.PHONY: help train up down test stories attack lint bench format lock clean
.DEFAULT_GOAL := help

help:  ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

train: $(READY)  ## Train the recommended forecaster; options: make train ARGS="--preset seed-l2 --seed 1"
	$(BIN)/wattcast train $(ARGS)

up: $(READY)  ## Serve Prefect's and MLflow's pages and run what is asked for there; ports: make up PREFECT_PORT=4201 MLFLOW_PORT=5001
	@$(BIN)/python -m wattcast.flows.service.up

down: $(READY)  ## End what a make up that was killed has left running
	@$(BIN)/python -m wattcast.flows.service.up down

# A test's network trains for a moment: programs that compile a quarter faster and run a twentieth slower, to the same bits
test: $(READY)  ## Run the tests
	XLA_FLAGS="--xla_cpu_use_fusion_emitters=false $$XLA_FLAGS" $(PYTEST) -m "not story" $(ARGS)

stories: $(READY)  ## Run the long tests: the real data, servers and workers, a cluster
	$(PYTEST) -m story $(ARGS)

attack: $(READY)  ## Send what meters, programs and people may send, thousands of times; a tenth of it: make attack ARGS="--share 0.1"
	PYTHONPATH=tests/helpers $(BIN)/python tests/attack $(ARGS)

lint: $(READY)  ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$(TREE) $(BIN)/mypy
	PYTHONPATH=$(TREE) $(BIN)/lint-imports --no-logo

bench: $(READY)  ## Measure speed and memory beside stock Keras and PyTorch; one part of it: make bench ARGS="--section single"
	$(BIN)/python -m tests.benchmarks $(ARGS)

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:  ## Resolve the exact versions anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --upgrade --output-file requirements.lock

clean:  ## Remove the environment and what tools leave behind; runs and data stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info

# The lock is complete, so that pip has nothing to resolve: it would look for newer versions of what is asked for with an
# extra, and refuse them. A half-built environment has no .ready file, so the next make starts it afresh.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "wattcast needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	@rm -rf $(VENV)
	@if command -v uv >/dev/null; then \
	    set -ex; uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	    uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock; \
	    uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
	    set -ex; $(PYTHON) -m venv $(VENV); \
	    $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock; \
	    $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@mkdir -p $(TREE)/wattcast
	@ln -s ../../../flows/wattcast/__init__.py ../../../flows ../../../tasks ../../../model $(TREE)/wattcast
	@touch $(READY)
