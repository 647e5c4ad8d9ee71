# Everything runs in .venv, which the first command makes. Only relative paths: the folder's name may hold a space.
# Stamps carry a checksum of what they stand for in their name, so content decides, never a file's time.

SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help reproduce _reproduce figures lab predictions text test test-quick test-faults lint format bench data tables readme lock clean FORCE

PY := .venv/bin/python
UV := $(PY) -m uv --quiet
INSTALL = $(UV) pip install --python $(PY)

# uv reads none of pip's settings; a network with its own package index has PIP_INDEX_URL, one with its own
# certificates has them in the system's store.
export UV_SYSTEM_CERTS := 1
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
export PYTHONNOUSERSITE := 1
# Without bytecode on disk every process would compile torch again.
unexport PYTHONPATH ANALYSIS_BUILD_DIR PYTHONDONTWRITEBYTECODE

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

# ---- Environment: one .venv, filled tier by tier from hashed locks ------------------------------------------------

# A copied or moved clone has another folder, where the editable install must point: so `pwd` is part of the key.
key = $(firstword $(shell (pwd; cat $(1)) | cksum))
UV_TOOL := .venv/stamps/uv-$(call key,requirements/uv.txt)
BASE := .venv/stamps/base-$(call key,pyproject.toml requirements/base.txt)
DEV := .venv/stamps/dev-$(call key,pyproject.toml requirements/dev.txt)
LAB := .venv/stamps/lab-$(call key,pyproject.toml requirements/lab.txt)
INFERENCE := .venv/stamps/inference-$(call key,pyproject.toml requirements/inference.txt)
RAY := .venv/stamps/ray-$(call key,pyproject.toml requirements/ray.txt)
# A .venv whose Python is gone (upgraded, other machine) is made again.
$(shell [ -x $(PY) ] || rm -rf .venv/stamps)

CANDIDATES = $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11)

$(UV_TOOL):
	@found=; for p in $(CANDIDATES); do \
	  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { found=$$p; break; }; \
	done; \
	if [ -z "$$found" ]; then \
	  echo 'error[python] no Python 3.11 or newer; looked for: $(CANDIDATES);' \
	    'install one, or name it: make PYTHON=/path/to/python3.12' >&2; exit 2; \
	fi; \
	echo "environment: .venv with $$("$$found" --version)" >&2; \
	"$$found" -m venv --clear .venv || { \
	  echo 'error[python] "python -m venv" failed; on Debian and Ubuntu: apt install python3-venv' >&2; exit 2; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@mkdir -p $(@D) && touch $@

# TORCH=cpu, cu126, auto ... puts another build of torch in place of the locked one (see `uv help pip install`,
# --torch-backend): smaller, or right for the driver, but without a hash.
.venv/stamps/%: | $(UV_TOOL)
	@tier=$(firstword $(subst -, ,$*)); echo "environment: packages of requirements/$$tier.txt" >&2; \
	$(INSTALL) --require-hashes -r requirements/$$tier.txt && \
	{ [ -z "$(TORCH)" ] || ! grep -q '^torch==' requirements/$$tier.txt || { \
	  echo "environment: torch for $(TORCH), without a hash" >&2; \
	  $(INSTALL) --reinstall --torch-backend $(TORCH) \
	    $$(grep -oE '^(torch|torchvision)==[^ ]+' requirements/$$tier.txt); }; } && \
	$(INSTALL) --no-deps --editable . && rm -f .venv/stamps/$$tier-* && touch $@

$(DEV) $(LAB) $(INFERENCE) $(RAY): | $(BASE)

# ---- Use ----------------------------------------------------------------------------------------------------------

# Notebooks are independent, so two run at once unless -j says otherwise.
JOBS ?= 2

# A second make, so that what it compares is read after `make tables reproduce` has written the tables.
reproduce: | $(BASE) ## run every notebook that is not up to date, then print the claims
	@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) _reproduce

ifneq ($(filter _reproduce,$(MAKECMDGOALS)),)
NOTEBOOKS := $(basename $(notdir $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))))
INPUTS := $(firstword $(shell { find src/analysis "$${ANALYSIS_DATA_DIR:-data}" requirements/base.txt \
  \( -name raw -o -name cache \) -prune -o -type f \( -name '*.py' -o -name '*.mplstyle' -o -name '*.parquet' \
  -o -name '*.csv' -o -name '*.json' -o -name base.txt \) -exec cksum {} + | LC_ALL=C sort; \
  echo "$$ANALYSIS_FIGURES_DIR"; } | cksum))
RUNS := $(foreach name,$(NOTEBOOKS),build/runs/$(name).$(firstword \
  $(shell { echo $(INPUTS); cat notebooks/$(name).ipynb; } | cksum)))
# The names of the notebooks are part of the key: one that was taken away takes its claims with it.
CLAIMS := build/runs/claims.$(firstword $(shell echo $(NOTEBOOKS) | cksum))
# A stamp lists the files that its run made: where one of them is gone, the stamp no longer holds.
LOST := $(shell for run in $(wildcard $(RUNS) $(CLAIMS)); do \
  while IFS= read -r file; do [ -e "$$file" ] || { echo $$run; break; }; done < $$run; done)
