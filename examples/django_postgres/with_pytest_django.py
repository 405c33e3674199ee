"""The command on the database that pytest-django makes for tests: `pytest --ds=settings with_pytest_django.py`.

A project has `DJANGO_SETTINGS_MODULE = "settings"` in its configuration of pytest, and this in its test files; here it
stands apart, since the other tests need no pytest-django.
"""

from pathlib import Path

import pytest
from django.db import connection, connections
from pytest_mqchaos import Chaos, ack, baseline, connection_drop, consumer_crash, delivery
from shop.models import Booking


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: int) -> None:
    """Let Django find the cluster of the tests; a project whose database is there already has no need of it."""
    connections["default"].settings_dict["PORT"] = str(postgres)


@pytest.mark.chaos(
    baseline(),
    consumer_crash(before=ack(5)),
    connection_drop(after=delivery(10)),
    guarantee="exactly-once",
)
def test_orders(mqchaos: Chaos, transactional_db: None) -> None:
    """What is booked is committed, so both processes see it; pytest-django empties the tables afterwards."""
    database = connection.settings_dict
    mqchaos.effects(lambda: list(Booking.objects.values_list("order", flat=True)))
    mqchaos.consumer(
        ["python", "manage.py", "consume_orders"],
        cwd=Path(__file__).parent,
        env={"DB_NAME": database["NAME"], "DB_PORT": str(database["PORT"])},
    )
    mqchaos.publish("orders", count=20, key="order")
