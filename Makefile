# The verbs of this project; `make help` lists them. Everything happens inside this folder.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# TORCH=cpu installs PyTorch's CPU build (Linux users without a GPU save several GB).
TORCH ?=
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
# JupyterLab would cover a corner of the first lesson with the question whether to fetch news.
NO_NEWS := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
# A package that calls a program of the environment (nbgrader calls alembic) must find it.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test lint format notebooks experiments lab bench soak clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/installed ## Create .venv and install everything into it.

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) found. Say PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }
ifeq ($(TORCH),cpu)
	$(BIN)/pip install --quiet --index-url $(TORCH_CPU_INDEX) $$(grep '^torch==' constraints.txt)
endif
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]'
	@mkdir -p $(VENV)/share/jupyter/lab/settings
	@echo '$(NO_NEWS)' > $(VENV)/share/jupyter/lab/settings/overrides.json
	@touch $@

# What programs write into a home folder goes below build/.
HOMES := test demo notebooks bench soak experiments
$(HOMES): export IPYTHONDIR := $(CURDIR)/build/home/ipython
$(HOMES): export JUPYTER_CONFIG_DIR := $(CURDIR)/build/home/jupyter
$(HOMES): export JUPYTER_RUNTIME_DIR := $(CURDIR)/build/home/runtime
$(HOMES): export MPLCONFIGDIR := $(CURDIR)/build/home/matplotlib

demo: install ## Build a release, grade a sample class, write feedback and a class report.
	$(BIN)/grader demo

# A worker that dies ends the run: one started in its place would leave tests waiting for ever.
TWO_WORKERS := -n 2 --dist loadfile --max-worker-restart 0

test: install ## Run every test: library, checks, grader, lessons, browser.
	$(BIN)/pytest $(TWO_WORKERS) --no-loadscope-reorder
	$(BIN)/pytest $(TWO_WORKERS) --nbval --nbval-current-env lessons

lint: install ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: install ## Rebuild the notebooks from their text.
	$(BIN)/grader notebooks

experiments: install ## Repeat the studies over many seeds whose results the lessons plot.
	@for study in lessons/*/experiments.py; do echo $$study; $(BIN)/python $$study || exit 1; done

lab: install ## Open JupyterLab on the first lesson.
	$(BIN)/jupyter lab $$(ls lessons/*/*.ipynb | head -n 1)

bench: install ## Measure: a check's latency, a live figure's redraw, an optimizer's step, grading.
	PYTHONPATH=tests/support $(BIN)/python tests/bench.py
	$(BIN)/python tests/bench_optimizers.py
	$(BIN)/python tests/bench_grading.py

soak: install ## Grade 2,000 submissions and watch memory and pace; train 50 times on four ranks.
	$(BIN)/python tests/soak.py
	$(BIN)/python tests/soak_parallel.py

clean: ## Remove what was built (not .venv).
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
