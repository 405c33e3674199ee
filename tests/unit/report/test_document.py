"""The document: each account becomes exactly this JSON, and every JSON obeys the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from account_builders import (
    AGAIN,
    UNKNOWN,
    VACUOUS,
    account,
    case,
    delivered,
    done,
    found,
    ms,
    name,
    one_lost,
    workload,
)
from hypothesis import given
from hypothesis import strategies as st
from report_builders import failing

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import Rested
from pytest_mqchaos.model.findings import FINDING_KINDS, Finding, Hazard
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.report import document as document_module
from pytest_mqchaos.report.document import document, run_record, schema, write

NODE = "tests/test_orders.py::test_orders[consumer_crash-after-ack-17]"
CONTRACT = [
    "nodeid",
    "attempt",
    "scenario",
    "outcome",
    "verdict",
    "guarantee",
    "evidence",
    "seed",
    "reproduce",
    "counts",
    "findings",
    "hazards",
    "faults",
    "timings",
]
ADDED = {
    "attempts", "canary", "copies_per_message", "cut_off", "deliveries_per_message", "environment", "failover",
    "headers", "heartbeats", "kept", "left_out", "left_unserved", "lives_left_out", "most_in_hand", "never_begun",
    "order", "output", "output_at", "output_near", "overflow", "pauses_left_out", "persistence", "prefetch",
    "queues_left_out", "retry", "returns", "server", "sharing", "source", "sources", "takeovers_left_out",
    "undecided", "undelivered", "unheard", "within",
}  # fmt: skip
"""What came after documents of this version were first written: theirs are without it."""


def record(judged: Account | None, **fields: Any) -> dict[str, Any]:
    """Return the run of the example test."""
    known: dict[str, Any] = {"nodeid": NODE, "attempt": 1, "outcome": "failed", "reproduce": AGAIN}
    return run_record(judged, **(known | fields))


def whole(*runs: Mapping[str, Any], servers: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a session's document, checked against the schema."""
    made = document(runs, servers or {}, "0.1.0", "2026-07-01T12:00:00+00:00")
    jsonschema.Draft202012Validator(schema()).validate(made)
    return made


def step(at: float, text: str, note: str, kind: str, where: str) -> dict[str, Any]:
    """Return a step of a life as the document has it."""
    return {"at": at, "text": text, "note": note, "kind": kind, "where": where}


