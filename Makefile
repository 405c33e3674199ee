.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format docs build clean
SHELL := /bin/bash
PY := .venv/bin/python

# make test ARGS="-k reset -x" TESTS=tests/unit
TESTS ?= $(wildcard tests examples)
# The examples are projects of their own, with test files named as a user's: a session of their own, which takes place
# whether the first one passed or not, but not when that was interrupted (pytest's status 2).
pytest = $(if $(strip $(1)),$(PY) -m pytest $(1) $(ARGS),true)
ARGS ?=

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup:  ## get what is missing (virtual environment, RabbitMQ, Toxiproxy); does nothing twice
	@tools/setup

demo: setup  ## real consumers lose, double and strand messages; correct ones pass
	@$(PY) -m examples.demo

test: setup  ## all tests; ARGS="-k reset -x" and TESTS=tests/unit narrow them
	rc=0; $(call pytest,$(filter-out examples%,$(TESTS))) || rc=$$?; [ $$rc = 2 ] || \
	{ $(call pytest,$(filter examples%,$(TESTS))) || rc=1; }; exit $$rc

test-all: setup  ## the tests on each Python from 3.11 to 3.13 that is here, with pytest 8.4 and 9
	@tools/test-all $(ARGS)

check: setup  ## lint, format, types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

format: setup  ## put right what the tools can put right
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

docs:  ## the documentation as a site, build/docs; gets Sphinx, which nothing else needs
	@tools/docs

build: setup  ## the sdists and, from them, the wheels: of the plugin, and of the probe alone
	rm -rf dist
	$(PY) -m build
	$(PY) -m build --outdir dist probe

clean:  ## remove what the targets made (.tools keeps its downloads: remove it by hand)
	rm -rf .venv dist build mqchaos-report .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
