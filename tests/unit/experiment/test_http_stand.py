"""A service that we stand in for: whose message a request names, what it is answered, what is an effect."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos import transient
from pytest_mqchaos.consumers.addresses import LinkAddress, environment
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.effects.board import Board
from pytest_mqchaos.experiment.effects.http import Http, Stand
from pytest_mqchaos.experiment.effects.serving import check_calls, serve
from pytest_mqchaos.experiment.striking.calls import CallStrikes
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.messages import Message

RUN = "k3f9"


class NoStrikes:
    """Nothing strikes."""

    def came(self, _service: str, link: str | None, _message: str) -> CallStrikes:
        return CallStrikes((), (), link)

    async def before(self, _strikes: CallStrikes) -> None: ...

    def answering(self, _strikes: CallStrikes) -> None: ...

    def answered(self, _strikes: CallStrikes) -> None: ...


class Scene:
    """A run with five messages, of which two share a key."""

    def __init__(self) -> None:
        self.thread = LoopThread()
        self.history = History(RUN)
        self.board = Board(self.history, lambda _: None)
        self.run: Any = SimpleNamespace(
            http={}, consumers=[], producers=[], publications=[], history=self.history, board=self.board,
            thread=self.thread, injector=SimpleNamespace(calls=NoStrikes()), test=SimpleNamespace(seed=7))  # fmt: skip

    def serve(self, **options: Any) -> Http:
        said = {"key": "order", "status": 200, "delay": 0.0, "fail": None, "name": "http", "body": None}
        return serve(self.run, **{**said, "idempotency": "Idempotency-Key", **options})

    def begin(self) -> None:
        for number in range(1, 6):
            key = "twin" if number > 3 else str(number)
            self.history.plan(
                Message(
                    id=f"orders-{RUN}-{number:06d}", number=number, body=b"{}", digest=str(number), key=key
                )
            )
        self.board.refuse_leftovers()
        for stand in self.run.http.values():
            stand.choose(list(self.history.messages))

    def ask(
        self,
        order: object,
        *,
        method: str = "POST",
        path: str = "/pay",
        service: str = "http",
        **headers: str,
    ) -> int:
        where = self.run.http[service].address("worker").removeprefix("http://")
        client = http.client.HTTPConnection(where, timeout=5)
        client.request(method, path, None if order is None else json.dumps({"order": order}), headers)
        status = client.getresponse().status
        client.close()
        self.thread.call(_turn(), timeout=5.0, what="the end of the step that answered")
        return status

    @property
    def stand(self) -> Stand:
        return self.run.http["http"]  # type: ignore[no-any-return]

    @property
    def effected(self) -> list[int]:
        return [int(str(e.message)[-6:]) for e in self.history if isinstance(e, facts.Effected)]

    def close(self) -> None:
        for stand in self.run.http.values():
            stand.close()
        self.thread.close()


async def _turn() -> None:
    """Come after all that the loop does just now: the answer is read before it is taken down."""


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A run without a broker."""
    scene = Scene()
    yield scene
    scene.close()


def test_good_answers_are_effects(scene: Scene) -> None:
    """By id or key; each stands behind its request, and says whose it is and since when it may have been."""
    service = scene.serve()
    scene.begin()
    assert scene.board.ordered
    assert [scene.ask(1), scene.ask(f"orders-{RUN}-000002"), scene.ask(3, method="PUT")] == [200] * 3
    assert scene.effected == [1, 2, 3]
    kinds = [type(each).__name__ for each in scene.history]
    assert kinds == ["SourceNamed", *["Called", "Answered", "Effected"] * 3]
    effect = scene.history[3]
    assert isinstance(effect, facts.Effected)
    assert (effect.consumer, effect.source, effect.in_order) == ("worker", "http", True)
    assert effect.since == scene.history[1].at
    assert scene.board.look(f"orders-{RUN}-000001")
    assert scene.board.look(f"orders-{RUN}-000004") is False
    assert [each.attempt for each in service.calls] == [1, 1, 1]


def test_other_answers_are_none(scene: Scene) -> None:
    """A service that is down has done nothing, whatever was asked of it."""
    scene.serve(status=500)
    scene.begin()
    assert scene.ask(1) == 500
    assert scene.effected == []
    assert scene.stand.notes() == ("http: 1 call answered (1 with 500)",)


def test_a_failure_that_passes(scene: Scene) -> None:
    """The first tries of the chosen messages fail, each by itself; those of the others do not."""
    scene.serve(fail=transient(2, share=0.4, status=429))
    scene.begin()
    answers = {n: [scene.ask(f"orders-{RUN}-{n:06d}") for _ in range(3)] for n in range(1, 6)}
    assert sorted(map(tuple, answers.values())) == [(200, 200, 200)] * 3 + [(429, 429, 200)] * 2
    planned = [each for each in scene.history if isinstance(each, facts.Answered) and each.refused]
    assert [each.status for each in planned] == [429] * 4


def test_an_idempotency_key(scene: Scene) -> None:
    """The same key at the same place is one effect; another key, another place, a failure before it are not."""
    scene.serve(fail=transient(1, share=1.0))
    scene.begin()
    again = {"Idempotency-Key": "a"}
    assert [scene.ask(1, **again) for _ in range(3)] == [503, 200, 200]
    assert scene.effected == [1]
    assert [scene.ask(1), scene.ask(1, path="/refund", **again)] == [200, 200]
    assert scene.effected == [1, 1, 1]
    assert [each.repeated for each in scene.history if isinstance(each, facts.Answered)] == [
        False, False, True, False, False,
    ]  # fmt: skip


