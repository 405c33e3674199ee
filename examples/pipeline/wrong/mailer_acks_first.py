"""The bug: the invoice is acked before its mail is out."""

import stage
from mailer import send


def mail(channel, tag, invoice):
    channel.basic_ack(tag)
    send(invoice)


stage.run("invoices", mail)
