"""The page: what a reader must see is there without script, style or network, and hostile text stays text."""

from __future__ import annotations

import base64
import copy
import hashlib
import inspect
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from account_builders import AGAIN, done, found, name, workload
from hostile import INJECTIONS, document_full_of
from hypothesis import given, settings
from hypothesis import strategies as st
from report_builders import NODE, failing, judged, passing, session

from pytest_mqchaos.model.guarantees import guarantee
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.html import MOST, page, write_page
from pytest_mqchaos.report.markdown import markdown
from pytest_mqchaos.report.states import happened
from pytest_mqchaos.report.words import SYMBOLS, WORDS

TAGS = frozenset(
    re.findall(
        r"\S+",
        """
    html head meta title style body a header footer nav main section div p span h1 h2 h3 h4 h5 b dl dt
    dd ol ul li code pre table caption thead tbody tr th td details summary figure figcaption wbr svg g
    path rect text circle
    """,
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        """
    lang charset http-equiv content name href class id role tabindex title scope open colspan xmlns
    viewbox width height font-family font-size font-weight fill fill-opacity stroke stroke-opacity
    stroke-width stroke-dasharray stroke-linecap stroke-linejoin text-anchor x y d cx cy r aria-label
    aria-labelledby aria-hidden
    """,
    )
)
HTML = Path(inspect.getfile(write_page)).parent
VOID = frozenset(("meta", "wbr", "path", "rect", "circle"))


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, their nesting, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        for key, value in attrs:
            self.attributes.setdefault(key, []).append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element; it must be the innermost."""
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        """Note text, but for the style's."""
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, its white space as it reads."""
        return re.sub(r"\s+", " ", "".join(self.words))


def read(text: str) -> Reader:
    """Return a page as read, well-formed, of known elements, and with links within itself only."""
    made = Reader(text)
    assert (made.wrong, made.open) == ([], [])
    assert made.tags <= TAGS
    assert set(made.attributes) <= ATTRIBUTES
    links = made.attributes.get("href", ())
    assert all(link.startswith("#") or re.fullmatch(r"\./[\w./%+~-]*/", link) for link in links)
    ids = made.attributes["id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert {each for found in made.attributes.get("aria-labelledby", ()) for each in found.split()} <= set(
        ids
    )
    return made


def test_the_verdict_comes_first() -> None:
    """The headline, what was promised, what happened and how to repeat it stand before everything else."""
    other = failing(nodeid="t.py::test_other[refuse]", scenario="refuse")
    text = read(page(session(passing(), failing(), other))).text.partition("Skip to the verdict")[2]
    where = [
        text.index(words)
        for words in (
            "2 of 3 chaos tests failed.",
            "Promised",
            "Every good message is worked on, settled and gone",
            "Happened",
            "1 of 10 messages lost by worker, which acked at 0.069 s and was killed at 0.071 s before any effect",
            f"Repeat it{AGAIN}",
            "RabbitMQ 4.0.5 (docker)",
            "What broke, by cause",
            "Tests and scenarios Each test",
            "Runs ✗ failed",
            "The session",
        )
    ]
    assert where == sorted(where)


def test_it_is_said_once() -> None:
    """Of the only run that failed the head says claim and command; what proves it, the mend and a life are with it."""
    run = failing()
    run["hazards"][0]["messages"] = [name(3)]
    text = read(page(session(passing(), run))).text

    for words in (
        "which acked at 0.069 s",
        AGAIN,
        "acknowledged by worker",
        "acked_before_effect: acks early (1 message); this run proves it",
        f"Mendacknowledge after the work {name(3)}",
    ):
        assert text.count(words) == 1, words
    assert "What broke" not in text
    assert text.index("this run proves it") < text.index("Mend")


def test_where_several_runs_failed_each_has_its_own() -> None:
    """The causes are told, and every run says what was promised, what happened and how to repeat it."""
    text = read(page(session(failing(), failing(nodeid="t.py::test_other[x]", scenario="x")))).text

    assert "What broke, by cause" in text
    assert text.count("Repeat it") == 3
    assert text.count("which acked at 0.069 s") > 4


def test_a_known_cause_hides_no_other() -> None:
    """Beside an allowed one the cause of the only failed run is told; one of both runs is told once, as failed."""
    allowed = failing(nodeid="t.py::test_other[x]", scenario="x")
    allowed |= {"failed": False, "outcome": "passed", "verdict": "pass"}
    same = {**allowed, "findings": [{**each, "allowed": "so"} for each in allowed["findings"]]}
    other = {**same, "findings": [{**each, "kind": "duplicated", "cause": "y"} for each in same["findings"]]}

    for run, causes, known in ((other, 2, 1), (same, 1, 0)):
        text = page(session(failing(), run))
        assert (text.count('<li class="cause'), "What broke, by cause" in text) == (causes, True)
        assert text.count("Broken, and expected or allowed") == known
        assert 'class="rest" open' not in text


def test_the_failed_run_of_a_cause_is_open() -> None:
    """Where an allowed run of the same cause came first it is closed, and the one that fails the session is open."""
    allowed = failing(nodeid="t.py::test_allowed[x]", scenario="x")
    allowed |= {"failed": False, "outcome": "passed", "verdict": "pass"}
    allowed["findings"] = [{**each, "allowed": "so"} for each in allowed["findings"]]
    made = session(allowed, failing())
    before = copy.deepcopy(made)  # as an earlier version wrote it
    before["overview"]["causes"][0]["runs"].sort()

    for document in (made, before):
        opened = re.findall(r'<details class="run (\w+)"( open)?>', page(document))
        assert opened == [("failed", " open"), ("allowed", "")]


def test_links_of_a_cause_say_what_differs() -> None:
    """Under one scenario they bear the parameters or the tests, over several both; the rest is said once."""
    one = [failing(nodeid=f"t.py::test_it[drop-{n}]", scenario="drop") for n in range(26)]
    several = [
        failing(nodeid=f"t.py::{test}[{n}]", scenario=n)
        for test in ("test_a", "test_b")
        for n in ("drop", "stop")
    ]
    again = [failing(attempt=n) for n in (1, 2)]

    for runs, place, chips in (
        (one, "in 26 tests of test_it under drop:", [*(f"failed: {n}" for n in range(24))]),
        (several, "in 2 tests:", [f"failed: test_{t} under {n}" for t in "ab" for n in ("drop", "stop")]),
        ([*one[:1], failing(nodeid="t.py::test_b[stop]", scenario="stop")], "in test_it[0], test_b:",
         ["failed: drop", "failed: stop"]),
        (again, "in test_orders:",
         ["failed: consumer_crash-after-ack-3", "failed: consumer_crash-after-ack-3, attempt 2"]),
    ):  # fmt: skip
        made = page(session(*runs))
        (cause,) = re.findall(r'<p class="where">.*?</p>', made, re.DOTALL)
        links = re.findall(r'<a class="chip.*?</a>', cause, re.DOTALL)
        assert place in cause
        assert [re.sub(r"<.*?>|\n", "", link) for link in links] == [f"✗ {chip}" for chip in chips]


def test_what_is_told_beside_is_a_sentence() -> None:
    """Of several messages in the plural, names as code; and that no fault is behind a finding is said as such."""
    dropped = found("overflow", 1, 2, claim="was dropped from `orders`", violation=False)
    why = "no fault explains it: worker went on to later messages"
    account = judged(found("lost", 1, 2, claim="lost by the consumer: so", cause=why), dropped)
    run = run_record(account, nodeid=NODE, attempt=1, outcome="failed", reproduce="x")
    made = page(session(run, passing(), failing(nodeid="t.py::t[x]")))

    assert "2 messages were dropped from <code>orders</code>" in made
    assert "Lost 2 messages: no fault is behind them: worker went on" in made
    assert happened(run) == f"2 of 10 messages lost by the consumer: so; no fault is behind it{why[20:]}."
    assert "each: no fault" not in made
    assert made.count("behind it: no fault") == markdown(session(run)).count("behind it: no fault") == 0


def test_every_state_has_a_sign_of_its_own() -> None:
    """A state is not told by its colour alone: what failed and what was expected to do not look alike."""
    assert len(set(SYMBOLS.values())) == len(SYMBOLS) == len(WORDS)


def test_processes_and_ports_are_the_sessions() -> None:
    """The head names versions; which process and which port stands at the end."""
    servers = {
        "broker": "rabbitmq",
        "version": "4.0.5",
        "kind": "process",
        "toxiproxy": "2.12.0 (process)",
        "description": "RabbitMQ 4.0.5 (process 17, 127.0.0.1:28412), Toxiproxy 2.12.0 (process 18, API 127.0.0.1:1)",
    }
    head, _, rest = read(page(session(failing(), servers=servers))).text.partition("Tests and scenarios")

    assert "RabbitMQ 4.0.5 (process), Toxiproxy 2.12.0 (process)" in head
    assert "28412" not in head
    assert servers["description"] in rest


def test_a_failing_run_is_told_in_full() -> None:
    """Claim, evidence, cause, mend, how to allow, how to repeat, lives, last words, faults, numbers."""
    text = read(page(session(failing()))).text

    for words in (
        AGAIN,
        "lost:by_consumer breaks the promise 1 of 10 messages",
        name(3),
        "consumer_crash(after=ack(17)) fault 1, at 0.071 s",
        "acknowledge after the work",
        'allow=("lost:by_consumer",)',
        "acknowledged by worker ← before its effect",
        "worker killed ← consumer_crash(after=ack(17))",
        "killed by SIGKILL by a fault, seen to be gone at 0.072 s, started again",
        "Traceback: boom",
        "ran when the run was judged",
        "refuse(after=delivery(6), duration=0.5)",
        "From publish to effect",
        "Deliveries per message",
        "delivery limit: 20",
        "hazard acked_before_effect: acks early",
        "this run proves it",
        "a note",
        "RabbitMQ 4.0.5 (docker)",
        "seed4711",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (passing(), "✓ The chaos test kept its promise."),
        (run_record(None, nodeid=NODE, attempt=1, outcome="error", reproduce="", error="no consumer"), "no consumer"),
        (
            run_record(
                judged(found("lost", 1, unknown=True, claim="cannot be seen", mend="name a source")),
                nodeid=NODE, attempt=1, outcome="passed", reproduce="x",
            ),
            "? The chaos test could not be judged.",
        ),
        (failing(outcome="xfailed"), "⊘ No surprise: the chaos test failed as expected."),
        (failing(outcome="skipped", reason="no server"), "– The chaos test was skipped."),
    ],
)  # fmt: skip
def test_every_sort_of_run_has_a_page(run: dict[str, Any], words: str) -> None:
    """Passed, unknown, expected, skipped, never judged: each is told, by a sign and a word."""
    assert words in read(page(session(run))).text


@pytest.mark.parametrize(
    ("told", "happened"),
    [
        ({"outcome": "error", "error": "no consumer"}, "No verdict: no consumer"),
        ({"outcome": "skipped", "reason": "inside"}, "Skipped: inside"),
    ],
)
def test_what_was_promised_is_known_without_a_verdict(told: dict[str, Any], happened: str) -> None:
    """A run that was not judged, or that its test skipped, has the promise of its mark, and says which it is."""
    promised = guarantee("exactly-once")
    run = run_record(None, nodeid=NODE, attempt=1, reproduce="", promised=promised, **told)
    said = read(page(session(run))).text
    assert f"Promisedexactly-once: {promised.promise}" in said
    assert happened in said


def test_an_empty_session_has_a_page() -> None:
    """Without a run nothing breaks."""
    assert "skipped" in read(page(session())).text


def test_what_was_skipped_says_why() -> None:
    """A test that never began is in the matrix, and its reason in a table."""
    skipped = {"nodeid": "t.py::test_it[refuse]", "scenario": "refuse", "reason": "the baseline failed: lost"}

    assert "the baseline failed: lost" in read(page(session(passing(), skipped=[skipped]))).text


def test_no_script_no_network_no_style_in_attributes() -> None:
    """The page's own policy allows its one style element and nothing else; meaning does not rest on it."""
    text = page(session(failing()))
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"default-src &#39;none&#39;; style-src &#39;sha256-{digest}&#39;" in text or (
        f"default-src 'none'; style-src 'sha256-{digest}'" in text
    )
    assert not re.search(
        r"<script|<link|<img|<iframe|\sstyle=|\son\w+=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", text
    )


