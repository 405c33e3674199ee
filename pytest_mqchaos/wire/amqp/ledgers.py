"""A `Ledger`: numbers that were given out in order and wait to be settled, one by one or all up to one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Ledger"]


class Ledger:
    """Open delivery tags, or publications without their confirm, of one channel.

    Numbers come in ascending order and nearly dense. Each number is looked at a constant number of times,
    however many stay open: `_low` is a bound below which none is.
    """

    __slots__ = ("_low", "_open", "add")

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._low = 0
        self.add = self._open.add

    def __contains__(self, number: int) -> bool:
        return number in self._open

    def __len__(self) -> int:
        return len(self._open)

    def take(self, number: int) -> tuple[int, ...]:
        """Settle one number; return it, or nothing if it is not open."""
        if number in self._open:
            self._open.remove(number)
            return (number,)
        return ()

    def take_up_to(self, number: int) -> tuple[int, ...]:
        """Settle and return, in order, every open number up to this one."""
        numbers = self._open
        if number < self._low:
            return ()
        if number - self._low <= 8 * len(numbers):
            taken = tuple(each for each in range(self._low, number + 1) if each in numbers)
        else:
            taken = tuple(sorted(each for each in numbers if each <= number))
        if taken:
            numbers.difference_update(taken)
            self._low = taken[-1] + 1
        return taken

    def take_all(self) -> tuple[int, ...]:
        """Settle and return, in order, everything that is open."""
        taken = self.all()
        self._open.clear()
        return taken

    def all(self) -> tuple[int, ...]:
        """Return, in order, everything that is open."""
        return tuple(sorted(self._open))

    def restore(self, numbers: Iterable[int]) -> None:
        """Open numbers again that were settled (a transaction was rolled back)."""
        for number in numbers:
            self._open.add(number)
            self._low = min(self._low, number)