def test_an_idempotency_key_that_nobody_honours(scene: Scene) -> None:
    """A service that knows no such header does its work again."""
    scene.serve(idempotency=None)
    scene.begin()
    for _ in range(2):
        scene.ask(1, **{"Idempotency-Key": "a"})
    assert scene.effected == [1, 1]


def test_a_key_that_two_messages_have(scene: Scene) -> None:
    """Each of them gets its effect, and only a third call is one too many."""
    scene.serve()
    scene.begin()
    for _ in range(3):
        scene.ask("twin")
    assert len(scene.effected) == 3
    assert set(scene.effected[:2]) == {4, 5}


def test_keys_by_a_function(scene: Scene) -> None:
    """It sees all of the request; what it cannot read names nobody."""
    scene.serve(key=lambda r: r.path.split("/")[2] + r.headers.get("x-none", "") + str(r.query == "a=1")[:0])
    scene.begin()
    assert scene.ask(None, method="DELETE", path="/orders/2?a=1") == 200
    assert scene.ask(None, method="GET", path="/health") == 200
    assert scene.effected == [2]
    assert scene.stand.notes()[1] == "http: 1 request named no message: GET /health"


def test_an_id_that_was_never_published(scene: Scene) -> None:
    """It is told as what it is: unexpected; what is no id is somebody else's business."""
    scene.serve()
    scene.begin()
    scene.ask(f"orders-{RUN}-000099")
    scene.ask("somebody")
    (effect,) = [each for each in scene.history if isinstance(each, facts.Effected)]
    assert (effect.message, effect.name) == (None, f"orders-{RUN}-000099")


def test_before_the_first_publish(scene: Scene) -> None:
    """Nothing is an effect before there are messages."""
    scene.serve()
    scene.ask(1)
    scene.begin()
    assert scene.effected == []


def test_a_key_that_finds_nothing(scene: Scene) -> None:
    """Where no request that has a body names a message, the test's key is at fault."""
    scene.serve(key="order_id")
    scene.begin()
    scene.ask(None, method="GET")
    check_calls(scene.run)
    scene.ask(1)
    with pytest.raises(ChaosError) as caught:
        check_calls(scene.run)
    assert str(caught.value) == (
        "http('http'): 1 request came, and key='order_id' found a message of this run in none of them: "
        "POST /pay b'{\"order\": 1}'; it has to find the id or key of the message, as publish(key=...) names it"
    )


def test_a_key_that_raises(scene: Scene) -> None:
    """It is said what it raised, and for how many: else a slip in it looks like a consumer that names nothing."""
    scene.serve(key=lambda request: request.json["order_id"])
    scene.begin()
    scene.ask(1)
    scene.ask(2)
    with pytest.raises(ChaosError) as caught:
        check_calls(scene.run)
    assert str(caught.value) == (
        "http('http'): key raised KeyError: 'order_id' for all 2 requests (the first: POST /pay b'{\"order\": 1}'); it "
        "gets the request, and has to find the id or key of the message, as publish(key=...) names it"
    )


def test_nobody_called(scene: Scene) -> None:
    """That is said too."""
    scene.serve()
    assert scene.stand.notes() == (
        "http: no request came; a consumer finds its address in $MQCHAOS_HTTP_URL",
    )


def test_nobody_called_a_second_service(scene: Scene) -> None:
    """Its own variable is named, not that of the first."""
    scene.serve()
    scene.serve(name="mail.v2")
    assert scene.run.http["mail.v2"].notes() == (
        "mail.v2: no request came; a consumer finds its address in $MQCHAOS_MAIL_V2_URL",
    )


def test_addresses(scene: Scene) -> None:
    """Each service and each replica has its own; the first service is the one without a name."""
    scene.serve(name="pay.v2")
    scene.serve(name="mail")
    services = {name: stand.address("worker") for name, stand in scene.run.http.items()}
    assert len({*services.values(), scene.run.http["mail"].address("worker#2")}) == 3
    assert len(scene.run.http["mail"].ports) == 2
    link = LinkAddress(
        name="worker", url="amqp://x", host="h", port=1, user="u", password="p", vhost="v", services=services
    )
    found = environment(
        link, effects=__import__("pathlib").Path("/e"), run=RUN, env={"A": "{http}/a {http:mail} {no}"}
    )
    assert found["MQCHAOS_HTTP_URL"] == found["MQCHAOS_PAY_V2_URL"] == services["pay.v2"]
    assert found["MQCHAOS_MAIL_URL"] == services["mail"]
    assert found["A"] == f"{services['pay.v2']}/a {services['mail']} {{no}}"
    assert found["no_proxy"].endswith("127.0.0.1")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"key": ""}, "http(key=''): the name of a JSON field of the body, or a function of the request"),
        ({"status": 99}, "http(status=99): a status of an answer, 200 to 599"),
        ({"delay": -1}, "http(delay=-1): seconds, 0 or more"),
        ({"fail": transient}, "http(fail=transient): forgotten parentheses: write transient(2)"),
        ({"fail": 2}, "http(fail=2): such as transient(2, share=0.1)"),
        ({"name": "a b"}, "http(name='a b'): letters, digits and _ . + - only"),
        (
            {"body": {1}},
            "http(body=...): bytes, text, or what JSON can say: Object of type set is not JSON serializable",
        ),
        ({"idempotency": 3}, "http(idempotency=3): the name of a header, or None"),
    ],
)
def test_what_is_refused(scene: Scene, options: dict[str, Any], line: str) -> None:
    """A wrong argument is one line that names it."""
    with pytest.raises(UsageError) as caught:
        scene.serve(**options)
    assert str(caught.value) == line


def test_a_name_twice(scene: Scene) -> None:
    """A service has a name of its own."""
    scene.serve()
    with pytest.raises(
        UsageError, match=r"http\(name='http'\): the name is taken by another source of effects of this test"
    ):
        scene.serve()
