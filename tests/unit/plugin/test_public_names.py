"""The package's public names: loaded late, all there, all typed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_mqchaos


@pytest.mark.parametrize("name", pytest_mqchaos.__all__)
def test_each_name_is_there(name: str) -> None:
    """Every name of `__all__` can be had, and has a docstring of its own where it can have one."""
    value = getattr(pytest_mqchaos, name)
    if callable(value):
        assert (value.__doc__ or "").strip(), name


def test_names_come_from_their_homes() -> None:
    """A name is the very object of its home, also when asked for again."""
    from pytest_mqchaos.model.faults import refuse

    assert pytest_mqchaos.refuse is refuse
    assert pytest_mqchaos.Delivery is pytest_mqchaos.Account
    assert set(pytest_mqchaos.__all__) <= set(dir(pytest_mqchaos))


def test_an_unknown_name() -> None:
    """A name that is not there is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="module 'pytest_mqchaos' has no attribute 'kafka'"):
        _ = pytest_mqchaos.kafka  # type: ignore[attr-defined]


def test_faults_load_nothing_heavy() -> None:
    """A test module that names faults and the probe loads no client library and no server."""
    code = (
        "import sys\n"
        "from pytest_mqchaos import ack, connection_drop, consumer_crash, probe\n"
        "tops = {name.partition('.')[0] for name in sys.modules} - {*sys.stdlib_module_names}\n"
        "print(sorted(name for name in tops if name[0] != '_' and not name.startswith('site')))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {_source()!r})\n{code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    loaded = set(eval(done.stdout))
    assert "pytest_mqchaos" in loaded
    assert not loaded & {"pytest", "pika", "docker", "testcontainers", "toxiproxy", "requests", "filelock"}


def _source() -> str:
    return str(pytest_mqchaos.__path__[0]).rpartition("/")[0]


def test_delivery_error_is_a_failure_of_both_kinds() -> None:
    """`DeliveryError` is an AssertionError and a failure of pytest's, and shows no frames."""
    error = pytest_mqchaos.DeliveryError
    assert issubclass(error, AssertionError)
    assert issubclass(error, pytest.fail.Exception)
