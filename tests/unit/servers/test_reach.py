"""How a container finds what listens on loopback only: decided by what its engine says of itself."""

from __future__ import annotations

import pytest

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.model.image import Reach
from pytest_mqchaos.servers.reach import reach

SOCKET = "unix:///var/run/docker.sock"
NATIVE = Reach(network="host", host="127.0.0.1", native=True)
FORWARDED = Reach(network="bridge", host="host.docker.internal", native=False)


def test_a_native_engine_gives_the_hosts_network() -> None:
    """On Linux a container may be in our own network: its loopback is ours."""
    info = {
        "OperatingSystem": "Debian GNU/Linux 12",
        "OSType": "linux",
        "SecurityOptions": ["name=seccomp,profile=default"],
    }
    assert reach(info, platform="linux", address=SOCKET) == NATIVE
    assert reach({}, platform="linux", address="http+unix:///run/docker.sock") == NATIVE


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_docker_desktop_forwards(platform: str) -> None:
    """Its engine is in a virtual machine, also on Linux, and has a name for this host."""
    info = {"OperatingSystem": "Docker Desktop", "OSType": "linux"}
    assert reach(info, platform=platform, address="unix:///home/me/.docker/desktop/docker.sock") == FORWARDED


@pytest.mark.parametrize("system", ["Ubuntu 24.04 LTS", "Alpine Linux v3.20", ""])
def test_where_linux_is_a_machine_in_a_machine(system: str) -> None:
    """Colima, OrbStack and the like: no engine is native where the system is not Linux."""
    assert reach({"OperatingSystem": system}, platform="darwin", address=SOCKET) == FORWARDED


@pytest.mark.parametrize(
    ("info", "address", "said"),
    [
        ({"SecurityOptions": ["name=seccomp", "name=rootless"]}, SOCKET, "the Docker engine is rootless"),
        ({}, "tcp://127.0.0.1:2375", r"is reached over TCP \(tcp://127.0.0.1:2375\)"),
        ({"OSType": "windows", "OperatingSystem": "Docker Desktop"}, SOCKET, "runs containers of windows"),
    ],
)
def test_where_no_container_could_reach_us(info: dict[str, object], address: str, said: str) -> None:
    """It is said before anything is started, with what would do."""
    with pytest.raises(ServerUnavailable, match=said):
        reach(info, platform="linux", address=address)
