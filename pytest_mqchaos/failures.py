"""Failures of pytest's that are ours: a broken guarantee, and a test that cannot be run or judged as it stands.

They stand here, not in `errors`, because they are failures of pytest's as well: they are shown without frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from _pytest.outcomes import Failed

    from pytest_mqchaos.model.account import Account
else:
    Failed = pytest.fail.Exception

__all__ = ["DeliveryError", "Failed", "Refused", "refuse", "shown"]


class DeliveryError(AssertionError, Failed):
    """The guarantee was not kept. Its text is the account's: one line, then the lives of the messages.

    `xfail(raises=AssertionError)` takes it, and pytest shows it without frames.
    """

    def __init__(self, account: Account) -> None:
        Failed.__init__(self, shown(account.text(summary=True)), pytrace=False)
        self.account = account


class Refused(Failed):
    """A test that cannot be run or judged as it stands; the text is one line that says why."""


def refuse(text: str) -> NoReturn:
    """Fail in one line, without frames."""
    raise Refused(shown(text), pytrace=False) from None


def shown(text: str) -> str:
    """Return a text as it may be shown: whatever a URL in it has of user and password is not."""
    from pytest_mqchaos.model.printable import masked

    return masked(text)
