"""Which toxics make a condition."""

from typing import Any

import pytest

from pytest_mqchaos.link.toxics import toxics_of
from pytest_mqchaos.link.weather import Condition


@pytest.mark.parametrize(
    ("condition", "texts"),
    [
        ({"kind": "stall"}, ["bandwidth 0 (upstream)", "bandwidth 0 (downstream)"]),
        ({"kind": "black_hole"}, ["timeout 0 (upstream)"]),
        (
            {"kind": "latency", "delay": 0.1},
            ["latency 100 0 (upstream)", "latency 100 0 (downstream)"],
        ),
        ({"kind": "latency", "delay": 0.29}, ["latency 290 0 (upstream)", "latency 290 0 (downstream)"]),
        ({"kind": "bandwidth", "rate": 20_000}, ["bandwidth 20 (upstream)", "bandwidth 20 (downstream)"]),
        ({"kind": "fragment", "size": 16}, ["slicer 16 0 0 (upstream)", "slicer 16 0 0 (downstream)"]),
        ({"kind": "latency", "delay": 0.0004}, []),
        ({"kind": "latency", "delay": 0.1005}, []),
        ({"kind": "latency", "delay": 0.1, "jitter": 0.01}, []),
        ({"kind": "bandwidth", "rate": 500}, []),
        ({"kind": "bandwidth", "rate": 1500}, []),
    ],
)
def test_toxics(condition: dict[str, Any], texts: list[str]) -> None:
    """One for each direction where Toxiproxy's whole numbers say it exactly; else none, and the wire does it."""
    made = toxics_of(Condition(number=3, **condition))
    assert [str(toxic) for toxic in made] == texts
    assert len({toxic.name for toxic in made}) == len(made)
