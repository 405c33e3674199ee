.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all check format build clean
SHELL := /bin/bash
PY := .venv/bin/python

# make test ARGS="-k reset -x" TESTS=tests/unit
TESTS ?= $(wildcard tests examples)
# The examples are projects of their own, with test files named as a user's: a session of their own.
pytest = $(if $(strip $(1)),$(PY) -m pytest $(1) $(ARGS))
ARGS ?=

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup:  ## get what is missing (virtual environment, RabbitMQ, Toxiproxy); does nothing twice
	@tools/setup

demo: setup  ## real consumers lose, double and strand messages; correct ones pass
	@$(PY) -m examples.demo

test: setup  ## all tests; ARGS="-k reset -x" and TESTS=tests/unit narrow them
	$(call pytest,$(filter-out examples%,$(TESTS)))
	$(call pytest,$(filter examples%,$(TESTS)))

test-all: setup  ## the tests on each Python from 3.11 to 3.13 that is here, with pytest 8.4 and 9
	@tools/test-all $(ARGS)

check: setup  ## lint, format, types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

format: setup  ## put right what the tools can put right
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

build: setup  ## the sdist and, from it, the wheel
	rm -rf dist
	$(PY) -m build

clean:  ## remove what the targets made (.tools keeps its downloads: remove it by hand)
	rm -rf .venv dist build mqchaos-report .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
