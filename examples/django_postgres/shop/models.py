"""What the shop keeps: the orders that it has dealt with, and their bookings."""

from django.db import models


class Done(models.Model):
    """An order that was dealt with: the memory by which one that comes twice is known."""

    order = models.TextField(primary_key=True)


class Booking(models.Model):
    """The work of an order."""

    order = models.TextField()