def test_the_timeline_needs_no_style() -> None:
    """Every shape of the drawing carries its own colours, and every row its name and number."""
    text = page(session(failing()))
    drawing = re.search(r'<svg[^>]*class="plot".*?</svg>', text, re.DOTALL)
    assert drawing is not None
    for tag in re.findall(r"<(?:path|rect|circle)[^>]*>", drawing[0]):
        assert " fill=" in tag or " stroke=" in tag, tag
    for words in (
        "publisher",
        "published 10",
        "queues",
        "worker#2",
        "deliveries 7",
        "acks 3",
        "effects 2",
        "#3",
    ):
        assert f">{words}</text>" in drawing[0], words


def test_an_offending_life_is_drawn_and_linked() -> None:
    """From the drawing to the life, from the life to its finding, from the finding to the life and the fault."""
    text = page(session(failing()))

    assert re.search(r'<a href="#run-0-life-0" aria-label="#3: the life of orders-k3f9-000003">', text)
    assert 'id="run-0-life-0"' in text
    assert '<a href="#run-0-finding-0">lost:by_consumer</a>' in text
    assert f'<a href="#run-0-life-0">{name(3)}</a>' in text
    assert 'id="run-0-fault-1"' in text


def test_headings_go_down_step_by_step() -> None:
    """A screen reader finds its way by headings: one h1, and none is skipped."""
    levels = [int(level) for level in re.findall(r"<h([1-5])", page(session(failing(), passing())))]

    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_same_document_is_the_same_page() -> None:
    """Rendered twice, and after a way through JSON, the bytes are the same."""
    made = session(failing(), passing())

    assert page(made) == page(json.loads(json.dumps(made))) == page(made)


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_text_stays_text(evil: str) -> None:
    """In bodies, keys, queues, routing keys, consumers, node ids and all else: it is shown, and does nothing."""
    made = read(page(document_full_of(evil)))

    shown = re.sub(r"\s+", " ", printable(evil))
    assert made.text.count(shown) > 20
    assert "49" not in re.findall(r"test_(\S+)", made.text)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40))
