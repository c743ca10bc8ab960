# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLUGINS := $(wildcard plugins/*)
FOLDERS := docs plugins seqkit tests
# Two tests at a time, each with one thread.
PYTEST := HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist worksteal

.PHONY: help install demo test ci test-slow lint docs clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## Make .venv and install seqkit into it

$(STAMP): pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "seqkit needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11"; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
		{ echo "$(PYTHON) cannot make a virtual environment (on Debian or Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "Installing seqkit into $(VENV); the first time this takes a few minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' $(PLUGINS:%=-e %)
	@touch $@

demo: install ## Train on real text for about 75 s and print generated text (ARGS="..." is handed on)
	$(strip $(BIN)/seqkit run quickstart $(ARGS))

lint: install
	@! grep -rnEf docs/plain-words.txt README.md CHANGELOG.md $(FOLDERS) --include='*.py' --include='*.md' --include='*.toml' || \
		{ echo "Say these in plain words: the list of expressions is docs/plain-words.txt."; exit 1; }
	$(BIN)/ruff check $(FOLDERS)
	$(BIN)/ruff format --check $(FOLDERS)
	$(BIN)/lint-imports
	$(BIN)/mypy

test: lint ## Lint, import contracts, types, and the quick tests
	$(PYTEST) -m 'not ci' --ignore=tests/ci --ignore=tests/slow

ci: test ## The same, then what takes longer: tests marked `ci`, and tests/ci (documentation, demo, a fresh wheel)
	$(PYTEST) -m ci --ignore=tests/ci --ignore=tests/slow
	$(PYTEST) tests/ci

test-slow: install ## The large figures of tests/slow, by hand
	HF_HUB_OFFLINE=1 $(BIN)/pytest tests/slow

docs: install ## Write the pages that are generated
	$(BIN)/python docs/components.py

clean: ## Remove .venv and the caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
