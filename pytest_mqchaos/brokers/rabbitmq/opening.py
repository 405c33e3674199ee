"""How a RabbitMQ that runs already comes to be used: reached, logged in to, and how runs are kept apart on it."""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import partial

from pytest_mqchaos.brokers._protocol import External
from pytest_mqchaos.brokers.rabbitmq.address import BrokerAddress, is_loopback, masked
from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.brokers.rabbitmq.client import speak_tls
from pytest_mqchaos.brokers.rabbitmq.counter import Counter
from pytest_mqchaos.brokers.rabbitmq.external import ExternalRabbitMQ
from pytest_mqchaos.brokers.rabbitmq.leftovers import Leftovers
from pytest_mqchaos.brokers.rabbitmq.management import Management
from pytest_mqchaos.brokers.rabbitmq.place import is_old
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model.printable import printable

__all__ = ["external_place", "old_of_ours", "open_external"]

_TIMEOUT = 5.0
_SHOWN = 3
_REMOTE = "is not on this host: --mqchaos-allow-remote permits chaos tests on it"


def external_place(external: External) -> tuple[str, int, str]:
    """Return host and port of its address, and the place that a lock is for.

    Raises:
        UsageError: it is no address.
    """
    address = _address(external)
    return address.host, address.port, f"{address.place}/{address.vhost}"


def open_external(external: External) -> ExternalRabbitMQ:
    """Use the broker that an address names.

    Raises:
        UsageError: the address is wrong, or must not be used.
        ChaosError: nobody serves AMQP there (an address that was named is not passed over), it refuses the login, or
            the isolation asked for cannot be had.
    """
    address = _address(external)
    where = external.origins.said("url", address)
    if not address.loopback and not external.allow_remote:
        raise UsageError(f"{where}: {address.host!r} {_REMOTE}")
    tls = _greeted(address, where)
    management, why = _management(address, external, tls)
    isolation, lacks = _isolation(external, management, why)
    counter = Counter(address.url(address.vhost), "mqchaos login")
    try:
        about = _login(where, counter, isolation)
        if management is not None and about and not _same(management, about):
            management.close()
            why = f"the management API at {management} is another broker's"
            if external.management_url or address.management:
                raise ChaosError(f"{where}: {why}")
            management = None
            isolation, lacks = _isolation(external, None, why)
        old = "" if management is None else old_of_ours(management, address.vhost, isolation)
    finally:
        counter.close()
    version = about.get("version", "of unknown version")
    return ExternalRabbitMQ(
        address,
        isolation=isolation,
        version=version.decode() if isinstance(version, bytes) else str(version),
        tls=tls,
        management=management,
        lacks=lacks,
        old=old,
        container=external.container,
        leftovers=Leftovers(external, management.url if management is not None else ""),
    )


def _address(external: External) -> BrokerAddress:
    try:
        return BrokerAddress.parse(external.url)
    except ValueError as error:
        shown = external.origins.said("url", masked(external.url))
        raise UsageError(f"{shown} is not {error}") from None


def _greeted(address: BrokerAddress, where: str) -> tuple[ssl.SSLContext, str] | None:
    """Return how the broker is spoken to; it has answered so."""
    tls = address.context(where)
    if tls is not None:
        speak_tls(address.host, address.port, tls)
    if (lacks := amqp_lacks(address.host, address.port, timeout=_TIMEOUT, tls=tls)) is not None:
        if "certificate" in lacks:
            raise ChaosError(f"{where}: {lacks}; ?cacertfile=FILE names who vouches for it")
        raise ChaosError(f"no broker at {where}: {lacks}")
    return tls


def _login(where: str, counter: Counter, isolation: str) -> dict[str, object]:
    """Log in to the vhost of the address; with a vhost of our own to come, it need not be open to us."""
    try:
        return counter.properties()
    except ChaosError as error:
        said = str(error).partition(": ")[2]
        if isolation == "vhost" and "530" in said:
            return {}
        raise ChaosError(f"{where}: {said}") from None


def _management(
    address: BrokerAddress, external: External, tls: tuple[ssl.SSLContext, str] | None
) -> tuple[Management | None, str]:
    """Return the management API, or why there is none that we may use.

    A guessed address never gets the password in plain text over a network, where AMQP itself is by TLS.
    """
    named = external.management_url or address.management
    scheme, port = ("https", 15671) if address.secure else ("http", 15672)
    host = f"[{address.host}]" if ":" in address.host else address.host
    url = named or f"{scheme}://{host}:{port}"
    said = partial(external.origins.said, "management_url" if external.management_url else "url")
    try:
        if not url.startswith(("http://", "https://")):
            raise ValueError
        found = Management(
            url, user=address.user, password=address.password, context=tls[0] if tls is not None else None
        )
    except ValueError:
        raise UsageError(
            f"{said(masked(named))}: {masked(url)!r} is not an address such as http://localhost:15672"
        ) from None
    if not is_loopback(found.host) and not external.allow_remote:
        raise UsageError(f"{said(masked(named))}: {found.host!r} {_REMOTE}")
    try:
        found.tags()
    except ChaosError as error:
        found.close()
        if named:
            raise ChaosError(f"{said(masked(named))}: {error}") from None
        return None, str(error).partition(": ")[2]
    return found, ""


def _isolation(external: External, management: Management | None, why: str) -> tuple[str, str]:
    """Return how runs are kept apart, and what is lacking for it in words."""
    wanted = external.isolation
    lacks = "" if management is not None else f"no management API, so policies are not known ({why})"
    if wanted in ("prefix", "none"):
        return wanted, lacks
    if management is not None:
        tags = management.tags()
        if "administrator" in tags:
            return "vhost", ""
        lacks = f"{management.user} may not create a vhost (it is no administrator)"
    if wanted == "vhost":
        raise ChaosError(f"{external.origins.said('isolation', wanted)}: {lacks}")
    return "prefix", lacks


def _same(management: Management, about: dict[str, object]) -> bool:
    """Whether the API is that of the broker we are connected to: by the name of its cluster."""
    name = about.get("cluster_name")
    name = name.decode(errors="replace") if isinstance(name, bytes) else name
    said = management.cluster_name()
    return not name or not said or name == said


def old_of_ours(management: Management, vhost: str, isolation: str) -> str:
    """Say what bears names of runs of ours that began more than a day ago, and how it is deleted.

    It is only said: by a name alone nobody knows that the run has ended, nor that it was ours.
    """
    found: list[str] = []
    with suppress(ChaosError):
        if isolation == "vhost":
            found = [f"vhost {name}" for name in management.vhosts() if is_old(name)]
        elif isolation == "prefix":
            found = [f"queue {one['name']}" for one in management.queues(vhost) if is_old(str(one["name"]))]
            found += [
                f"exchange {one['name']}" for one in management.exchanges(vhost) if is_old(str(one["name"]))
            ]
    if not found:
        return ""
    more = f" and {len(found) - _SHOWN} more" if found[_SHOWN:] else ""
    how = "`rabbitmqctl delete_vhost NAME`" if isolation == "vhost" else "the management API, or its page,"
    return printable(
        f"of runs that began over a day ago there are {', '.join(found[:_SHOWN])}{more}; "
        f"{how} deletes what no session uses any more"
    )
