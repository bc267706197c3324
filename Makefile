# Two commands: `make table` and `make test`. Each sets up what it needs, in .venv, the first time it runs.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: table test check slow oracle oracle-mutants bench schedules docs wheel clean

table: $(VENV)/.ready
	@$(BIN)/tdpsim table

test: check
	$(BIN)/pytest -q -n 2 --dist loadfile

check: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The tests that `make test` leaves out because of their size.
slow: $(VENV)/.ready-dev
	$(BIN)/pytest -q -m slow

# N random programs in every way to run them, against a machine that shares no code with sim/ (tests/oracle).
N    ?= 5000
SEED ?= 1

oracle: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.oracle --number $(N) --seed $(SEED)

# What the oracle notices: eleven patches to a copy of the tree, and after how many programs each is found.
oracle-mutants: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.oracle.mutants --seed $(SEED)

# The protocol of tests/bench under this project, Spin, TLC and minicheck, and scenarios of ours under Spin; `python -m tests.bench --help` has more.
bench: $(VENV)/.ready
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.exported
	@$(BIN)/python -m tests.bench.counts
	@$(BIN)/python -m tests.bench.fuzzing

# Derive every schedule in schedules/ again, and show what the model's move has changed.
schedules: $(VENV)/.ready
	rm -rf schedules/*/
	$(BIN)/tdpsim table --kernel both --module 1.5.01 --record schedules > /dev/null
	$(BIN)/tdpsim table --module 1.5.28 --kernel after --record schedules > /dev/null
	$(BIN)/tdpsim table --module 1.5.01 --kernel after --flip all --record schedules > /dev/null
	$(BIN)/tdpsim explore np-to-leaf-shared --without restore --record schedules/np-to-leaf-shared > /dev/null || test $$? = 1
	$(BIN)/tdpsim explore leaf-to-np-exclusive --without kick --record schedules/leaf-to-np-exclusive > /dev/null || test $$? = 1
	$(BIN)/tdpsim explore np-to-leaf-shared --without hp-timeout --record schedules/np-to-leaf-shared > /dev/null || test $$? = 1
	$(BIN)/tdpsim explore atomic-zap --record schedules/atomic-zap > /dev/null || test $$? = 1
	$(BIN)/tdpsim explore fast-zap --set root=direct --without obsolete-root --record schedules/fast-zap > /dev/null || test $$? = 1
	$(BIN)/tdpsim explore punch-hole-beside-a-guest --record schedules/punch-hole-beside-a-guest > /dev/null || test $$? = 1
	git --no-pager diff --stat -- schedules

# The pages of docs/ that are generated. `python -m tests.docs words` writes docs/words.md alone, at once.
docs: $(VENV)/.ready
	$(BIN)/python -m tests.docs
	$(BIN)/tdpsim show schedules/np-to-leaf-exclusive/*.7.2+1.5.01.*.zero-step.toml --format svg > docs/row-2.svg

wheel: $(VENV)/.ready-dev
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

$(VENV)/.ready: pyproject.toml requirements.lock
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@echo "compiling the loops of the search (once)"
	@$(BIN)/python -c 'from sim.engine.states.loops import library; library()'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
