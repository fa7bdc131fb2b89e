# The targets need only Python 3.11+ and the package index: they make .venv, install into it, and run.
PYTHON ?= python3
BIN = .venv/bin
WORKERS ?= 2
PARALLEL = -n $(WORKERS) --dist loadfile
CORE = tests/test_architecture.py tests/io/test_images.py tests/io/test_reading.py tests/io/test_provenance.py \
  tests/io/test_arguments.py tests/data_prep/test_degrade.py tests/data_prep/test_pairs.py tests/data_prep/test_loader.py \
  tests/metrics/test_metrics.py tests/training/test_losses.py

.PHONY: run test check docs clean

run: .venv/installed-samples  ## paper 000 on the embedded portraits; ARGS="--data DIR ..." is passed on
	$(BIN)/python experiments/mpsrgan_idoc.py $(ARGS)

test: .venv/installed-test  ## all tests, then those marked `backends` on JAX; ARGS="tests/models ..." narrows them
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)
	$(if $(ARGS),,KERAS_BACKEND=jax JAX_PLATFORMS=cpu PYTHONPATH=tests \
	  $(BIN)/python -m pytest $(PARALLEL) -p block_tensorflow -m backends)

check: .venv/installed-test  ## for daily work: style, the arrows between packages, and quick tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q $(PARALLEL) $(CORE)

docs: .venv/installed-docs  ## the documentation, into site/; works offline, from the disk too
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)

.venv/installed-%: setup.cfg setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("mpsrgan needs Python 3.11 or newer; this is " + sys.version.split()[0] + \
	  " (name another one: make PYTHON=python3.12 ...)" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	@touch $@

clean:
	rm -rf .venv build dist site *.egg-info