def test_the_schema_is_one() -> None:
    """The packaged schema is itself valid, and says its version."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$id"].endswith(":1.1")


def test_a_run_has_the_fields_of_the_contract() -> None:
    """The fields that the contract names are there, first, and the rest is as promised."""
    run = record(one_lost())

    assert set(CONTRACT) <= set(run)
    assert {key: run[key] for key in CONTRACT if key not in ("counts", "findings", "faults")} == {
        "nodeid": NODE,
        "attempt": 1,
        "scenario": "consumer_crash-after-ack-17",
        "outcome": "failed",
        "verdict": "fail",
        "guarantee": "at-least-once",
        "evidence": "effects",
        "seed": 4711,
        "reproduce": AGAIN,
        "hazards": [],
        "timings": {},
    }
    assert (run["counts"]["published"], run["counts"]["lost"]) == (200, 1)
    whole(run)


def test_a_finding_in_the_document() -> None:
    """All that a finding says is there, and how to allow it."""
    assert record(one_lost())["findings"] == [
        {
            "kind": "lost",
            "detail": "by_consumer",
            "violation": True,
            "unknown": False,
            "allowed": None,
            "count": 1,
            "messages": [name(17)],
            "claim": "lost by the consumer: its ack reached the broker, its work was never done",
            "cause": "consumer_crash(after=ack(17))",
            "mend": "acknowledge after the work",
            "fault": 0,
            "how_to_allow": 'allow=("lost:by_consumer",)',
        }
    ]


def test_a_fault_in_the_document() -> None:
    """All that is known of a fault is there."""
    assert record(one_lost())["faults"] == [
        {
            "kind": "consumer_crash",
            "description": "consumer_crash(after=ack(17))",
            "target": "worker",
            "armed": True,
            "fired": True,
            "changed": True,
            "at": 0.4329,
            "healed": None,
            "strikes": 1,
            "message": name(17),
            "trigger": "",
            "actor": "signal",
            "recovery": 0.0701,
            "resumed": 0.0691,
            "struck": [
                {
                    "at": 0.4329,
                    "until": None,
                    "target": "worker",
                    "changed": True,
                    "actor": "signal",
                    "trigger": "",
                    "message": name(17),
                    "delay": 0.0,
                    "waiting": 0,
                    "in_hand": 0,
                }
            ],
        }
    ]


def test_a_life_in_the_document() -> None:
    """The lives of the messages that findings name are in the document, with their bodies."""
    (life,) = record(one_lost())["lives"]

    assert life == {
        "id": name(17),
        "number": 17,
        "key": None,
        "queue": "orders",
        "poison": False,
        "size": 12,
        "digest": digest(b'{"order":17}'),
        "body": '{"order":17}',
        "body_hex": b'{"order":17}'.hex(),
        "events": [
            step(0.412, "published, confirmed", "", "published", "publisher"),
            step(0.431, "delivered to worker (tag 17)", "", "delivered", "worker"),
            step(0.4312, "acknowledged by worker", "before its effect", "acked", "worker"),
            step(0.4329, "worker killed", "consumer_crash(after=ack(17))", "consumer_ended", "worker"),
        ],
        "events_left_out": 0,
        "events_gap": None,
        "headers": [],
        "output": [],
    }


@pytest.mark.parametrize(
    ("bodies", "told"),
    [("none", ("", "", "")), ("digest", (digest(b'{"order":17}'), "", "")),
     ("full", (digest(b'{"order":17}'), '{"order":17}', b'{"order":17}'.hex()))],
)  # fmt: skip
def test_what_is_told_of_bodies(bodies: str, told: tuple[str, ...]) -> None:
    """Nothing but their size, a digest, or their beginning."""
    (life,) = record(one_lost(), bodies=bodies)["lives"]

    assert (life["digest"], life["body"], life["body_hex"]) == told
    assert life["size"] == 12


def test_a_run_without_an_account() -> None:
    """A run that could not be judged has its error, no verdict, and every field all the same."""
    run = record(None, error="no consumer was started: call mqchaos.consumer(...)", outcome="error", seed=7)

    assert (run["verdict"], run["failed"], run["seed"], run["summary"]) == (None, True, 7, run["error"])
    assert set(run) == set(record(one_lost()))
    assert set(run["counts"]) == set(record(one_lost())["counts"])
    whole(run)


def test_the_scenario_is_the_accounts_unless_given() -> None:
    """A caller with an account need not name the scenario."""
    assert record(one_lost())["scenario"] == "consumer_crash-after-ack-17"
    assert record(one_lost(), scenario="mine")["scenario"] == "mine"
    assert record(None, error="x")["scenario"] == "baseline"


def test_hazards_and_allowances_are_in_the_document() -> None:
    """Hazards carry their numbers, allowances their reasons, and what met nothing is listed."""
    run = record(
        account(
            found("duplicated", 1),
            hazards=[Hazard(kind="auto_ack", claim="automatic ack", consumer="worker", messages=(name(1),))],
            allow=(("duplicated", "deduplicated later"), ("lost", "")),
            timings={"settle": 0.123456789},
            notes=["toxiproxy 2.12"],
        )
    )

    assert run["hazards"] == [
        {
            "kind": "auto_ack",
            "claim": "automatic ack",
            "consumer": "worker",
            "count": 1,
            "messages": [name(1)],
            "confirmed": False,
            "mend": "",
            "allowed": None,
        }
    ]
    assert run["allow"] == {"duplicated": "deduplicated later", "lost": ""}
    assert (run["unmatched_allow"], run["findings"][0]["allowed"]) == (["lost"], "deduplicated later")
    assert (run["timings"], run["notes"]) == ({"settle": 0.123457}, ["toxiproxy 2.12"])
    whole(run)


def test_long_lists_are_cut_and_counted() -> None:
    """A finding of many messages lists a thousand and counts all; few lives are told, each of bounded length."""
    events = [event for n in range(1, 3001) for event in done(n)]
    storm = [delivered(1, 10_000 + n, tag=n) for n in range(500)]
    judged = Account(case([*events, *storm], workload(3000)), [found("lost", *range(1, 3001))], [])
    run = record(judged)

    assert (len(run["findings"][0]["messages"]), run["findings"][0]["count"]) == (1000, 3000)
    assert len(run["lives"]) == 40
    life = run["lives"][0]
    assert (len(life["events"]), life["events_left_out"], life["events_gap"]) == (200, 304, 150)
    assert life["events"][-1]["text"].startswith("delivered again to worker (tag 499")
    whole(run)


def test_every_finding_gets_some_of_the_lives() -> None:
    """A finding of many messages does not crowd the others out."""
    run = record(account(found("lost", *range(1, 101)), found("stalled", 150)))

    assert name(150) in [life["id"] for life in run["lives"]]


@pytest.mark.parametrize("kind", FINDING_KINDS)
def test_every_kind_of_finding_obeys_the_schema(kind: str) -> None:
    """Known and unknown, with and without messages: the document is valid."""
    whole(record(account(found(kind, 1))), record(account(found(kind, count=3, unknown=True))))


def test_every_verdict_obeys_the_schema() -> None:
    """Pass, unknown, fail, vacuous and none at all."""
    runs = [record(account(*each)) for each in ([], [UNKNOWN], [VACUOUS], [found("lost", 1)])]

    made = whole(*runs, record(None, error="boom"), servers={"rabbitmq": {"version": "4.0.5", "port": 5672}})
    assert [run["verdict"] for run in made["runs"]] == ["pass", "unknown", "unknown", "fail", None]
    assert made["servers"] == {"rabbitmq": {"version": "4.0.5", "port": 5672}}
    assert (made["schema"], made["plugin"], made["started"]) == ("1.1", "0.1.0", "2026-07-01T12:00:00+00:00")


def undescribed(
    value: object, described: Mapping[str, Any], defs: Mapping[str, Any], path: str = ""
) -> list[str]:
    """Return the fields of a document that the schema does not describe."""
    if "$ref" in described:
        described = defs[described["$ref"].rpartition("/")[2]]
    if "oneOf" in described and value is not None:
        return undescribed(value, described["oneOf"][0], defs, path)
    if isinstance(value, dict) and "properties" in described:
        inner = described["properties"]
        unknown = [f"{path}.{key}" for key in value if key not in inner]
        nested = [undescribed(value[key], inner[key], defs, f"{path}.{key}") for key in value if key in inner]
        return unknown + [each for one in nested for each in one]
    if isinstance(value, list):
        return [each for one in value for each in undescribed(one, described["items"], defs, f"{path}[]")]
    return []


def test_the_schema_describes_every_field() -> None:
    """Nothing is written that the schema does not know, and all it requires of a run is what it describes."""
    rested = Rested(at=ms(900), message=name(1), queue="dead", death_reason="rejected")
    skipped = {"nodeid": "t.py::test_it[refuse]", "scenario": "refuse", "reason": "no server"}
    option = {"name": "servers", "value": None, "origin": "default"}
    made = document(
        [
            record(one_lost()),
            record(account(found("lost", 1), hazards=[Hazard(kind="x", claim="y")], events=[rested])),
            failing(),
        ],
        {},
        "0.1.0",
        "2026-07-01T12:00:00+00:00",
        skipped=[skipped],
        settings=[option],
    )
    jsonschema.Draft202012Validator(schema()).validate(made)

    assert undescribed(made, schema(), schema()["$defs"]) == []
    for each in (schema(), *schema()["$defs"].values()):
        assert set(each["required"]) | (each["properties"].keys() & ADDED) == set(each["properties"])
        assert all("description" in one or "$ref" in one for one in each["properties"].values())


def test_the_schema_only_grows() -> None:
    """Whoever reads documents by the schema of 1.0 can read those of today."""
    old = json.loads(Path(document_module.__file__).with_name("schema-1.0.json").read_text(encoding="utf-8"))
    made = whole(record(one_lost()), record(None, error="boom"), record(account(UNKNOWN)))

    jsonschema.Draft202012Validator(old).validate(made)
    for where, described in (("run", old["$defs"]["run"]), ("fault", old["$defs"]["fault"])):
        assert set(described["required"]) <= set(schema()["$defs"][where]["required"])


@pytest.mark.parametrize("field", CONTRACT)
def test_the_schema_misses_what_is_missing(field: str) -> None:
    """A run without one of the contract's fields is not valid."""
    made = whole(record(one_lost()))
    del made["runs"][0][field]

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema()).validate(made)


