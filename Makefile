# `make demo` and `make test` each do all their own set-up. They need Python 3.10 or newer, make, and a package index.

VENV := .venv
BIN := $(VENV)/bin
# The first interpreter that is new enough; `make PYTHON=…` names another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo "$$name" && break; done)

# A virtual environment holds absolute paths: in a moved or copied checkout these stamps are not found, and it is made again.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)
MADE := $(VENV)/.made-$(HERE)
EXAMPLES := $(VENV)/.examples-$(HERE)
TEST := $(VENV)/.test-$(HERE)
BYTECODE := $(VENV)/.bytecode-$(HERE)
KEEPSAKE_VENV := .venv-keepsake
KEEPSAKE := $(KEEPSAKE_VENV)/.made-$(HERE)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Files with generated parts; one without them is passed over.
COGGED = $(shell grep -lIr --include='*.md' --include='*.example' '\[\[\[cog' README.md kwrap.yaml.example docs 2>/dev/null)
COG := COLUMNS=100 TERM=dumb NO_COLOR=1 PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m cogapp --verbosity=1
BENCHMARKS := $(filter-out __init__ backups harness meter peers trainer,$(basename $(notdir $(wildcard benchmarks/*.py))))

.PHONY: help demo test check lint types layers docs-check docs format bench clean

help:  ## these lines
	@sed -n 's/^\([a-z-]*\):.*##/  make \1 —/p' Makefile

demo: $(EXAMPLES) $(BYTECODE)  ## record a real training, list it, show it and check it out
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

test: $(TEST) $(BYTECODE) $(KEEPSAKE)  ## all tests; ARGS='-k name' for some
	$(BIN)/python -m pytest $(ARGS)

check: lint types layers docs-check test  ## everything that must be true before a change goes in

lint: $(TEST)  ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(TEST)  ## mypy
	$(BIN)/python -m mypy

layers: $(TEST)  ## import-linter: imports point down
	$(BIN)/lint-imports

docs-check: $(TEST) $(BYTECODE)  ## the generated parts of the documentation are what the program says
	$(if $(COGGED),$(COG) --check --diff --check-fail-msg="'make docs' brings them up to date" $(COGGED),@echo 'no generated documentation')

docs: $(TEST) $(BYTECODE)  ## write the generated parts of the documentation anew
	$(if $(COGGED),$(COG) -r $(COGGED),@echo 'no generated documentation')

format: $(TEST)  ## ruff: put everything into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(TEST) $(BYTECODE)  ## all benchmarks, peers beside; writes benchmarks/results/
	$(foreach name,$(BENCHMARKS),$(BIN)/python -m benchmarks.$(name) && ) true

clean:  ## back to what was cloned
	rm -rf $(VENV) $(KEEPSAKE_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/.peers
	rm -rf examples/*/weights examples/c/train
	find kwrap tests examples benchmarks -name __pycache__ -type d -exec rm -rf {} +

# One that was made for another place is made from nothing; one that a person made here by hand is kept.
$(MADE):
	@test -n "$(PYTHON)" || { echo "kwrap needs Python 3.10 or newer; name it with 'make PYTHON=…'" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(if $(wildcard $(VENV)/.made-*),--clear) $(VENV) || { \
		echo "no virtual environment can be made; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(EXAMPLES): pyproject.toml | $(MADE)
	$(PIP_INSTALL) --editable '.[examples]'
	@touch $@

# What the examples need is in this extra too.
$(TEST): pyproject.toml | $(MADE)
	$(PIP_INSTALL) --editable '.[test]'
	@touch $(EXAMPLES) $@

# The real Keepsake, whose packages are too old to share an environment with any others. Where it cannot be had (its
# wheels are for x86-64), the tests that need it skip, and the next `make test` tries again.
$(KEEPSAKE): tests/keepsake/requirements.txt | $(MADE)
	@rm -rf $(KEEPSAKE_VENV)
	@if "$(PYTHON)" -m venv $(KEEPSAKE_VENV) && $(KEEPSAKE_VENV)/bin/python -m pip install --quiet \
		--disable-pip-version-check --requirement $<; then touch $@; \
	else rm -rf $(KEEPSAKE_VENV); echo "Keepsake 0.4.2 cannot be installed here: tests against it will skip" >&2; fi

# Where PYTHONDONTWRITEBYTECODE is set, an editable install would otherwise be compiled anew at every start.
$(BYTECODE): $(shell find kwrap -name '*.py') | $(MADE)
	@$(BIN)/python -m compileall -q kwrap
	@touch $@
