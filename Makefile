# Every target installs what it needs, says so before it does, and is quick when nothing has changed.
# The cluster behind `demo`, `integration` and `e2e` is chosen by scripts/cluster.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # pytest would rewrite every module again each time: 3 s

PYTEST := $(BIN)/python -m pytest
ARGS ?=
MINUTES ?= 1
WORKERS ?= 3 # processes of integration tests, which mostly wait; each has an API server of its own

.PHONY: help demo test lint format unit unit-operator unit-sdk integration chaos e2e bench cluster images crds lock venv clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS='…' is handed to pytest. KUBE_CONTEXT=… uses a cluster of your own; otherwise kind is used when"
	@echo "  Docker answers, and a Kubernetes built and run on this machine (root, Debian) when it does not."

demo: venv ## Bring up a cluster, install Penstock, run the examples and watch them
	@scripts/demo

test: lint unit integration chaos e2e ## Everything that must pass before a change lands

lint: venv ## Style, types and architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports

format: venv ## Let ruff mend and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

unit: venv ## Unit tests: no cluster, no network
	@$(MAKE) --no-print-directory --jobs 2 --output-sync unit-operator unit-sdk

# Half of them each. The processes of pytest-xdist all collect all tests, and tell a third one of each.
# ARGS may choose tests of one half alone: then the other has none, and pytest's exit code is 5.
unit-operator unit-sdk: unit-%:
	$(PYTEST) $(UNIT_$*) $(ARGS) || [ $$? = 5 ]
UNIT_sdk := $(addprefix tests/unit/,cli journal runner sdk)
UNIT_operator := tests/unit $(UNIT_sdk:%=--ignore=%)

integration: venv ## Operator, CRDs and crashes against a real API server
	@scripts/cluster prepare
	@# In the order given: the files of tests/chaos take longest.
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder tests/chaos tests/integration $(ARGS)

chaos: venv ## Random flows under faults against a model: MINUTES=… SEED=…, PROGRAM=… to repeat one, SWEEP=all, REAL=1
	@devcluster/devcluster build >/dev/null
	$(BIN)/python -m tests.chaos $(if $(REAL),--real) $(if $(SWEEP),--sweep $(SWEEP),$(if $(PROGRAM),--program $(PROGRAM),--minutes $(MINUTES) $(if $(SEED),--seed $(SEED)))) $(ARGS)

e2e: venv images ## Whole runs as pods on a real cluster, faults included
	$(PYTEST) tests/e2e $(ARGS)

bench: venv images ## The figures of docs/benchmarks.md, one comparable number each
	$(BIN)/python -m tests.bench.run $(ARGS)

cluster: ## Bring up a development cluster and print how to use it
	@scripts/cluster ensure --nodes 2 >/dev/null
	@scripts/cluster env

images: venv ## Build the operator, runner and example images
	@scripts/cluster prepare
	@scripts/build-images >/dev/null

crds: venv ## Generate crds/ from the operator's models
	$(BIN)/python -m penstock_operator.model.crds

lock: ## Lock the development dependencies again
	@scripts/lock

venv: ## Create or refresh .venv from the lock
	@scripts/venv

clean: ## Remove the development clusters and what tests and builds left behind
	@scripts/cluster down --all
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis examples/weather/wheels
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## Like clean, and remove .venv too
	rm -rf .venv
