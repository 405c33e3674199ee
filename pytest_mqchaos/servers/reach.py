"""How a container reaches what listens on this host's loopback interface, and nowhere else.

```
 a native engine on Linux     the container is in the host's network: its 127.0.0.1 is ours
 Docker Desktop and the like  the engine is in a virtual machine, which forwards `host.docker.internal` to our loopback
```
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.model.image import Reach

__all__ = ["reach"]

_DESKTOP = "Docker Desktop"
_FORWARDED = "host.docker.internal"
_LOOPBACK = "127.0.0.1"


def reach(info: Mapping[str, object], *, platform: str, address: str) -> Reach:
    """Decide how a container finds a link.

    Args:
        info: what the engine says of itself (`docker info`).
        platform: of this Python, as `sys.platform`.
        address: where the engine is.

    Raises:
        ServerUnavailable: no container of this engine could find it.
    """
    if str(info.get("OSType") or "linux") != "linux":
        raise ServerUnavailable(f"the engine runs containers of {info['OSType']}, and not of Linux")
    if info.get("OperatingSystem") == _DESKTOP or platform != "linux":
        return Reach(network="bridge", host=_FORWARDED, native=False)
    options = info.get("SecurityOptions")
    if any("name=rootless" in str(one) for one in (options if isinstance(options, list) else ())):
        raise ServerUnavailable(
            "the Docker engine is rootless: its containers have no way to this host's 127.0.0.1, where the link is; "
            "`docker context use default` or DOCKER_HOST names one that is not"
        )
    if urlsplit(address).scheme not in ("unix", "http+unix"):
        raise ServerUnavailable(
            f"the Docker engine is reached over TCP ({address}): nothing says that its containers are on this host, "
            "where the link is; DOCKER_HOST=unix:///var/run/docker.sock names one that is"
        )
    return Reach(network="host", host=_LOOPBACK, native=True)
