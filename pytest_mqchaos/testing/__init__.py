"""Suites for those who add to the plugin: what a network has to show a client, as plain functions.

```python
import pytest
from pytest_mqchaos.testing import NETWORK_CHECKS, NetworkBench

@pytest.mark.parametrize("check", NETWORK_CHECKS, ids=lambda check: check.__name__)
def test_my_network(check):
    with NetworkBench(lambda host, port: MyNetwork(host, port)) as bench:
        check(bench)
```
"""

from __future__ import annotations

from pytest_mqchaos.testing.bench import NetworkBench
from pytest_mqchaos.testing.networks import NETWORK_CHECKS

__all__ = ["NETWORK_CHECKS", "NetworkBench"]
