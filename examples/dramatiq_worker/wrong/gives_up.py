"""The bug: no retries. What fails once, for whatever reason, is a dead letter."""

from shop import book

book.options["max_retries"] = 0
