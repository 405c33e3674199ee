"""A consumer or producer that is an image: what is asked of the engine before anything of it is started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
from pytest_mqchaos.consumers.launching import ImageTarget, Target
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.image import DockerImage

__all__ = ["Named", "note_blur", "on_engine", "seen_by"]

Named = str | Sequence[str] | Callable[..., object] | DockerImage
"""What a test may name as its consumer."""


def on_engine(run: Run, target: Named, files: Sequence[Path], *, effect_after: object = None) -> Target:
    """Return what is started: an image with what its engine says of it, anything else as it is.

    Args:
        run: the run.
        target: what the test named.
        files: where its work shows, as far as the test has said so.
        effect_after: what the test said of a function to be wrapped.

    Raises:
        UsageError: if there is no engine that could start it, or a function of it is to be wrapped.
    """
    __tracebackhide__ = True
    if not isinstance(target, DockerImage):
        return target
    if effect_after is not None:
        raise UsageError(
            f"consumer({target}): effect_after={effect_after!r}: no function is wrapped inside an image; there "
            "probe.effect(id) of mqchaos-probe, a line in $MQCHAOS_EFFECTS, or mqchaos.effects(...) shows its work"
        )
    known = run.programs.look_at(target.image)
    return ImageTarget(image=target, facts=known, containers=run.programs, folder=run.directory, files=files)


def seen_by(target: object, address: LinkAddress) -> LinkAddress:
    """Return a link's address as whoever is started finds it."""
    return address.seen_from(target.facts.reach.host) if isinstance(target, ImageTarget) else address


def note_blur(run: Run, consumer: Consumer) -> None:
    """Let the account tell where moments at which a consumer sends are struck late."""
    for blur in {one.process.blur for one in consumer.replicas if one.process is not None and one.alive} - {
        ""
    }:
        text = f"{consumer.name}: {blur}; a fault at an ack, a publish or an effect may come after what follows it"
        run.history.append(facts.Noted(at=now(), text=text))
