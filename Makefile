# Every target does its own set-up; `make help` lists them.
PRESET ?= release
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
PYTHON := .venv/bin/python
LOWP := build/$(PRESET)/lowp
CONFIGURE_FLAGS :=
ifdef CUDA
CONFIGURE_FLAGS += -DLOWP_CUDA=ON
endif

.DEFAULT_GOAL := help
.PHONY: help setup build core test test-core test-sanitized-quick test-sanitized test-exhaustive test-gpu \
        test-gpu-sanitized demo bench bench-gpu figures format lint clean install

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: ## Install Debian packages, the virtual environment, with CUDA=1 the CUDA compiler
	@scripts/setup.sh system python $(if $(CUDA),cuda)

build: setup ## Build the command at build/release/lowp (CUDA=1: with the CUDA kernels)
	cmake --preset $(PRESET) $(CONFIGURE_FLAGS)
	cmake --build --preset $(PRESET) -j $(JOBS) --target src/all

# The tests and benchmarks too, which take as long to build as the rest.
everything: build
	cmake --build --preset $(PRESET) -j $(JOBS)
.PHONY: everything

core: ## Build formats, kernels, checkpoints and the torch-free command, without torch
	@scripts/setup.sh system
	cmake --preset core
	cmake --build --preset core -j $(JOBS)

# A file a process: its fixtures are made once. Threads of two processes that wait for work must not spin.
test: everything model ## Run every test that needs no GPU
	ctest --preset $(PRESET) -j $(JOBS)
	OMP_WAIT_POLICY=passive LOWP_COMMAND=$(LOWP) $(PYTHON) -m pytest -q -n $(JOBS) --dist loadfile \
	  tests/oracle tests/docs

test-core: core ## Test the build without torch
	ctest --preset core -j $(JOBS)

# What reads files that strangers wrote, and what shares memory between threads; kernels are checked by
# `make test-sanitized`, all of it, which takes half an hour to build on 2 cores.
ASAN_TESTS := gguf_test gguf_blocks_test safetensors_test quantized_weight_test packing_test \
  tokenizer_malformed_test tokenizer_tokenizer_test tokenizer_pieces_test tokenizer_regex_test console_test
TSAN_TESTS := thread_pool_test safetensors_test

test-sanitized-quick: ## Test file readers under ASan and UBSan, threads under TSan
	@scripts/setup.sh system
	cmake --preset asan && cmake --build --preset asan -j $(JOBS) --target $(ASAN_TESTS)
	ctest --preset asan -j $(JOBS) -R "^($(subst $(eval ) ,|,$(ASAN_TESTS)))$$"
	cmake --preset tsan && cmake --build --preset tsan -j $(JOBS) --target $(TSAN_TESTS)
	ctest --preset tsan -j $(JOBS) -R "^($(subst $(eval ) ,|,$(TSAN_TESTS)))$$"

test-sanitized: ## Test every torch-free layer under ASan, UBSan and TSan
	@scripts/setup.sh system
	cmake --preset asan && cmake --build --preset asan -j $(JOBS) && ctest --preset asan -j $(JOBS)
	cmake --preset tsan && cmake --build --preset tsan -j $(JOBS) && ctest --preset tsan -j $(JOBS)

test-exhaustive: everything ## Compare the conversions over all 2^32 fp32 inputs (minutes)
	LOWP_EXHAUSTIVE=1 LOWP_COMMAND=$(LOWP) $(PYTHON) -m pytest -q tests/oracle/test_formats.py

test-gpu: ## Test the CUDA kernels; needs a Hopper GPU, nvcc and a Python with torch, nothing else
	scripts/gpu.sh test

test-gpu-sanitized: ## Test a sample of the CUDA kernels under compute-sanitizer
	scripts/gpu.sh sanitize

bench-gpu: ## Measure the CUDA kernels; results to bench/results
	scripts/gpu.sh bench

model:
	@scripts/setup.sh system python model
.PHONY: model

demo: build model ## Import, quantize, evaluate and generate with a real model; report and table
	$(PYTHON) scripts/demo.py --lowp $(LOWP) --model models/smollm2-135m-instruct.gguf \
	  --text models/jargon.txt --out out/demo

bench: demo ## Measure kernels, the quantize command and decoding; results to bench/results
	$(PYTHON) bench/run.py --build build/$(PRESET)

figures: setup ## Write the tables and plots of README and docs from bench/results
	$(PYTHON) scripts/readme_tables.py
	$(PYTHON) scripts/plots.py

format: ## Format the sources
	@scripts/lint.py --format

lint: build ## clang-format, clang-tidy, file lengths (ALL=1: clang-tidy on the slow units too)
	@scripts/lint.py --build build/$(PRESET) $(if $(ALL),--all)

install: build ## Install to PREFIX (default /usr/local)
	cmake --install build/$(PRESET) --prefix $(PREFIX)

clean: ## Remove what was built; the virtual environment and the model stay
	rm -rf build out
