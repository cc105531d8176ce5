# Every command sets up what it needs in .venv; a bare machine has Python 3.11+, git and make.
VENV := .venv
BIN := $(VENV)/bin
# pip builds the board as well, and only when one of its sources changed.
BOARD := $(shell find board_ui/src board_ui/public board_ui/index.html board_ui/*.json -type f 2>/dev/null)
INPUTS := pyproject.toml hatch_build.py $(BOARD)
# One more than a small machine has cores: a tenth of what tests take is waiting.
JOBS ?= 3
SEEDS ?= 20
MINUTES ?= 5
HUBS ?= 1
.DEFAULT_GOAL := help
export PYTHON

.PHONY: security-test sbom audit help dev demo test check fix bench bench-hub bench-swarm golden goals-test faults soak picture clean sandbox-test ui-check ui-test screenshots
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

# The demo needs no test tools, so that it starts sooner; .dev includes .train.
$(VENV)/.train: $(INPUTS)
	@sh scripts/venv.sh train

$(VENV)/.dev: $(INPUTS)
	@sh scripts/venv.sh dev

$(VENV)/.services: | $(VENV)/.dev
	@sh scripts/test_services.sh

dev: $(VENV)/.dev ## set up .venv with everything

demo: $(VENV)/.train ## hub, one agent and a board on this machine; EXPERIMENTS=3 stops after three
	@$(BIN)/python -m scripts.demo $(if $(EXPERIMENTS),--experiments $(EXPERIMENTS))

check: $(VENV)/.dev ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Images for containers tell Python to keep no bytecode; then every client the tests start compiles us.
test: $(VENV)/.dev $(VENV)/.services ## run every test: JOBS=3 at a time
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q -n $(JOBS) --dist worksteal

goals-test: $(VENV)/.dev ## goals validate, tiny_gpt trains and is scored, cheats are caught, honest models pass
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal tests/goals tests/protocol/test_goals.py tests/hub/test_goal_files.py tests/agent_client/test_evaluator.py tests/agent_client/test_evaluator_strangers.py

sandbox-test: $(VENV)/.dev $(VENV)/.services ## hostile programs against every sandbox that works here, as a table
	$(BIN)/python -m tests.sandbox.matrix

golden: $(VENV)/.dev ## write the golden files anew after a wire change; review the diff
	GOLDEN=write $(BIN)/pytest -q tests/golden

faults: $(VENV)/.dev $(VENV)/.services ## SIGKILL, cut wires, full disks: SEEDS=20 of each fault
	SEEDS=$(SEEDS) $(BIN)/pytest -q -n $(JOBS) --dist worksteal tests/faults -m faults

soak: $(VENV)/.dev $(VENV)/.services ## kill hubs and clients at random for MINUTES=5, then check; HUBS=3 on PostgreSQL
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --hubs $(HUBS)

bench-swarm: $(VENV)/.dev ## simulate swarms: policies side by side, SWARM="--seeds 40 --workers 16 256"
	$(BIN)/pip install -qq -e ".[bench]"
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.swarm $(SWARM)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.swarm.replay

picture: $(VENV)/.dev $(VENV)/.services ## take the README's picture of the board anew
	$(BIN)/python -m tests.ui.picture

# The tools that only the board's own developers need; pip installs the rest when it builds.
board_ui/node_modules/vitest: board_ui/package-lock.json
	@cd board_ui && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules/vitest

ui-check: board_ui/node_modules/vitest ## types, accessibility warnings and unit tests of the board
	cd board_ui && npm run types && npm run check && npm test

ui-test: $(VENV)/.dev $(VENV)/.services ## a real Chromium against a real hub
	$(BIN)/pytest -q tests/ui

screenshots: $(VENV)/.dev ## eleven pages in light and dark, into docs/screenshots
	$(BIN)/python -m tests.ui.screenshots

security-test: $(VENV)/.dev $(VENV)/.services ## hostile inputs, every route times every role, sessions in Chromium, schemathesis
	AGENTHUB_SCHEMA_EXAMPLES=15 $(BIN)/pytest -q -n $(JOBS) tests/security tests/ui/test_sessions.py tests/hub/test_sessions.py tests/hub/test_identity.py tests/hub/test_parity.py tests/hub/test_purge.py

sbom: $(VENV)/.dev ## write what is installed as CycloneDX to .cache/sbom.json
	@$(BIN)/python -m scripts.sbom .cache/sbom.json

audit: $(VENV)/.dev ## look for known holes in what is installed; says so when it cannot ask
	@$(BIN)/python -m scripts.audit

bench: $(VENV)/.dev $(VENV)/.services ## measure everything but what takes hours; PARTS="hub ui"
	$(BIN)/python -m benchmarks $(PARTS)

bench-hub: $(VENV)/.dev ## the hub beside its floors and peers, in one run
	$(BIN)/python -m benchmarks.hub

clean: ## remove what the commands above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache .demo
	rm -rf board_ui/dist board_ui/node_modules
