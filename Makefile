# Everything a newcomer needs: `make demo` and `make test`. Both set themselves up in .venv/.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: setup demo test lint bench lock clean

setup: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@echo "Setting up .venv (PyTorch and friends, about 5 GB; once)"
	@$(PYTHON) -c 'import sys; sys.exit("Saccade needs Python 3.11 or newer; this is %s" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: setup
	@$(BIN)/saccade demo

test: setup lint
	@$(BIN)/python -m pytest

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup
	@for script in io_share clips blocks tables; do \
		echo "benchmarks/$$script.py"; $(BIN)/python benchmarks/$$script.py || exit 1; done

# Pins the newest versions that pyproject.toml allows. Run it after a change of the dependencies there.
lock: setup
	@$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --group dev --universal \
		--no-emit-index-url --no-annotate --no-header --output-file requirements.lock

clean:
	rm -rf .venv out dist