def test_credentials_are_masked_everywhere() -> None:
    """No URL keeps its password: in claims, errors, servers, bodies or as a name."""
    url = "amqp://guest:hunter2@localhost/"
    messages = workload(1)
    body = url.encode()
    messages[name(1)] = type(messages[name(1)])(id=name(1), number=1, body=body, digest="0", queue="orders")
    judged = Account(
        case(done(1), messages),
        [Finding(kind="lost", messages=(name(1),), claim=url, cause=url, mend=url, violation=True)],
        [Hazard(kind="auto_ack", claim=url)],
        notes=[url],
        allow=((url, url),),
    )
    text = json.dumps(whole(record(judged), record(None, error=url), servers={url: {"url": url}}))

    assert "hunter2" not in text
    assert b"hunter2".hex() not in text


def test_the_document_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """The file is ASCII JSON under its name, in a directory made for it, and nothing else stays."""
    made = whole(record(one_lost()))
    path = write(tmp_path / "deep" / "report", made)

    assert path == tmp_path / "deep" / "report" / "report.json"
    assert json.loads(path.read_bytes().decode("ascii")) == made
    assert write(path.parent, made | {"runs": []}) == path
    assert json.loads(path.read_text())["runs"] == []
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


def test_a_failed_write_leaves_the_old_report(tmp_path: Path) -> None:
    """What cannot be written as JSON leaves the report of before, and no part of the new one."""
    write(tmp_path, {"runs": []})

    with pytest.raises(ValueError, match="JSON"):
        write(tmp_path, {"runs": [float("nan")]})
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]
    assert json.loads((tmp_path / "report.json").read_text()) == {"runs": []}


def test_odd_values_become_json() -> None:
    """Paths, sets, bytes and what is not finite become plain values."""
    made = whole(
        servers={
            "path": Path("a/b"),
            "set": {1},
            "bytes": b"x",
            "inf": float("inf"),
            "tuple": (1, None, True),
        }
    )

    assert made["servers"] == {
        "path": "a/b",
        "set": [1],
        "bytes": "b'x'",
        "inf": None,
        "tuple": [1, None, True],
    }


@given(st.text(), st.text(), st.binary(max_size=300))
def test_any_text_can_be_reported(claim: str, odd: str, body: bytes) -> None:
    """Lone surrogates, control characters, any body: the document is valid and is written."""
    messages = workload(1)
    messages[name(1)] = type(messages[name(1)])(id=name(1), number=1, body=body, digest="0", key=odd)
    finding = Finding(kind="lost", messages=(name(1), odd), claim=claim, cause=odd, violation=True)
    made = whole(record(Account(case(done(1), messages), [finding], [], notes=[odd])), servers={odd: claim})

    assert json.loads(json.dumps(made, allow_nan=False)) == made
