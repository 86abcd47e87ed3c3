# make demo | test | check | test-full | bench: each sets up what it needs. Nothing else has to be run first.
.DEFAULT_GOAL := help
.PHONY: help setup packages demo test check test-full bench lock
py := .venv/bin/python

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: # the locked environment, in .venv
	@.ci/setup

packages:
	@.ci/debian-packages

demo: setup ## set up and run the main job, all on this machine
	@$(py) -m examples.support_bot

test: setup packages ## set up and pass the tests
	@$(py) -m pytest --durations=20

check: setup ## lint, types, floors, docs
	@$(py) -m ruff format --check .
	@$(py) -m ruff check .
	@$(py) -m mypy
	@.venv/bin/python -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	@$(py) -m pytest -q tests/test_docs.py tests/test_promises.py tests/router/test_router_docs.py

test-full: setup packages ## the long ring: slow faults, more examples
	@HYPOTHESIS_PROFILE=full $(py) -m pytest -m "full or hypothesis" --durations=20

bench: setup ## benchmarks
	@$(py) -m benchmarks

lock: setup # resolve requirements/dev.txt afresh from pyproject.toml
	@$(py) -m uv pip compile pyproject.toml --extra phoenix --extra postgres --extra pricing --extra prometheus --extra router --group dev --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file requirements/dev.txt
