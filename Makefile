# What people and CI run. Needs python3.11 (or newer), pip, venv, make and git; no root.

.DEFAULT_GOAL := help
.PHONY: help setup dev demo run test bench chaos lint lock clean

VENV := .venv
BIN := $(VENV)/bin
UV := uv~=0.13
# The certificates that this system trusts, as pip and the rest of it do.
export UV_SYSTEM_CERTS := 1
# As pip does: else every process compiles what it imports, at every start, where
# the system forbids Python to write bytecode.
export UV_COMPILE_BYTECODE := 1

# A stamp is named after what it stands for: nothing is done where it exists already.
RUNTIME := $(VENV)/.runtime-$(shell cat requirements.txt pyproject.toml | cksum | cut -d' ' -f1)
DEV := $(VENV)/.dev-$(shell cat requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)
BENCH := $(VENV)/.bench-$(shell cat requirements-bench.txt pyproject.toml | cksum | cut -d' ' -f1)

help:
	@echo "make setup   sets up $(VENV), nothing else"
	@echo "make demo    shows it at work: a PBX, webhooks that fail, the admin (Ctrl-C ends it);"
	@echo "             STYLE=batch, feed, flat or envelope chooses the payload style"
	@echo "make run     runs it: web, workers, beat and Valkey (Ctrl-C ends it)"
	@echo "make test    runs the tests on SQLite and on PostgreSQL"
	@echo "make bench   measures speed and fairness, up to an hour; goes on where it was stopped;"
	@echo "             QUICK=1 only shows that it works, ROWS=\"drain ingest\" measures these"
	@echo "             anew, FRESH=1 all"
	@echo "make chaos   kills, fills, stops and steps what it can, under load, and checks that"
	@echo "             nothing is lost; goes on where it was stopped; FAULTS=\"kill-worker\","
	@echo "             RUNS=20, JOBS=3, FRESH=1 (forgets its runs), QUICK=1 (a few, shortened)"
	@echo "make lint    checks style, types, layers and settings"
	@echo "make lock    renews requirements*.txt from pyproject.toml"
	@echo "make clean   removes $(VENV) and caches; the data in var/ stays"

setup: $(RUNTIME)
dev: $(DEV)

# `exec`, so that a signal to make's child reaches cdrhook itself, which judges STYLE.
demo: export STYLE ?= envelope
demo: $(RUNTIME)
	@CDRHOOK_DATA_DIR="$${CDRHOOK_DATA_DIR:-var/demo}" exec $(BIN)/cdrhook demo

run: $(RUNTIME)
	@exec $(BIN)/cdrhook up

# With bytecode of the tests, which three processes would else compile for each leg.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest

# A run a leg, because a leg is chosen by the environment; both always run. Each of
# its processes has servers of its own; three on two cores, for end-to-end tests wait
# more than they work. What fails there is told, and tried once more by itself: a test
# that waits for real processes may only have had too little of the machine.
test: $(DEV)
	@failed=""; \
	leg() { \
	  name="$$1"; export CDRHOOK_TEST_DATABASE="$$2"; shift 2; \
	  echo "== $$name"; \
	  $(PYTEST) --numprocesses 3 --dist load \
	    "$$@"; code=$$?; \
	  if [ $$code = 0 ]; then echo "== $$name: passed"; return; fi; \
	  echo "== $$name: what failed beside others, once more by itself"; \
	  if [ $$code = 1 ] && $(PYTEST) --last-failed \
	    --last-failed-no-failures none "$$@"; \
	  then echo "== $$name: passed, some of it by itself only"; \
	  else echo "== $$name: FAILED"; failed="$$failed [$$name]"; fi; \
	}; \
	leg "pure tests, SQLite and Valkey" sqlite; \
	leg "PostgreSQL and Valkey" postgres -m "db or e2e"; \
	if [ -n "$$failed" ]; then echo "== failed:$$failed"; exit 1; fi; \
	echo "== all tests passed"

# `exec`, so that a signal to make's child reaches what stops every server.
bench: $(BENCH)
	@exec $(BIN)/python -m benchmarks $(if $(filter-out 0,$(QUICK)),--quick) \
	  $(if $(filter-out 0,$(FRESH)),--fresh) $(ROWS)

# `exec`, so that a signal to make's child reaches what stops every process.
chaos: $(DEV)
	@exec $(BIN)/python -m tests.chaos $(if $(filter-out 0,$(QUICK)),--quick) \
	  $(if $(filter-out 0,$(FRESH)),--fresh) $(if $(RUNS),--runs $(RUNS)) \
	  $(if $(JOBS),--jobs $(JOBS)) $(if $(RATE),--rate $(RATE)) $(FAULTS)

# Settings as they are in production, so that nothing but the code is judged.
lint: export DEBUG := 0
lint: export DATABASE_URL := sqlite://:memory:
lint: export REDIS_URL := redis://127.0.0.1:6379/0
lint: export SECRET_KEY := long-enough-for-the-check-and-no-secret-0123456789abcdefghijklmnop
lint: export PUBLIC_URL := https://cdrhook.example.com
lint: export ALLOWED_HOSTS := cdrhook.example.com
lint: export SECURE_SSL_REDIRECT := 1
lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy cdrhook dispatcher tests benchmarks
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m tests.advisories

lock: $(DEV)
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --all-extras --generate-hashes \
	  --no-emit-index-url --quiet -o requirements-bench.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --extra postgres --extra collect --extra summaries --extra dev -c requirements-bench.txt \
	  --generate-hashes --no-emit-index-url --quiet -o requirements-dev.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --extra postgres --extra collect --extra summaries -c requirements-dev.txt \
	  --generate-hashes --no-emit-index-url --quiet -o requirements.txt

clean:
	rm -rf $(VENV) build dist *.egg-info htmlcov .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The venv -------------------------------------------------------------------------------

$(RUNTIME): | $(BIN)/python
	@$(call install,requirements.txt)
	@rm -f $(VENV)/.runtime-*; touch $@

$(DEV): | $(BIN)/python
	@$(call install,requirements-dev.txt)
	@rm -f $(VENV)/.dev-* $(VENV)/.runtime-*; touch $@ $(RUNTIME)

$(BENCH): | $(BIN)/python
	@$(call install,requirements-bench.txt)
	@rm -f $(VENV)/.bench-* $(VENV)/.dev-* $(VENV)/.runtime-*; touch $@ $(DEV) $(RUNTIME)

$(BIN)/python:
	@python=""; \
	for one in python3.11 python3; do \
	  if "$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then python="$$one"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "cdrhook needs Python 3.11 or newer as python3.11 or python3." >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$python"; \
	rm -rf $(VENV); \
	"$$python" -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  echo "No venv could be made; on Debian and Ubuntu: apt install python3-venv" >&2; \
	  exit 1; \
	}

# uv takes seconds where pip takes most of a minute; pip serves where uv does not.
define install
set -e; \
echo "Installing $(1) (hashes checked)"; \
$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV)" \
  || echo "uv cannot be had here: going on with pip"; \
if ! { [ -x $(BIN)/uv ] \
    && $(BIN)/uv pip install --python $(BIN)/python --require-hashes -r $(1) \
    && $(BIN)/uv pip install --python $(BIN)/python --no-deps -e .; }; \
then \
  echo "Installing with pip instead of uv; this takes a minute"; \
  $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(1); \
  $(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .; \
fi; \
$(BIN)/python -m compileall -q cdrhook dispatcher
endef
