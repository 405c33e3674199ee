"""What obeys the schema: the same answer as the library `jsonschema` gives."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_builders import failing, passing, session

from pytest_mqchaos.report.document import schema
from pytest_mqchaos.report.obeys import ANNOTATIONS, KEYWORDS, trouble

WHOLE = json.loads(
    json.dumps(session(failing(), passing(), skipped=[{"nodeid": "t::a", "scenario": "x", "reason": "no"}]))
)
ORACLE = jsonschema.Draft202012Validator(schema())


def keywords(value: Any) -> Iterator[str]:
    """Yield every keyword of a schema; the names of properties are none."""
    for name, each in value.items():
        yield name
        if name in ("properties", "$defs"):
            for inner in each.values():
                yield from keywords(inner)
        elif name in ("items", "additionalProperties"):
            yield from keywords(each)
        elif name == "oneOf":
            for inner in each:
                yield from keywords(inner)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_every_keyword_is_known(version: str) -> None:
    """No keyword of our schemas is passed over, and `additionalProperties` stands beside no properties."""
    assert set(keywords(schema(version))) <= ANNOTATIONS | set(KEYWORDS)
    for each in schema(version)["$defs"].values():
        assert not {"properties", "additionalProperties"} <= set(each)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, each in members:
        yield from places(each, (*path, name))


PLACES = sorted(set(places(WHOLE)), key=str)
GONE = object()
VALUES = st.one_of(
    st.just(GONE),
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.5, 2.0]),
    st.sampled_from(["", "pass", "failed", "1.1", "2.0"]),
    st.builds(list),
    st.builds(dict),
)


@given(place=st.sampled_from(PLACES), value=VALUES)
def test_as_the_library_says(place: tuple[Any, ...], value: Any) -> None:
    """Whatever one value of a document is replaced by, it obeys exactly where the library says so."""
    made = copy.deepcopy(WHOLE)
    if not place:
        made = value
    else:
        inner = made
        for name in place[:-1]:
            inner = inner[name]
        if value is GONE:
            del inner[place[-1]]
        else:
            inner[place[-1]] = value
    if made is not GONE:
        assert (trouble(made, schema()) == "") == ORACLE.is_valid(made)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("runs", 0, "counts", "lost"), "x", "runs[0].counts.lost is not integer"),
        (("runs", 1, "verdict"), "good", "runs[1].verdict is none of pass, unknown, fail, None"),
        (("runs", 0, "attempt"), 0, "runs[0].attempt is below 1"),
        (("runs", 0, "nodeid"), "", "runs[0].nodeid is too short"),
        (("schema",), "one", "schema does not look like ^1\\.\\d+$"),
        (("runs", 0, "latency"), {}, "runs[0].latency has no until"),
    ],
)
def test_the_place_is_named(place: tuple[Any, ...], value: Any, said: str) -> None:
    """The first place that does not obey is named, with why."""
    made = copy.deepcopy(WHOLE)
    inner = made
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert trouble(made, schema()) == said