$(LOST): FORCE

_reproduce: $(CLAIMS)
	@$(if $(RAN),:,echo "nothing to do: $(words $(NOTEBOOKS)) notebooks and their figures are up to date")

$(CLAIMS): $(RUNS)
	$(eval RAN := 1)
	@mkdir -p $(@D) && rm -f build/runs/claims.*
	@tables="$${ANALYSIS_FIGURES_DIR:-figures}/tables"; for rows in "$$tables"/claims/*.csv; do \
	  [ -e "notebooks/$$(basename "$$rows" .csv).ipynb" ] || rm -f "$$rows"; \
	done; \
	$(PY) -m analysis claims && $(PY) -m analysis paper --summary && \
	printf '%s\n' "$$tables/claims.csv" "$$tables/paper_items.csv" > $@

$(RUNS):
	@mkdir -p $(@D) && rm -f $(basename $@).*
	@$(PY) -m analysis.run --outputs $@ notebooks/$(basename $(@F)).ipynb
endif

figures: | $(BASE) ## draw every figure again from its CSV, without running a notebook
	@$(PY) -m analysis figures

lab: | $(LAB) ## open the notebooks in JupyterLab
	@$(PY) -m jupyterlab --notebook-dir=. $(LAB_ARGS)

# The paper's four networks on the images of ImageNet; MODELS, DATASETS and ARGS choose others (docs/imagenet.md).
MODELS ?= paper
DATASETS ?= imagenet-val
predictions: | $(INFERENCE) $(if $(findstring ray,$(ARGS)),$(RAY)) ## run networks over image folders: make predictions IMAGES=/path/to/imagenet
	@$(PY) -m analysis predict --models $(MODELS) --datasets $(DATASETS) $(if $(IMAGES),--images "$(IMAGES)") $(ARGS)

text: | $(INFERENCE) ## train text classifiers, five runs of each on four corpora
	@$(PY) -m analysis text --shipped $(ARGS)

# ---- Check --------------------------------------------------------------------------------------------------------

test: | $(DEV) $(RAY) ## run all tests (installs torch: 5 GB)
	@$(PY) -m pytest

test-quick: | $(DEV) ## run the tests that need no torch
	@$(PY) -m pytest -m "not inference"

# FAULTS='E F2' takes some groups or rows, FAULTS=quick all but the heavy ones; LONG=1 kills and flips ten times as often.
test-faults: | $(DEV) $(RAY) ## inject every fault of docs/faults.md, count what survives
	@LONG=$(LONG) $(PY) tests/faults/run.py $(FAULTS)

lint: | $(DEV) ## check style, formatting and that notebooks hold no output
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(if $(wildcard notebooks/*.ipynb),$(PY) -m nbstripout --verify notebooks/*.ipynb)

format: | $(DEV) ## format the code, strip the notebooks
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format .
	@$(if $(wildcard notebooks/*.ipynb),$(PY) -m nbstripout notebooks/*.ipynb)

bench: | $(DEV) $(INFERENCE) ## time measures, inference and text beside other libraries
	@$(PY) -m analysis bench $(ARGS)

# ---- Make again ---------------------------------------------------------------------------------------------------

data: | $(BASE) ## fetch the published files (325 MB) and check them
	@$(PY) -m analysis data

tables: | $(BASE) ## derive the tables in data/ from the published files
	@$(PY) -m analysis tables

readme: | $(BASE) ## write the README's claims table and figure
	@$(PY) -m analysis readme

# Several goals at once, perhaps with -j: first fetch, then derive, then run.
ORDER := $(filter data tables reproduce readme,$(MAKECMDGOALS))
ifneq ($(filter data,$(ORDER)),)
tables: | data
endif
ifneq ($(filter tables,$(ORDER)),)
reproduce: | tables
endif
ifneq ($(filter reproduce,$(ORDER)),)
readme: | reproduce
endif

# No address, no header: the locks hold names, versions and hashes alone. Each tier keeps the versions of the one
# before. UPGRADE=1 takes the newest versions that pyproject.toml allows, otherwise what is locked stays.
COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --fork-strategy fewest --no-annotate \
  --no-header --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

lock: | $(UV_TOOL) ## write requirements/*.txt again from pyproject.toml (UPGRADE=1: newest versions)
	@echo 'uv>=0.13,<0.14' | $(COMPILE) - -o requirements/uv.txt >/dev/null
	@$(COMPILE) pyproject.toml -o requirements/base.txt >/dev/null
	@$(COMPILE) pyproject.toml --group dev -c requirements/base.txt -o requirements/dev.txt >/dev/null
	@$(COMPILE) pyproject.toml --group lab -c requirements/dev.txt -o requirements/lab.txt >/dev/null
	@$(COMPILE) pyproject.toml --group dev --group inference -c requirements/lab.txt -o requirements/inference.txt >/dev/null
	@$(COMPILE) pyproject.toml --group dev --group inference --group ray -c requirements/inference.txt -o requirements/ray.txt >/dev/null

clean: ## remove figures and executed notebooks (the environment stays)
	@rm -rf build && find figures -mindepth 1 ! -name README.md -delete 2>/dev/null || :