def test_any_text_stays_text(evil: str) -> None:
    """Whatever a name is, the page is well-formed and of known elements."""
    read(page(document_full_of(evil or "x")))


def test_what_is_cut_is_said() -> None:
    """Many messages, lives, steps and causes are cut visibly, with the number that is left out."""
    lost = found("lost", *range(1, 1501), detail="by_consumer", violation=True)
    events = [event for n in range(1, 1501) for event in done(n, n)]
    run = run_record(
        judged(lost, events=events, messages=workload(1500)),
        nodeid=NODE,
        attempt=1,
        outcome="failed",
        reproduce="x",
    )
    text = read(page(session(run))).text

    assert "and 1,495 more" in text
    assert "... and 1,295 more, 795 of them in report.json" in text
    assert "35 more lives" in text
    assert "Too many marks to draw one by one: each bar counts" in text
    assert "1,460 more messages that findings name have no life here." in text
    assert "40 lives are told; 1,460 more messages that findings name have none here." in text


def test_a_page_has_a_limit_and_says_so() -> None:
    """Of very many runs the worst are told in full, the next in short, the rest in the matrix, then by their number."""
    good = [passing(test=f"test_{n}") for n in range(3)]
    many = [dict(good[n % 3], nodeid=f"tests/t.py::test_{n}[baseline]") for n in range(3000)]
    bad = failing()
    text = page(session(*many, bad))
    made = read(text)

    assert len(text.encode()) <= MOST
    assert made.text.index("1 of 3,001") < made.text.index(AGAIN)
    assert "at the end are told in short" in made.text
    assert "more are in the table above and in report.json only" in made.text
    assert "more tests are in report.json" in made.text


