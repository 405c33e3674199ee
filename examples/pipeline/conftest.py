"""How the tests start the two stages; at the end of the pipeline the work shows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mqchaos import Chaos

HERE = Path(__file__).parent

Start = Callable[..., None]


@pytest.fixture
def start(mqchaos: Chaos, tmp_path: Path) -> Start:
    """Start both stages, each by the name of its module."""

    def start(*, billing: str = "billing", mailer: str = "mailer") -> None:
        mails = tmp_path / "mails.log"
        mqchaos.effects(mails)
        mqchaos.consumer(["python", "-m", billing], name="billing", cwd=HERE, queues="orders")
        mqchaos.consumer(
            ["python", "-m", mailer],
            name="mailer",
            cwd=HERE,
            env={"MAILS_LOG": str(mails)},
            queues="invoices",
        )

    return start
