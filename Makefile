# make demo | test | check | test-full | bench: each sets up what it needs. Nothing else has to be run first.
.DEFAULT_GOAL := help
.PHONY: help setup packages demo test check docs test-full bench lock
py := .venv/bin/python
# Two workers; the order is that of the files, so that the slow acceptance tests begin first.
pytest := $(py) -m pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations=20

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: # the locked environment, in .venv
	@.ci/setup

packages:
	@.ci/debian-packages

demo: setup ## set up and run the main job, all on this machine
	@$(py) -m examples.support_bot

test: setup packages ## set up and pass the tests
	@$(pytest)

check: setup ## lint, types, floors, docs
	@$(py) -m ruff format --check .
	@$(py) -m ruff check .
	@$(py) -m mypy
	@.venv/bin/python -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	@$(py) -m pytest -q tests/test_docs.py tests/test_promises.py tests/router/test_router_docs.py
	@NO_MKDOCS_2_WARNING=1 $(py) -m mkdocs build # not --quiet, which hides the warnings before they are counted

docs: setup ## the documentation site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(py) -m mkdocs build

test-full: setup packages ## the long ring: slow faults, more examples
	@HYPOTHESIS_PROFILE=full $(pytest) -m "full or hypothesis"

bench: setup ## benchmarks
	@$(py) -m benchmarks

lock: setup # resolve requirements/dev.txt afresh from pyproject.toml
	@$(py) -m uv pip compile pyproject.toml --extra phoenix --extra postgres --extra pricing --extra prometheus --extra router --group dev --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --upgrade --quiet --output-file requirements/dev.txt