def test_long_names_do_not_break_the_limit() -> None:
    """Names of a thousand characters in thousands of tests: the page is cut shorter still."""
    good = passing()
    many = [dict(good, nodeid=f"tests/t.py::test_{n}{'&' * 1000}[baseline]") for n in range(2000)]

    assert len(page(session(*many)).encode()) <= MOST


def test_a_document_of_before_has_a_page() -> None:
    """A document of schema 1.0, without all that came later, is rendered as far as it goes."""
    new = session(failing(), passing())
    described = json.loads(HTML.parent.joinpath("schema-1.0.json").read_text(encoding="utf-8"))["$defs"]
    old_run, old_fault = (set(described[name]["properties"]) for name in ("run", "fault"))
    runs = [{key: value for key, value in run.items() if key in old_run} for run in new["runs"]]
    for run in runs:
        run["faults"] = [
            {key: value for key, value in each.items() if key in old_fault} for each in run["faults"]
        ]
        for life in run["lives"]:
            life.pop("digest")
            life["events"] = [{key: step[key] for key in ("at", "text", "note")} for step in life["events"]]
    old = {"schema": "1.0", "plugin": "0.1.0", "started": "x", "servers": {}, "runs": runs}

    text = read(page(old)).text
    assert "1 of 2 chaos tests failed." in text
    assert "report schema 1.0" in text


def test_the_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that cannot be made leaves the one of before, and nothing half-written."""
    path = write_page(tmp_path, session(passing()))
    before = path.read_text(encoding="utf-8")

    assert path == tmp_path / "index.html"
    with pytest.raises(KeyError):
        write_page(tmp_path, {})
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]
    assert path.read_text(encoding="utf-8") == before


def test_a_narrow_matrix_names_its_cells() -> None:
    """Where its head is not shown each cell says itself what it is."""
    text = read(page(session(passing(), failing(), *(passing(f"test_{n}", f"s{n}") for n in range(9))))).text

    assert "Baseline: ✓ as promised" in text
    assert "Under chaos: ✗ failed: consumer_crash-after-ack-3" in text
