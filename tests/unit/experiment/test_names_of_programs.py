"""What a consumer is called that the test gave no name."""

from __future__ import annotations

import pytest

from pytest_mqchaos.experiment.consumers.starting import _stem


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python -u worker.py --fast", "worker"),
        ("node src/orders.worker.js", "orders.worker"),
        ("python -m shop.worker", "shop.worker"),
        ("bundle exec ruby billing.rb", "billing"),
        ("perl bin/orders.pl", "orders"),
        ("dotnet out/Billing.dll", "Billing"),
        ("java -Xmx64m -jar target/orders-1.2.jar --queue orders", "orders-1.2"),
        ("java -cp lib/a.jar:lib/* com.acme.orders.Worker config.js", "Worker"),
        ("/usr/bin/java -p mods -m shop/com.acme.Worker", "Worker"),
        ("java --add-opens java.base/java.lang=ALL-UNNAMED -jar app.jar", "app"),
        ("java @options --add-modules java.sql Worker.java", "Worker"),
        ("java -version", "java"),
        ("/opt/shop/bin/worker --queue orders", "worker"),
        ("", "consumer"),
    ],
)
def test_a_command(command: str, name: str) -> None:
    """Its script, module, archive or main class; else its program."""
    assert _stem(command) == name
    assert _stem(command.split()) == name


def test_a_callable() -> None:
    """Its own name."""
    assert _stem(test_a_callable) == "test_a_callable"
