"""What docs/versions.md tells of RabbitMQ's versions, measured on the one that runs; whatever differs is red."""

import measured_deliveries  # noqa: F401 (registers its measures)
import measured_queues  # noqa: F401
import pytest
from version_lab import MEASURES, Lab, nearest, told

TOLD = told()


@pytest.fixture
def lab(broker, namespace):
    """Return a namespace, and clients that are gone at the end."""
    made = Lab(broker, namespace)
    yield made
    made.close()


@pytest.mark.parametrize("row", MEASURES)
def test_it_is_as_the_page_tells(lab, row):
    """The version that runs does what stands in its column."""
    column = nearest(lab.broker.version, TOLD[row])
    assert MEASURES[row](lab) == TOLD[row][column], f"RabbitMQ {lab.broker.version}, column {column}"


def test_the_page_tells_what_is_measured():
    """Each row of the page has its measure, and each measure its row, in the same order."""
    assert list(TOLD) == list(MEASURES)


@pytest.mark.parametrize(
    ("version", "column"),
    [
        ("3.10.8", "3.10"),
        ("3.13.1", "3.10"),
        ("4.0.5", "4.0"),
        ("4.2.1", "4.0"),
        ("4.3.6", "4.3"),
        ("5.0", "4.3"),
        ("3.9", "3.10"),
    ],
)
def test_a_version_without_a_column_is_held_against_the_one_before(version, column):
    """A version that nobody has looked at is compared with its elder, so that what is new in it shows."""
    assert nearest(version, ["3.10", "4.0", "4.3"]) == column
