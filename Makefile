# `make demo` and `make test` work from a fresh clone with nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test slow check bench docs clean

demo: $(VENV)/installed
	$(BIN)/symdiff compile "(x + y) * max(y, z)" --at x=1,y=2,z=0

test: $(VENV)/tested
	$(BIN)/python -m pytest -q -n auto -m "not slow" tests symdiff --doctest-modules

slow: $(VENV)/tested
	$(BIN)/python -m pytest -q -m slow tests

check: $(VENV)/tested $(VENV)/documented
	scripts/check

bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	$(BIN)/python -m bench --out bench/results --publish

# The site, in site/: open site/index.html. Warnings are errors, and so are links that lead nowhere.
docs: $(VENV)/documented
	PYTHONPATH=scripts $(BIN)/python -m sphinx -b html -W --keep-going -q -d build/doctrees docs site
	PYTHONPATH=scripts $(BIN)/python -m docsite.links site

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/documented: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build dist site docs/figures docs/extra .pytest_cache .ruff_cache .hypothesis
