# Two commands do everything from a fresh clone, their own set-up included: `make train` and `make test`.
VENV   ?= .venv
CONFIG ?= examples/quickstart/config.yaml
ARGS   ?=
WORKERS ?= 2
SUITES ?= core files cross
PY     := $(VENV)/bin/python
export VENV

.DEFAULT_GOAL := help
.PHONY: help setup train test lint types docs package-check suites doctor

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## virtual environment, packages, Chromium, model; what is there is left alone
	@bash scripts/setup.sh

train: setup ## train a small language model on real pages (CONFIG=file, ARGS='key=value ...')
	@$(VENV)/bin/milepost train grpo $(CONFIG) $(ARGS)

test: setup ## run the whole test suite (WORKERS=processes, ARGS=pytest's arguments)
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

lint: setup ## ruff, formatting, and the one-way imports between the rooms
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(VENV)/bin/lint-imports

types: setup ## mypy, strict, on the package and the tests
	@$(PY) -m mypy -p milepost -p tests

docs: setup ## build the site into site/, strictly: no broken link, no page left out (ARGS=mkdocs build's arguments)
	@$(PY) -c 'import material, mkdocstrings' 2>/dev/null || $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet $(ARGS)

package-check: setup ## sdist -> wheel -> a clean environment without torch -> import, list tasks
	@$(PY) scripts/package_check.py

suites: setup ## play the tasks of the suites: oracles, near misses, agents without sense (SUITES='core miniwob')
	@status=0; for suite in $(SUITES); do $(VENV)/bin/milepost tasks check --suite $$suite || status=1; done; exit $$status

doctor: setup ## say what is missing on this machine and how to get it
	@$(VENV)/bin/milepost doctor
