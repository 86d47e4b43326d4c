# What a contributor runs and what CI runs are the same targets. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)
PYTEST_ARGS ?=
DEMO := reports/demo
EXAMPLE := reports/example

.PHONY: demo example test check fix bench docs clean venv runtime-env test-env
.NOTPARALLEL:

test: test-env  ## the fast tests; `make test PYTEST_ARGS="-m slow"` for the others
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

demo: runtime-env  ## make a small series with a planted harm, and its unplanted twin, and audit both
	rm -rf $(DEMO)
	$(BIN)/audit demo --seed 0 --out $(DEMO)
	@echo "The report: $(CURDIR)/$(DEMO)/planted/report.html"

# Paths below the build folder are relative, so none of this machine stands in a file; nor does its kernel's name.
example: runtime-env  ## make reports/example again: the demo's planted series, audited, and its reports
	rm -rf $(EXAMPLE) build/example
	mkdir -p build/example
	cd build/example && AUDIT_CACHE_DIR=cache "$(CURDIR)/$(BIN)/audit" demo --seed 0 --out demo
	cp -r build/example/demo/planted $(EXAMPLE)
	sed -i.bak 's/"platform": ".*"/"platform": "left out"/' $(EXAMPLE)/manifest.json && rm $(EXAMPLE)/manifest.json.bak
	$(BIN)/audit report $(EXAMPLE) --format html,md

check: test-env  ## lint, format and types, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: test-env  ## let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: test-env  ## time and accuracy figures; about half an hour on 2 cores
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/warm.py

docs: test-env  ## the docs site, in site/: strictly, and with commands, options and schemas as the package has them
	$(BIN)/python -m pytest tests/test_docs.py tests/test_commands_page.py tests/test_format_schemas.py tests/test_site.py
	$(BIN)/mkdocs build --strict --quiet
	@echo "The site: $(CURDIR)/site/index.html"

clean:  ## what was built; the environment stays (remove .venv by hand)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# ---- The environment. A stamp holds the path and the files an environment was made from, so an
# unchanged checkout calls neither pip nor the network, whatever the files' dates say.
INPUTS = { echo "$(CURDIR)"; cat pyproject.toml constraints.txt; }
fresh = $(INPUTS) | cmp -s - $(VENV)/$(1)

venv:
	@$(BIN)/python -c '' 2>/dev/null || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
			echo "auditor needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || true)." >&2; \
			echo "Name another one: make <target> PYTHON=python3.11" >&2; exit 2; }; \
		rm -rf $(VENV); \
		$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
			echo "Could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 2; }; }

# torch by itself first: a CPU build that is at hand is taken before anything depends on another.
runtime-env: venv
	@$(call fresh,.runtime-stamp) || { set -e; \
		echo "Installing auditor into $(VENV) (minutes the first time, instant afterwards)"; \
		$(PIP) install --quiet '$(TORCH)' -c constraints.txt; \
		$(PIP) install --quiet -e . -c constraints.txt; \
		$(INPUTS) > $(VENV)/.runtime-stamp; }

test-env: runtime-env
	@$(call fresh,.test-stamp) || { set -e; \
		echo "Installing what the tests and checks need into $(VENV)"; \
		$(PIP) install --quiet -e '.[test,check]' -c constraints.txt; \
		$(INPUTS) > $(VENV)/.test-stamp; }
