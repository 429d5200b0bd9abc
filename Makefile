# Two commands: `make demo` and `make test`. Each makes an environment in .venv first, if there is none yet.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint docs mutants fuzz clean

demo: .venv/demo
	$(BIN)/featurenerf demo --out out/demo

test: .venv/dev
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation as a site, out/site/index.html. Pages, links and anchors that are not there are errors.
docs: .venv/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Not part of the tests: 200 small faults, 4 to 7 seconds of a core each.
# OPTIONS='--module ^matching --count 20' makes it short.
mutants: .venv/dev
	$(BIN)/python tests/mutants.py $(OPTIONS)

# Damaged files and odd arguments; `make test` runs a minute of it. OPTIONS='--seconds 600 --seed 7'
fuzz: .venv/dev
	PYTHONPATH=tests $(BIN)/python tests/fuzz.py $(OPTIONS)

.venv/demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

.venv/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[dev]'
	touch $@ .venv/demo

clean:
	rm -rf .venv out
