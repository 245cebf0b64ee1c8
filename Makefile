# The commands of the README. Each does all of its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# In the order of the files: the longest modules, which have few tests, would otherwise come last, and one process wait.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --dist=loadscope --no-loadscope-reorder

# What is most about the wire: run over the second transport too.
OVER_BOTH := tests/serving/test_server.py tests/serving/test_hostile_requests.py tests/serving/test_reflection.py tests/serving/test_tls.py tests/serving/test_client.py tests/serving/inference/test_infer_stream.py

.DEFAULT_GOAL := help
.PHONY: help quickstart data test test-ci test-all test-exhaustive test-gpu test-node fuzz mixed-calls lint format bench bench-serving bench-peers load-generator release smoke protos lock clean

help:  ## Say what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "keras-zoo needs Python 3.11 to 3.13, %s is %d.%d: make PYTHON=python3.12 ..." % (sys.executable, *v))'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml $(VENV)/.created
	@echo "installing the locked dependencies into $(VENV) (a minute or two the first time) ..."
	@$(PIP) -r requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "installing the locked development tools ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@

quickstart: $(VENV)/.runtime  ## Train, export, serve and query a digit recogniser, in a minute.
	@$(BIN)/python examples/quickstart.py

data: $(VENV)/.runtime  ## Fetch the data sets that come with keras-zoo, 180 MB, into ~/.cache/keras-zoo or KERAS_ZOO_DATA.
	$(BIN)/zoo data fetch --all

test: $(VENV)/.dev  ## Run the test suite, but for what is slow or needs fetched data.
	$(PYTEST) -m "not slow and not data and not gpu and not node and not exhaustive"

test-ci: $(VENV)/.dev data  ## Run what CI runs: every test, the slow ones too, but for the exhaustive ones.
	$(PYTEST) --transport grpcio $(OVER_BOTH)
	$(PYTEST) -m "not exhaustive and not gpu and not node" --durations=30

test-all: $(VENV)/.dev data  ## Run every test, also every feature alone on every strategy: about an hour.
	$(PYTEST) --transport grpcio tests/serving --ignore tests/serving/transports
	$(PYTEST) -m "not gpu"

test-exhaustive: $(VENV)/.dev  ## Run what `test-ci` leaves out: every feature alone on every strategy; about half an hour.
	$(PYTEST) -m exhaustive

test-gpu: $(VENV)/.dev  ## Run the tests that need a GPU; installs NVIDIA's libraries for TensorFlow.
	@$(PIP) --editable '.[cuda]'
	$(PYTEST) -m gpu

test-node: $(VENV)/.dev  ## Ask the transport asyncio by Node's gRPC client, which npm fetches; needs Node.
	$(BIN)/python -m pytest -m node tests/serving/transports

fuzz: $(VENV)/.dev  ## Send nonsense to the transport asyncio; FUZZ_SECONDS of each kind, 120 if not said.
	ZOO_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),120) $(BIN)/python -m pytest --numprocesses=0 --timeout=0 tests/serving/transports/test_fuzz.py

mixed-calls: $(VENV)/.dev  ## Make a million mixed calls over each transport, every answer checked: half an hour each.
	$(BIN)/python -m benchmarks.mixed_calls --transport asyncio
	$(BIN)/python -m benchmarks.mixed_calls --transport grpcio

lint: $(VENV)/.dev  ## Check format, lint, types and import rules.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Format the code and mend what can be mended by machine.
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: bench-serving  ## Measure training, serving and generation against their peers; writes benchmarks/results/.
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/strategy_overhead.py
	$(BIN)/python benchmarks/call_overhead.py
	$(BIN)/python benchmarks/client_speed.py
	$(BIN)/python -m benchmarks.transport_speed
	$(BIN)/python benchmarks/generation_speed.py

bench-serving: $(VENV)/.dev  ## Measure serving against other servers, 20 minutes; ARGS=--quick takes two.
	$(BIN)/python -m benchmarks.serving_speed $(ARGS)

bench-peers: $(VENV)/.dev  ## Install the other servers that bench-serving knows, into ~/.cache/keras-zoo.
	$(BIN)/python -m benchmarks.serving_speed.peers.environments

load-generator: $(VENV)/.dev  ## Build the load generator of the benchmarks, into ~/.cache/keras-zoo; needs g++ and gRPC.
	$(BIN)/python -m benchmarks.load

release: $(VENV)/.dev  ## Build the sdist and the wheel into dist/.
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

smoke: release  ## Install the built wheel into a clean environment and use it.
	@.ci/smoke

protos:  ## Generate the stubs in serving/protos/ (protoc of the oldest supported protobuf).
	$(PYTHON) -m venv .venv-protos
	.venv-protos/bin/python -m pip install --quiet grpcio-tools==1.76.0 protobuf==6.31.1 setuptools
	.venv-protos/bin/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. serving/protos/*.proto

lock: $(VENV)/.created  ## Resolve the dependencies anew into requirements*.lock.
	@$(PIP) uv
	$(BIN)/uv pip compile --quiet --universal --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --no-annotate --no-header --python-version 3.11 pyproject.toml --group dev -o requirements-dev.lock

clean:  ## Remove what the other targets made.
	rm -rf $(VENV) .venv-protos build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis runs/quickstart
