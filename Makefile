# The targets need only Python 3.11+ and the package index: they make .venv, install into it, and run.
PYTHON ?= python3
VENV = .venv
NEWEST = .venv-newest
BIN = $(VENV)/bin
PINS =
WORKERS ?= 2
PARALLEL = -n $(WORKERS) --dist loadfile
# Tests are compiled once, not by every worker of every run, also where the environment says otherwise.
export PYTHONDONTWRITEBYTECODE =
CORE = tests/test_architecture.py tests/io/test_images.py tests/io/test_reading.py tests/io/test_provenance.py \
  tests/io/test_arguments.py tests/data_prep/test_degrade.py tests/data_prep/test_pairs.py tests/data_prep/test_loader.py \
  tests/metrics/test_metrics.py tests/training/test_losses.py
# What versions of other packages can break; on JAX what is marked `backends`, without every network that ships, as JAX
# takes minutes to compile them all.
MATRIX = $(CORE) tests/models/test_compat.py tests/models/test_models.py tests/hub/test_h5.py tests/hub/test_registry.py \
  tests/upscale/test_backends.py tests/export/test_export.py tests/test_colab.py tests/test_notebooks.py \
  tests/upscale/video/test_video.py::test_every_frame_comes_at_its_time_with_the_audio \
  tests/upscale/video/test_video.py::test_the_shape_of_pixels_and_the_metadata_are_kept \
  tests/web/test_web.py::test_from_upload_to_download \
  $(addprefix tests/training/test_gan.py::,test_a_step_is_gradient_descent_on_the_named_losses test_both_networks_learn \
  test_mixed_precision_trains_and_scales_both_losses_in_float16_only)

.PHONY: run test check fuzz audit docs demo clean versions test-scale test-colab test-lowest test-newest

run: $(VENV)/installed-samples  ## paper 000 on the embedded portraits; ARGS="--data DIR ..." is passed on
	$(BIN)/python experiments/mpsrgan_idoc.py $(ARGS)

test: $(VENV)/installed-test  ## all tests, then those marked `backends` on JAX; ARGS="tests/models ..." narrows them
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)
	$(if $(ARGS),,KERAS_BACKEND=jax JAX_PLATFORMS=cpu PYTHONPATH=tests \
	  $(BIN)/python -m pytest $(PARALLEL) -p block_tensorflow -m backends $$(grep -rl --include='test_*.py' mark.backends tests))

check: $(VENV)/installed-test  ## for daily work: style, the arrows between packages, and quick tests
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q $(PARALLEL) $(CORE)

fuzz: $(VENV)/installed-test  ## 200,000 damaged pictures and videos; ARGS="--inputs N" for another number
	$(BIN)/python tools/fuzz.py $(ARGS)

test-colab:  ## the core tests with the versions of today's Colab image, in .venv-colab
	$(call versions,colab,3.13 3.12,-c tests/versions/colab.txt)

test-lowest:  ## the same with the lowest versions that setup.cfg allows, in .venv-lowest
	$(call versions,lowest,3.11 3.12,-c tests/versions/lowest.txt)

test-newest:  ## the same with the newest versions of the package index, in .venv-newest
	rm -f $(NEWEST)/installed-*
	$(call versions,newest,3.12 3.13 3.11,--upgrade --upgrade-strategy eager)

audit:  ## the known vulnerabilities of the newest and of the lowest versions, by pip-audit; needs the internet
	rm -f $(NEWEST)/installed-*
	$(MAKE) $(NEWEST)/installed-test VENV=$(NEWEST) PINS="--upgrade --upgrade-strategy eager"
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(NEWEST)/bin/pip-audit --skip-editable
	$(NEWEST)/bin/pip-audit --strict -r tests/versions/lowest.txt

# versions NAME, PYTHONS, OPTIONS OF PIP: the first of these Pythons that this machine has; else PYTHON
versions = $(MAKE) versions VENV=.venv-$(1) PINS="$(3)" PYTHON="$$(for v in $(2); do \
  python$$v -c 0 2>/dev/null && echo python$$v && exit; done; echo $(PYTHON))"

versions: $(VENV)/installed-test
	$(BIN)/python -VV && $(BIN)/python -m pip check
	$(BIN)/python -m pytest -q $(PARALLEL) $(MATRIX)
	KERAS_BACKEND=jax JAX_PLATFORMS=cpu PYTHONPATH=tests \
	  $(BIN)/python -m pytest -q $(PARALLEL) -p block_tensorflow -m backends \
	  $(filter-out tests/hub/test_registry.py,$(MATRIX))

test-scale: $(VENV)/installed-test,ray,stores,scale-test  ## the long tests of many devices, processes and images
	$(BIN)/python -m pytest -q -m scale tests $(ARGS)

docs: $(VENV)/installed-docs  ## the documentation, into site/; works offline, from the disk too
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)

demo: $(VENV)/installed-onnx  ## the page that upscales in the browser, into docs/demo/dist; needs npm
	$(BIN)/python tools/demo.py

$(VENV)/installed-%: setup.cfg setup.py pyproject.toml $(wildcard tests/versions/*.txt)
	@$(PYTHON) -c 'import sys; sys.exit("mpsrgan needs Python 3.11 or newer; this is " + sys.version.split()[0] + \
	  " (name another one: make PYTHON=python3.12 ...)" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PINS) -e ".[$*]"
	@touch $@

clean:
	rm -rf .venv .venv-colab .venv-lowest $(NEWEST) build dist site *.egg-info
