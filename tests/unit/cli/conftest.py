"""The commands' tests are written with the builders of the report's."""

from __future__ import annotations

import sys
from pathlib import Path

for part in ("model", "report"):
    sys.path.insert(0, str(Path(__file__).parents[1] / part))
