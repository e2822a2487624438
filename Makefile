# Two commands do everything on a fresh machine (Debian, Python 3.11, gcc, make, a package index):
#   make quickstart   makes the environment, builds, runs examples/quickstart.py
#   make test         makes the environment, builds, checks style, runs the tests
# Both are idempotent: stamps under .venv say what is done. `make checked` runs the tests of kernels once more, every call under
# the simulator's checks for races, bounds, unwritten memory, deadlocks and misuse (a quarter of an hour on two cores).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Without an NVIDIA driver: the CPU build, since a plain `torch` brings gigabytes of CUDA libraries.
TORCH := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo torch || echo torch==2.13.0)
WORKERS ?= 2
KERNELS := programs tileop language cuda transform frontend fuzz examples layout codegen engine tools utils runtime
NATIVE := $(wildcard src/runtime/* src/simulator/* src/simulator/checker/* src/simulator/include/* src/simulator/include/tl/* src/device/tl/* src/cython/*) CMakeLists.txt

.PHONY: quickstart test checked lint build native clean

quickstart: build
	$(BIN)/python examples/quickstart.py

test: build
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS) testing

checked: build
	TILELANG_SIMULATE=1 TILELANG_CHECK=all $(BIN)/python -m pytest -n $(WORKERS) $(addprefix testing/,$(KERNELS))

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy

# Again by a second make: installing has just built the libraries, which the first one cannot know.
build: $(VENV)/.installed
	@$(MAKE) --no-print-directory native

native: $(VENV)/.native

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.torch: $(VENV)/.created
	$(BIN)/python -m pip install --quiet $(TORCH)
	touch $@

# The editable install lists the modules that there were: it is made again when modules come or go.
MODULES := $(VENV)/.modules-$(shell find tilelang -name '*.py' | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
$(MODULES): $(VENV)/.created
	rm -f $(VENV)/.modules-*
	touch $@

# Editable: Python comes from the checkout, and the libraries are built into tilelang/lib.
$(VENV)/.installed: pyproject.toml $(VENV)/.torch $(MODULES)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/.native

$(VENV)/.native: $(NATIVE)
	$(BIN)/python -m tilelang.runtime.build
	touch $@

clean:
	rm -rf $(VENV) build tilelang/lib
