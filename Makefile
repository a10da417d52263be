# `make run` and `make test` need nothing before them: scripts/setup.sh installs what is missing, once.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SIDE_BY_SIDE := --numprocesses=auto --dist=loadfile --no-loadscope-reorder # files of tests, that wait most of the time
.PHONY: help run test fuzz soak lint bench reads overhead load screenshots vendor clean

help: ## this list
	@printf 'memtap: who is asking the kernel for memory\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nOptions for a command: make run ARGS="--port 9000", make test ARGS="-k replay"\n'

run: ## install what is missing, build, tap this machine and open the dashboard
	@scripts/setup.sh run
	@exec .venv/bin/memtap run $(if $(DISPLAY)$(WAYLAND_DISPLAY),--open) $(ARGS)

test: ## install what the tests need, and run all of them
	@scripts/setup.sh test
	@exec .venv/bin/python -P -m pytest $(SIDE_BY_SIDE) $(ARGS)

fuzz: ## new inputs for the native core, SECONDS=3600 of them (or INPUT=FILE once more), under sanitizers
	@scripts/setup.sh test
	@exec .venv/bin/python -m tests.fuzz $(or $(INPUT),$(or $(SECONDS),60))

soak: ## repeat each fault of tests/faults N times (default 100), and put what was lost into the READMEs' table
	@scripts/setup.sh test
	@MEMTAP_FAULT_RUNS=$(or $(N),100) MEMTAP_FAULT_RESULTS=tests/faults/soak.json \
		.venv/bin/python -P -m pytest $(SIDE_BY_SIDE) tests/faults $(ARGS); status=$$?; \
		.venv/bin/python -m tests.faults.table; exit $$status

lint: ## the house rules alone: ruff, mypy, cython-lint, shellcheck
	@scripts/setup.sh test
	@scripts/lint.sh

bench: ## measure memtap against its peers (ten minutes on a quiet machine; ARGS=--quick for a try)
	@scripts/setup.sh bench
	@exec .venv/bin/python -m benchmarks $(ARGS)

reads: ## measure what reads cost with up to 100 million stored calls (half an hour, 20 GB; ARGS="--only duckdb")
	@scripts/setup.sh bench
	@exec .venv/bin/python -m benchmarks.reads $(ARGS)

overhead: ## measure what tapping costs other programs (as root, ten minutes on a quiet machine; ARGS=--quick for a try)
	@scripts/setup.sh bench
	@exec .venv/bin/python -m benchmarks.overhead $(ARGS)

load: ## measure what the page's server bears: 1,000 listeners, 10,000 processes (a quarter of an hour on a quiet machine)
	@scripts/setup.sh bench
	@exec .venv/bin/python -m benchmarks.load $(ARGS)

screenshots: ## take the README's pictures of the dashboard again
	@scripts/setup.sh test
	@.venv/bin/python -m tests.browser.screenshots

vendor: ## fetch the dashboard's and its tests' vendored files again (needs npm)
	@python3 frontend/vendor/refresh.py
	@python3 frontend/vendor/refresh.py tests/browser/vendor

clean: ## remove all that make and its tools put here, .venv included
	rm -rf .venv .setup build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f native/*.c native/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
