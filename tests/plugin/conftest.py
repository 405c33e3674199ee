"""The fixture of the tests that run pytest inside pytest."""

from __future__ import annotations

import os

import jinja2  # noqa: F401
import pytest
from chaos_bench import FAKE, Bench

# loaded once: a run of pytester drops what it imported first, and to load these again takes most of its time
import pytest_mqchaos.markers
import pytest_mqchaos.model.account
import pytest_mqchaos.model.ledger
import pytest_mqchaos.report.document
import pytest_mqchaos.report.html
import pytest_mqchaos.report.markdown
import pytest_mqchaos.report.terminal  # noqa: F401


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A directory for runs of pytest, apart from this one's environment."""
    for name in [
        name for name in os.environ if name.startswith(("PYTEST_MQCHAOS_", "PYTEST_XDIST_", "FAKE_"))
    ]:
        monkeypatch.delenv(name)
    for name in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(fake_mqchaos=FAKE.read_text())
    pytester.makeconftest('pytest_plugins = ["fake_mqchaos"]')
    return Bench(pytester)
