# Labbook. `make demo` shows it at work, `make test` proves it; both set up what they need.

VENV ?= .venv
PYTHON = $(VENV)/bin/python
export LABBOOK_VENV := $(VENV)
# How many files of tests run side by side: one more than there are processors, for most of them wait.
JOBS ?= $(shell expr $$(nproc) + 1)

# Development mode shows what is left open and what is called from the wrong thread, here and in all processes that
# tests start. Its third part, checks of every piece of memory, looks for mistakes of C code: we have none.
PYTEST = PYTHONDEVMODE=1 PYTHONMALLOC=default $(VENV)/bin/pytest
# Tests start some hundred processes: none of them, nor any worker of pytest, is to compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

# Whoever failed is asked once more, alone: machines that emulate three guests at a time are late now and then.
# What fails alone, too, has failed; what does not is named in the last lines. A run that broke off (any status but 1,
# which says that tests failed) is not asked again: nobody knows what it would have found.
ALONE = $(PYTEST) --last-failed --last-failed-no-failures none --second-try

.DEFAULT_GOAL := help
.PHONY: help setup images demo serve test check lint clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup:  ## install what the tests need (Debian packages, Python environment)
	@tools/setup test

images: setup  ## build the images of guests and of the emulated board, where they are not yet
	@$(PYTHON) -m lab.demo.images --out "$${LABBOOK_VAR:-var}/images"
	@$(PYTHON) -m lab.demo.board --out "$${LABBOOK_VAR:-var}/images"

demo:  ## set up, start a demo lab, run the example, keep serving (ONCE=1: end after it; BOARD=arm64: on a board)
	@tools/setup demo
	@$(PYTHON) manage.py demo $(if $(ONCE),--once) $(if $(BOARD),--board $(BOARD))

serve:  ## start web and worker
	@tools/setup demo
	@$(PYTHON) manage.py serve

lint: setup  ## format, lint, types, layers, migrations
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports
	$(PYTHON) manage.py makemigrations --check --dry-run

test: setup images  ## set up and run all tests
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder || { [ $$? -eq 1 ] && $(ALONE); }

check: lint test  ## all of the gate

clean:  ## remove what was built; the lab's data in var/ stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles .coverage*
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
