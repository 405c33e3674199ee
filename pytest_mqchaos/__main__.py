"""`python -m pytest_mqchaos`: the commands beside pytest itself."""

from __future__ import annotations

import sys

from pytest_mqchaos.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
