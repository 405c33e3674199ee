"""Found first by a consumer's Python, since its folder leads `PYTHONPATH`: puts the hook in, and steps aside.

The application's own `sitecustomize`, if it has one, runs behind it as it would have. Nothing of the plugin need be
installed in that Python.
"""

# ruff: noqa: PTH100, PTH118, PTH120

import importlib.machinery
import importlib.util
import os
import sys
from typing import Any

_here = os.path.dirname(os.path.abspath(__file__))


def _load(name: str, path: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _step_aside() -> None:
    """Run the `sitecustomize` that would have been found without this one."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("MQCHAOS_EFFECTS"):
    _probe = _load("_mqchaos_probe", os.path.join(_here, "..", "..", "probe.py"))
    _load("_mqchaos_hook", os.path.join(_here, "hook.py")).install(_probe)
_step_aside()
