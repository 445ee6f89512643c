# Everything a newcomer types: `make report` (a verdict of every notebook) and `make test` (all checks).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Every notebook on the recording that it names, and one more canary; two run at a time.
REPORTS := $(patsubst notebooks/%.ipynb,%:,$(wildcard notebooks/*.ipynb)) canary-verdict:canary-healthy
# Those whose names begin with an underscore are only extended by others.
SCENARIOS := $(notdir $(basename $(wildcard meshlab/lab/scenarios/[a-z]*.toml)))

.PHONY: help report test lint unit notebooks live execute jupyter lab record-all clean
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[aws,jupyter,lab,dask,dev]'
	@touch $@ $(VENV)/.core

report: $(VENV)/.core ## every notebook on a recording of a real mesh: a line each, their pages in out/
	@printf '%s\n' $(REPORTS) | xargs -P 2 -n 1 \
	  sh -c 'source=$${0#*:}; $(BIN)/meshlab report "$${0%%:*}" $${source:+--source "$$source"} --fail-on never'
	@printf 'all of them: '; $(BIN)/meshlab index out

test: lint unit notebooks live ## every check; CI runs this

lint: $(VENV)/.dev ## style, types, and that arrows point down
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.dev ## arrays, frames, properties
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not live and not browser"

notebooks: $(VENV)/.dev ## every committed notebook gives its committed output
	$(BIN)/python -m pytest -q --nbval --nbval-current-env --nbval-cell-timeout 120 -o filterwarnings=default notebooks

live: $(VENV)/.dev ## real Prometheus, Envoy and Chromium over loopback
	$(BIN)/python -m pytest -q -m "live or browser"

execute: $(VENV)/.dev ## run the notebooks in place, to commit them with their outputs
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False \
	  notebooks/*.ipynb notebooks/interactive/*.ipynb

jupyter: $(VENV)/.dev ## JupyterLab on the notebooks
	$(BIN)/jupyter lab notebooks

lab: $(VENV)/.dev ## a real mesh that stays up until Ctrl-C
	$(BIN)/meshlab lab up

record-all: $(VENV)/.dev ## record what is missing in data/ of the lab's scenarios (leave the machine alone meanwhile)
	@for name in $(SCENARIOS); do \
	  test -f data/$$name/manifest.json || $(BIN)/meshlab lab run $$name --record data/$$name || exit $$?; \
	done

clean: ## remove what was made
	rm -rf $(VENV) out build dist
