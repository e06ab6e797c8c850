# make demo    run the first example for real and write demo.html; then JupyterLab on the examples, where there is a display
# make lab     JupyterLab on the examples
# make test    the whole suite, real browsers included
# make bench   what recording costs, and how the drawing compares
# make clean   remove everything these made
#
# Needs Python 3.10+ and make.  Everything is installed into .venv.

PYTHON ?= python3
# auto: the TypeScript part of the tests runs where Node is.  required: fail without Node.
NODE   ?= auto
# Wheels of torch without CUDA, for Linux.  Asked for torch alone, and where it cannot be reached the usual index serves.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
STATIC := autograd_magics/static

.PHONY: demo lab test lint front unit browser picture bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/lab.stamp
	@$(BIN)/python examples/demo.py

lab: $(VENV)/lab.stamp
	@$(BIN)/python examples/demo.py --lab

test: $(VENV)/test.stamp
	@$(BIN)/python tests/chromium.py
	@$(MAKE) --no-print-directory lint front unit browser

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(VENV)/test.stamp
	$(BIN)/python -m pytest --ignore tests/browser

browser: $(VENV)/test.stamp
	$(BIN)/python -m pytest tests/browser

picture: $(VENV)/test.stamp
	AUTOGRAD_MAGICS_UPDATE=1 $(BIN)/python -m pytest tests/browser/test_picture.py

bench: $(VENV)/lab.stamp
	@status=0; for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || status=1; done; exit $$status

clean:
	rm -rf $(VENV) node_modules demo.html build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/browser/shots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the TypeScript source: checked, tested, and the committed bundle proved to be what it builds

ifneq ($(shell command -v npm 2>/dev/null),)
front: node_modules/.package-lock.json
	npm run --silent typecheck
	npm test --silent
	@rm -rf build/static && mkdir -p build && cp -R $(STATIC) build/static
	npm run --silent build
	@diff -rq build/static $(STATIC) || { echo "$(STATIC) was not what the source builds; it is now: commit it."; exit 1; }

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --silent --no-audit --no-fund
	@touch $@
else ifeq ($(NODE),required)
front:
	@echo "NODE=required, but npm was not found: install Node 20 or newer."; exit 1
else
front:
	@echo "Node is not installed: the TypeScript part was not run (CI runs it)."
endif

# ---- the virtual environment: each stamp is renewed when what is to be installed changed

$(VENV)/test.stamp: $(VENV)/lab.stamp
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/lab.stamp: $(VENV)/venv.stamp pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time this takes a minute or more."
	@if [ "$$(uname -s)" = Linux ] && [ -n "$(TORCH_INDEX)" ]; then \
		$(PIP) --no-deps --retries 2 --timeout 15 --extra-index-url $(TORCH_INDEX) torch || true; fi
	$(PIP) --editable '.[lab]'
	@touch $@

$(VENV)/venv.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.10 or newer, or say make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "%s is Python %s, expected 3.10 or newer: make PYTHON=/path/to/python3" % (sys.executable, sys.version.split()[0]))'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv, or say make PYTHON=/path/to/another/python3"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check install --quiet 'pip>=22'
	@touch $@
