# The commands of a developer. Only `run` and `test` are needed to begin.
PYTHON ?= python3
BIN := .venv/bin
SAMPLES := edge/pigeon_edge/toy_planet/samples
DEV_STAMP := .venv/.dev-installed
EDGE_VENV = .venv-edge-$(shell $(PYTHON) -c "import platform; print(platform.python_version())")

PARALLEL := --numprocesses auto --dist loadgroup --no-loadscope-reorder
export OMP_WAIT_POLICY = PASSIVE

.PHONY: run test test-all test-edge test-floors aarch64 lint gpu bench planet pictures clean

run: .venv/.installed ## Locate the sample photographs with the lean runtime
	$(BIN)/pigeon-edge geotag $(SAMPLES) --out out/estimates.geojson
	@$(BIN)/pigeon-edge locate $(SAMPLES)

test: lint ## Lint, types, directions, and the quick tests
	$(BIN)/python -m pytest $(PARALLEL)

test-all: lint ## The same with the slow tests
	$(BIN)/python -m pytest $(PARALLEL) -m "slow or not slow"

test-edge: ## The runtime's own tests on another Python: make test-edge PYTHON=python3.10, as JetPack 6 has it
	$(PYTHON) -m venv $(EDGE_VENV)
	$(EDGE_VENV)/bin/python -m pip install --quiet --editable ".[test-edge]" $(FLOORS)
	$(EDGE_VENV)/bin/python -m pytest tests/edge

test-floors: ## The same with the oldest versions of all that it needs
	$(MAKE) test-edge PYTHON=$(PYTHON) EDGE_VENV=.venv-floors FLOORS="--constraint floors.txt"

aarch64: build/aarch64 ## What make test-all needs to run on emulated ARM cores: 500 MB, once, by the network

build/aarch64:
	tests/emulated/prepare_aarch64.sh $@

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gpu: $(DEV_STAMP) ## Where an NVIDIA GPU and nvcc are: its tests, and ViT-L/14 beside transformers
	$(BIN)/python -m pip install --quiet --editable ".[dev,rtx]" "pycuda>=2025.1" --constraint constraints.txt
	timeout 480 sh -c "$(BIN)/python -m pytest tests/gpu && $(BIN)/python -m tests.gpu.baseline"

bench: $(DEV_STAMP) ## Ratios between engines and precisions, from one run
	$(BIN)/python -m tests.bench

planet: $(DEV_STAMP) ## Make the bundle that ships anew
	$(BIN)/pigeon-edge train planet --out out/planet --size full
	rm -rf edge/pigeon_edge/toy_planet/toy-planet.pigeon $(SAMPLES)
	cp -r out/planet/toy-planet.pigeon out/planet/samples edge/pigeon_edge/toy_planet/
	cp out/planet/confidence.png calibration/pictures/

pictures: $(DEV_STAMP) ## Draw the README's pictures anew
	$(BIN)/pigeon-edge geotag $(SAMPLES) --out out/samples.jsonl
	$(BIN)/pigeon-edge train atlas --events out/samples.jsonl --out training/pictures
	$(BIN)/pigeon-edge train explain $(SAMPLES)/22-heinprelle.jpg --out training/pictures/explanation.jpg

clean:
	rm -rf .venv out build dist

.venv/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV_STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $@
