"""The bug: two transactions. An order that is marked as done and not booked when the database goes is never booked."""

import time

from django.core.management.base import BaseCommand
from shop.consumer import consume
from shop.models import Booking, Done


def book_and_ack(channel, tag, order):
    _, new = Done.objects.get_or_create(order=order)  # committed at once: Django's default
    if new:
        time.sleep(0.5)
        Booking.objects.create(order=order)
    channel.basic_ack(tag)


class Command(BaseCommand):
    def handle(self, *args, **options):
        consume(book_and_ack)
