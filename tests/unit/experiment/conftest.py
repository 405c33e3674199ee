"""The builders of whole runs, of the tests of the checks, are these tests' too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))
