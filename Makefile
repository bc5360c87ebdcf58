# Everything sets itself up: `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
MINUTES ?= 5
BIN = $(VENV)/bin
READY = $(VENV)/.ready
PYTEST = $(BIN)/pytest --timeout 300 -q
# Without Qt, so that these tests run where its system libraries are missing.
HEADLESS = --ignore tests/plugin -p no:pytest-qt -p no:napari -p no:napari-plugin-engine -p no:npe2
SCREEN = xvfb-run -a -s "-screen 0 1600x1200x24"

.PHONY: help demo test lint test-headless test-plugin system-packages docs pictures bench fuzz kill soak clean

help:
	@echo "make demo           track several objects in a short recording and write the results to demo-output/"
	@echo "make test           check the style and the types, then run all tests"
	@echo "make lint           check the style and the types"
	@echo "make test-headless  the tests that need no screen"
	@echo "make test-plugin    the tests with a napari viewer, on a virtual screen"
	@echo "make docs           build the documentation into site/"
	@echo "make bench          compare with Meta's own predictor"
	@echo "make fuzz           open damaged inputs by the thousand (MINUTES=5)"
	@echo "make kill           kill a run 50 times and compare what is left with an uninterrupted one"
	@echo "make soak           track, correct, export and close for an hour, and watch memory"
	@echo "make pictures       take the pictures of the documentation again"
	@echo "Variables: PYTHON=python3.12  VENV=.venv  TORCH=cuda"

$(READY): pyproject.toml constraints.txt tools/make_venv.sh
	TORCH=$(TORCH) sh tools/make_venv.sh $(VENV) $(PYTHON)
	@touch $@

demo: $(READY)
	$(BIN)/napari-sam2-video demo --out demo-output

test: $(READY) lint test-headless test-plugin

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy

test-headless: $(READY)
	$(PYTEST) tests $(HEADLESS)

system-packages:
	sh tools/install_system_packages.sh

test-plugin: $(READY) system-packages
	@command -v xvfb-run >/dev/null || { \
	  echo "The tests of the napari plugin were NOT run: xvfb-run is missing; install the packages named above."; exit 1; }
	$(SCREEN) $(PYTEST) tests/plugin

docs: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt mkdocs
	$(BIN)/mkdocs build --strict

bench: $(READY)
	$(BIN)/python -m benchmarks

fuzz: $(READY)
	nice -n 19 $(BIN)/python tools/fuzz_inputs.py --minutes $(MINUTES)

soak: $(READY)
	$(BIN)/python tools/soak.py --minutes 60

kill: $(READY)
	$(BIN)/python tools/kill_test.py --kills 50 --model demo

pictures: $(READY) system-packages
	$(SCREEN) $(BIN)/python tools/make_screenshots.py

clean:
	rm -rf $(VENV) demo-output site .mypy_cache .ruff_cache .pytest_cache
