# make install    builds the wheel and installs burnish[local] into .venv
# make test    adds what tests need, and tests the installed wheel (fast tests, then those with the embedded model)
# make lint, make types    the same with ruff, with mypy
# make runtime-wheel   builds burnish-runtime into dist: what frozen programs need, and nothing of the compiler
# make demo    compiles a sentiment program with a small model in this process and ships it
# make docs    builds the site of docs/ into build/site; a warning is an error
# They do all the set-up themselves on a machine with Python 3.10 to 3.13. A second run only does what changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
CODE := compiler signatures teleprompters testing
SOURCES := __init__.py __main__.py py.typed pyproject.toml README.md LICENSE $(shell find $(CODE) -name '*.py' -o -name '*.md' -o -path '*/assets/*')
WHEEL = $(shell ls dist/burnish-*.whl)

.PHONY: help install test test-fast test-model test-pythons lint types docs runtime-wheel demo constraints clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# The environment: made anew when the pins change.
.venv/.tools: constraints.txt
	@python=$$(PYTHON=$(PYTHON) .ci/pythons one) && echo "setting up .venv with $$($$python --version)" \
	  && rm -rf .venv && $$python -m venv .venv
	@$(PIP) install --quiet -c constraints.txt build setuptools
	@touch $@

# The wheel comes from the sdist, so that a file which the sdist lacks is missed here and not by a user.
dist/.built: .venv/.tools $(SOURCES)
	@echo "building sdist and wheel"
	@rm -rf dist burnish.egg-info
	@$(BIN)/python -m build --no-isolation --outdir dist . >.venv/build.log 2>&1 || { cat .venv/build.log; exit 1; }
	@rm -rf burnish.egg-info
	@touch $@

.venv/.installed: dist/.built
	@echo "installing burnish[local] into .venv, 570 MB with its dependencies: this may take minutes the first time, and pip is silent"
	@$(PIP) install --quiet -c constraints.txt "$(WHEEL)[local]"
	@$(PIP) install --quiet --no-deps --force-reinstall "$(WHEEL)"
	@touch $@

.venv/.dev: .venv/.installed
	@echo "installing what tests, lint, types and docs need into .venv, 900 MB more: this may take minutes the first time, and pip is silent"
	@$(PIP) install --quiet -c constraints.txt "$(WHEEL)[dev]"
	@touch $@

install: .venv/.installed

test: test-fast test-model

test-fast: .venv/.dev
	$(BIN)/pytest -n 2 -m "not model"

test-model: .venv/.dev
	$(BIN)/pytest -m model

test-pythons: install
	@.ci/other_pythons $(WHEEL)

# Its contents follow from the imports, so it is built anew each time.
runtime-wheel: .venv/.tools
	@$(BIN)/python .ci/runtime_wheel.py dist

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy reads the installed package, and from a folder without the tree, whose root is a package of another name.
types: .venv/.dev
	cd .venv && bin/python -m mypy --strict --config-file ../pyproject.toml --cache-dir ../.mypy_cache -p burnish

# mkdocstrings formats signatures with ruff.
docs: .venv/.dev
	@$(PIP) install --quiet -c constraints.txt "$(WHEEL)[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

demo: install
	$(BIN)/python examples/demo.py

# Pins for every supported Python on this machine, from the package's own requirements.
constraints:
	@$$(PYTHON=$(PYTHON) .ci/pythons one) .ci/constraints.py > .constraints.new && mv .constraints.new constraints.txt

clean:
	rm -rf .venv .venv-* dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
