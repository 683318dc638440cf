# Two commands do all the set-up: `make demo` and `make test`. Nothing but the package registries is needed.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
INSTALLED := $(VENV)/.installed
TECHNIQUES := $(VENV)/.techniques
WHEELHOUSE := $(VENV)/wheelhouse/.filled
BENCH_INSTALLED := $(BENCH_VENV)/.installed
# mypy and ruff are given the floors in which there is Python.
FLOORS = $(foreach floor,adaptd daemon components plugins,$(if $(shell find $(floor) -name '*.py' -print -quit),$(floor)))

export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
unexport PYTHONPATH

.PHONY: help demo test lint torture bench wheels clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make demo      programs record while the daemon runs; then a night, and a week of nights in two minutes, and one with"
	@echo "               real sentence embeddings, in some five"
	@echo "make test      linters, types, import rules, tests, docs, wheels"
	@echo "make lint      the linters, types and import rules alone"
	@echo "make torture   kill -9, full disks and torn files: some four minutes"
	@echo "make bench     measurements beside named peers, in an environment of their own: some twenty-five minutes"
	@echo "make wheels    both wheels, in dist/"
	@echo "make clean     removes what the commands above wrote, but for the environments (make distclean)"

demo: $(TECHNIQUES)
	$(BIN)/python docs/demo.py
	$(BIN)/python docs/demo_night.py
	$(BIN)/python docs/demo_week.py
	$(BIN)/python docs/demo_sbert.py

test: lint $(TECHNIQUES) $(WHEELHOUSE)
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(FLOORS)
	$(BIN)/lint-imports

torture: $(INSTALLED)
	$(BIN)/python -m tests.torture

bench: $(BENCH_INSTALLED)
	$(BENCH_VENV)/bin/python -m bench.ingest
	$(BENCH_VENV)/bin/python -m bench.importing
	$(BENCH_VENV)/bin/python -m bench.replay
	$(BENCH_VENV)/bin/python -m bench.startup
	$(BENCH_VENV)/bin/python -m bench.techniques
	$(BENCH_VENV)/bin/python -m bench.selection_cost
	$(BENCH_VENV)/bin/python -m bench.techniques_page

wheels: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m build --no-isolation --outdir dist adaptd

clean:
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(BENCH_VENV)

# Says what to do when Python is too old, or when Debian's and Ubuntu's python3-venv is missing.
define environment
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "adaptd needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": name another one with `make PYTHON=python3.12 ...`")'
	$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1) || { echo "no virtual environment could be made: on Debian and Ubuntu run 'apt install python3-venv' first" >&2; exit 1; }
	$(1)/bin/python -m pip install --quiet --upgrade pip
endef

$(INSTALLED): pyproject.toml constraints.txt Makefile
	$(call environment,$(VENV))
	$(BIN)/python -m pip install --quiet --group dev
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable .
	@touch $@

# torch by itself and first: a build for the CPU is taken where there is one, and what comes after finds it in place.
$(TECHNIQUES): $(INSTALLED)
	$(BIN)/python -m pip install --quiet torch
	$(BIN)/python -m pip install --quiet --group techniques
	@touch $@

# What the wheel tests install into empty environments; fetched here so that the tests themselves need no registry.
$(WHEELHOUSE): $(INSTALLED)
	rm -rf $(@D)
	$(BIN)/python -m pip download --quiet --only-binary :all: --dest $(@D) cryptography msgspec numpy shtab structlog python-daemon
	@touch $@

# Its list is complete, and holds older versions than constraints.txt where a peer wants them: the one must not bind the other.
$(BENCH_INSTALLED): export PIP_CONSTRAINT := $(CURDIR)/bench/requirements.txt
$(BENCH_INSTALLED): bench/requirements.txt pyproject.toml Makefile
	$(call environment,$(BENCH_VENV))
	$(BENCH_VENV)/bin/python -m pip install --quiet "torch==$$(sed -n 's/^torch==//p' bench/requirements.txt)"
	$(BENCH_VENV)/bin/python -m pip install --quiet --requirement bench/requirements.txt
	$(BENCH_VENV)/bin/python -m pip install --quiet --no-build-isolation --editable .
	@touch $@
