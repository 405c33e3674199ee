"""`manage.py consume_orders`."""

from django.core.management.base import BaseCommand

from shop.consumer import consume


class Command(BaseCommand):
    """Consumes orders, each exactly once."""

    def handle(self, *args: object, **options: object) -> None:
        """Run for good."""
        consume()
