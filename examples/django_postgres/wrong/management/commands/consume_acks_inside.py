"""The bug: the ack is inside of the transaction. When the commit fails, the order is gone from the queue already."""

import time

from django.core.management.base import BaseCommand
from django.db import transaction
from shop.consumer import consume
from shop.models import Booking, Done


def book_and_ack(channel, tag, order):
    with transaction.atomic():
        _, new = Done.objects.get_or_create(order=order)
        if new:
            Booking.objects.create(order=order)
        channel.basic_ack(tag)
        time.sleep(0.01)


class Command(BaseCommand):
    def handle(self, *args, **options):
        consume(book_and_ack)
