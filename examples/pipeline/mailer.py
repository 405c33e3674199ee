"""The second stage: a mail for each invoice, one for each number."""

import os
import time
from pathlib import Path
from typing import Any

import stage
from pika.adapters.blocking_connection import BlockingChannel


def send(invoice: dict[str, Any]) -> None:
    """Send one mail, once: the log of what was sent is also the memory of it."""
    time.sleep(0.01)
    sent = Path(os.environ["MAILS_LOG"])
    sent.touch()
    if invoice["order"] not in sent.read_text(encoding="utf-8").splitlines():
        with sent.open("a", encoding="utf-8") as log:
            log.write(f"{invoice['order']}\n")


def mail(channel: BlockingChannel, tag: int, invoice: dict[str, Any]) -> None:
    """Mail one invoice, and ack it then."""
    send(invoice)
    channel.basic_ack(tag)


if __name__ == "__main__":
    stage.run("invoices", mail)
