"""How the tests get a PostgreSQL, and start Django's management commands on it."""

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cluster
import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

Start = Callable[..., Consumer]


@pytest.fixture(scope="session")
def postgres() -> Iterator[int]:
    """The port of a PostgreSQL with the shop's tables; skips where it, or Django, is missing."""
    folder = cluster.programs()
    missing = "no PostgreSQL: `apt-get install postgresql`" if folder is None else ""
    for package in ("django", "psycopg"):
        if importlib.util.find_spec(package) is None:
            missing = f"no {package}: run `pip install django 'psycopg[binary]'` for {HERE.name}"
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing} (CI is set)", pytrace=False)
    if missing or folder is None:
        pytest.skip(missing)
    with cluster.cluster(folder) as port:
        env = {**os.environ, "DB_PORT": str(port)}
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=HERE, env=env, check=True, timeout=60
        )
        yield port


@pytest.fixture
def bookings(postgres: int) -> Iterator[Callable[[], Counter[str]]]:
    """Ask the database how often each order was booked; the tables are empty at first."""
    import psycopg

    with psycopg.connect(
        host="127.0.0.1", port=postgres, user="shop", dbname="postgres", autocommit=True
    ) as rows:
        rows.execute("TRUNCATE shop_done, shop_booking")

        def bookings() -> Counter[str]:
            return Counter(order for (order,) in rows.execute('SELECT "order" FROM shop_booking'))

        yield bookings


@pytest.fixture
def start(mqchaos: Chaos, postgres: int, bookings: Any) -> Start:
    """Start a management command by its name; its database is behind a link, for faults to break."""

    def start(command: str = "consume_orders", **options: Any) -> Consumer:
        mqchaos.effects(bookings)
        pg = mqchaos.link("pg", upstream=f"127.0.0.1:{postgres}")
        return mqchaos.consumer(
            ["python", "manage.py", command],
            cwd=HERE,
            env={"DB_HOST": pg.host, "DB_PORT": str(pg.port)},
            **options,
        )

    return start
