# The targets need only Python 3.11+ and the package index: they make .venv, install into it, and run.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: run test docs clean

run: .venv/installed-samples  ## paper 000 on the embedded portraits; ARGS="--data DIR ..." is passed on
	$(BIN)/python experiments/mpsrgan_idoc.py $(ARGS)

test: .venv/installed-test  ## the whole test suite; ARGS="tests/training ..." narrows it
	$(BIN)/python -m pytest $(ARGS)

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
