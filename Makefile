# lab: set up, fetch models and data, open JupyterLab   test: set up, pass the tests
# demo: grade a small class end to end                  check: what the tests also hold
#
# PYTHON       the Python to build .venv with (3.11 to 3.13)
# VENV         the folder of the virtual environment (.venv)
# TORCH_INDEX  an index of CPU builds of PyTorch; without it pip's own default is used

PYTHON ?= python3
TORCH_INDEX ?=
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: lab test demo check setup

setup: $(READY)

# PyTorch comes first and alone: with it installed nothing else asks for another build.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dev]'
	touch $@

lab: $(READY)
	$(BIN)/course fetch
	$(BIN)/course start

test: $(READY)
	$(BIN)/course fetch
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile \
		--no-loadscope-reorder

demo: $(READY)
	$(BIN)/autograder demo

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks/*.py
	$(BIN)/course build --check
