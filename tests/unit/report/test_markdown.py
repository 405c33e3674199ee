"""The Markdown: the verdict, the causes, the matrix, the first runs; bounded, and hostile text stays text."""

from __future__ import annotations

import re

import pytest
from account_builders import AGAIN, done, found, workload
from hostile import INJECTIONS, document_full_of
from hypothesis import given, settings
from hypothesis import strategies as st
from report_builders import NODE, failing, judged, passing, session

from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.markdown import MOST, markdown


def test_a_summary_whole() -> None:
    """The summary of a session in which one test failed, line by line."""
    made = markdown(
        session(passing(), failing(), skipped=[{"nodeid": "t.py::t", "scenario": "baseline", "reason": "no"}])
    )

    assert (
        made
        == f"""\
## ✗ 1 of 2 chaos tests failed.

**Promised** (at-least-once): Every good message is worked on, settled and gone; every bad one is where it \
belongs.{"  "}
**Happened**: `test_orders` under `consumer_crash-after-ack-3`: 1 of 10 messages lost by `worker`, which acked at \
0.069 s and was killed at 0.071 s before any effect; behind it: consumer\\_crash(after=ack(17)).

✗ 1 failed · ✓ 1 as promised · – 1 skipped · 20 messages · 4 faults struck · RabbitMQ 4.0.5 (docker)

### What broke, by cause

- ✗ **Lost 1 message: its ack reached the broker, its work was never done**{"  "}
  `lost:by_consumer` failed, 1 message; behind it: consumer\\_crash(after=ack(17)); in \
`test_orders consumer_crash-after-ack-3`{"  "}
  Mend: acknowledge after the work

### Tests and scenarios

| Test | Baseline | Under chaos |
| --- | --- | --- |
| `test_orders` | ✓ as promised | ✗ `consumer_crash-after-ack-3` |
| `t` | – skipped | – |

### ✗ `test_orders` under `consumer_crash-after-ack-3`

**1 of 10 messages lost by `worker`, which acked at 0.069 s and was killed at 0.071 s before any effect; behind it: \
consumer\\_crash(after=ack(17)).**

- `lost:by_consumer`, 1 of 10 messages: lost by `worker`, which acked at 0.069 s and was killed at 0.071 s \
before any effect
  - cause: consumer\\_crash(after=ack(17))
  - mend: acknowledge after the work
  - to allow just this: `allow=("lost:by_consumer",)`

```text
orders-k3f9-000003
     0.002  published, confirmed
     0.059  delivered to worker (tag 3)
     0.069  acknowledged by worker   <- before its effect
     0.071  worker killed   <- consumer_crash(after=ack(17))
```


Repeat it:

```text
{AGAIN}
```

### Skipped, and why

- `t` under `baseline`: no
"""
    )


def test_a_session_without_trouble_is_short() -> None:
    """The verdict and the matrix are enough."""
    made = markdown(session(passing()))

    assert made.startswith("## ✓ The chaos test kept its promise.\n")
    assert "What broke" not in made


def test_an_empty_session() -> None:
    """Without a run nothing breaks."""
    assert "skipped" in markdown(session())


def outside_of_code(text: str) -> str:
    """Return Markdown without its code blocks and code spans."""
    text = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_text_stays_text(evil: str) -> None:
    """No tag, no link, no heading and no cell of a table comes out of a name."""
    made = markdown(document_full_of(evil))
    bare = outside_of_code(made).replace("<br>", "")

    assert "<" not in bare
    assert not re.search(r"(?<!\\)\]\(", bare)
    assert "://" not in bare
    rows = [line for line in made.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    heads = [line for line in made.splitlines() if line.startswith("#")]
    assert all(re.match(r"#{2,3} (What|Tests|Skipped|[✗?!✓–] )", line) for line in heads)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40))
def test_any_text_stays_text(evil: str) -> None:
    """Whatever a name is, no tag comes of it."""
    assert "<" not in outside_of_code(markdown(document_full_of(evil or "x"))).replace("<br>", "")


def test_the_summary_has_a_limit_and_says_so() -> None:
    """Whole sections are left out, and counted; what is most important is not among them."""
    run = failing()
    many = [
        dict(
            run,
            nodeid=f"t.py::test_{n}_{'x' * 300}[refuse]",
            findings=[dict(run["findings"][0], mend=f"mend {n}" * 40)],
        )
        for n in range(1500)
    ]
    made = markdown(session(*many))

    assert len(made.encode()) <= MOST
    assert made.startswith("## ✗ 1,500 of 1,500 chaos tests failed.")
    assert "more causes (see the report)" in made
    assert "more tests (see the report)" in made
    assert "more runs (see the report)" in made


def test_a_section_that_does_not_fit_is_left_out_whole() -> None:
    """A cut in the middle of a table or a block of code would spoil what follows."""
    run = failing()
    causes = [
        dict(run, nodeid=f"t.py::test_{n}[refuse]", reproduce="x" * 19_000,
             findings=[dict(run["findings"][0], mend=f"mend {n}")])
        for n in range(25)
    ]  # fmt: skip
    made = markdown(session(*causes))

    assert len(made.encode()) <= MOST
    assert re.search(r"\*\*Cut here: \d+ sections more would not fit. The report has all of it.\*\*\n$", made)
    assert made.count("```") % 2 == 0


def test_a_long_life_is_cut() -> None:
    """Thirty steps of a life, then how many more there are."""
    events = [event for n in range(40) for event in done(1, n * 10)]
    account = judged(found("lost", 1), events=events, messages=workload(1))
    run = run_record(account, nodeid=NODE, attempt=1, outcome="failed", reproduce="x")

    assert re.search(r"^ {7}\.\.\.  \d+ steps more$", markdown(session(run)), re.MULTILINE)


def test_a_cause_names_what_is_behind_it_once() -> None:
    """The fault stands behind the heading; a reason that the heading gives already is not said again."""
    made = markdown(session(failing()))
    slow = found("stalled", 1, 2, claim="stalled: 2 ready", cause="nobody reads", violation=True)
    other = markdown(
        session(run_record(judged(slow), nodeid=NODE, attempt=1, outcome="failed", reproduce="x"))
    )

    assert "failed, 1 message; behind it: consumer\\_crash(after=ack(17)); in" in made
    assert "- ✗ **Left 2 messages waiting: nobody reads**" in other
    assert "`stalled` failed, 2 messages; in" in other


def test_where_the_whole_report_is() -> None:
    """The last line says where there is more, also behind a cut, and stays within the limit."""
    run = failing()
    long = session(*(dict(run, nodeid=f"t.py::t{n}[x]", reproduce="x" * 19_000) for n in range(25)))
    for made in (markdown(session(run), where="out/`x`.html"), markdown(long, where="out/`x`.html")):
        assert made.endswith("\n\nThe whole report, with timelines and all lives, is ``out/`x`.html``.\n")
        assert len(made.encode()) <= MOST
    assert "The whole report" not in markdown(session(run))
    hazard = dict(run["hazards"][0], messages=[run["findings"][0]["messages"][0]])
    assert "  - hazard, proved by this run: acks early\n" in markdown(session(dict(run, hazards=[hazard])))
