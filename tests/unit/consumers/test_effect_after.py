"""`effect_after=`: a function of the consumer's own, wrapped inside its process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos import probe
from pytest_mqchaos.consumers.inside.hook import Hook
from pytest_mqchaos.consumers.wrapping import Wrapping
from pytest_mqchaos.errors import UsageError

SHOP = """
    import asyncio
    def book(order_id, note=""):
        if note == "fails":
            raise ValueError(note)
        return order_id
    async def later(order):
        await asyncio.sleep(0)
    class Booker:
        def book(self, order): return self
        @classmethod
        def all(cls, order): return cls
        @staticmethod
        def aside(order): return order
        class Inner:
            def book(self, order_id): return order_id
    def stream(): yield 1
    LIMIT = 5
"""


@pytest.fixture
def effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The consumer's effects file."""
    path = tmp_path / "effects"
    path.touch()
    monkeypatch.setenv("MQCHAOS_EFFECT_AFTER_FILE", str(path))
    return path


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of an application, not imported yet."""
    name = f"shop_{uuid.uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(SHOP))
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield name
    sys.meta_path[:] = finders
    sys.modules.pop(name, None)


def wrapped(shop: str, path: str, key: str | None = None) -> Any:
    """Import the shop with one of its functions wrapped."""
    Hook(f"{shop}:{path}", key, probe).install()
    return __import__(shop)


def lines(effects: Path) -> list[str]:
    """What was written."""
    return effects.read_text().splitlines()


@pytest.mark.parametrize(
    ("path", "key", "call"),
    [
        ("book", "order_id", lambda shop: shop.book(7)),
        ("book", "order_id", lambda shop: shop.book(order_id="7")),
        ("book", None, lambda shop: shop.book("7", note="x")),
        ("book", "order_id", lambda shop: shop.book({"order_id": 7})),
        ("later", "order_id", lambda shop: asyncio.run(shop.later({"order_id": 7}))),
        ("Booker.book", "order_id", lambda shop: shop.Booker().book({"order_id": 7})),
        ("Booker.book", None, lambda shop: shop.Booker().book(7)),
        ("Booker.all", "order_id", lambda shop: shop.Booker.all(b'{"order_id": 7}')),
        ("Booker.all", None, lambda shop: shop.Booker.all("7")),
        ("Booker.aside", None, lambda shop: shop.Booker.aside(7)),
        ("Booker.Inner.book", "order_id", lambda shop: shop.Booker.Inner().book(7)),
    ],
)
def test_a_return_is_an_effect(
    effects: Path, shop: str, path: str, key: str | None, call: Callable[[Any], Any]
) -> None:
    """Named by an argument, a field of one, or the first argument."""
    call(wrapped(shop, path, key))
    told = lines(effects)
    assert told[0] == "#effect_after wrapped"
    assert told[-1] == "7", told


def test_what_it_returns_and_is_stays(effects: Path, shop: str) -> None:
    """The application does not notice."""
    module = wrapped(shop, "book", "order_id")
    assert module.book(7) == 7
    assert (module.book.__name__, module.book.__module__) == ("book", shop)
    booker = wrapped(shop, "Booker.all")
    assert booker.Booker.all(1) is booker.Booker
    assert isinstance(booker.Booker.__dict__["all"], classmethod)


def test_a_call_that_raises_is_none(effects: Path, shop: str) -> None:
    """And raises what it raised."""
    module = wrapped(shop, "book", "order_id")
    with pytest.raises(ValueError, match="fails"):
        module.book(7, note="fails")
    assert "7" not in lines(effects)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("boook", "there is no 'boook' in {shop}: boook cannot be wrapped"),
        ("Booker.boook", "there is no 'boook' in {shop}: Booker.boook cannot be wrapped"),
        ("Boker.book", "there is no 'Boker' in {shop}: Boker.book cannot be wrapped"),
        ("Booker", "Booker is a class: name one of its methods, as in Booker.save"),
        ("stream", "stream is a generator, which has no moment of return"),
        ("LIMIT", "LIMIT is no function, but int"),
    ],
)
def test_what_cannot_be_wrapped_is_told(effects: Path, shop: str, path: str, complaint: str) -> None:
    """In one line, and the application runs on."""
    wrapped(shop, path)
    assert lines(effects) == [f"#effect_after {complaint.format(shop=shop)}"]


@pytest.mark.parametrize(
    ("key", "argument", "complaint"),
    [
        (
            "order",
            7,
            "book: effect_key='order' is no argument and no field of one; there are: order_id, note",
        ),
        ("note", None, "book: effect_key='note' is NoneType, not text or a number"),
        ("order_id", [7], "book: effect_key='order_id' is list, not text or a number"),
        (None, [7], "book: say by effect_key= what names the message: its arguments are order_id, note"),
    ],
)
def test_a_key_that_is_none_is_told_once(
    effects: Path, shop: str, key: str | None, argument: Any, complaint: str
) -> None:
    """At the first call, in one line; the application runs on."""
    module = wrapped(shop, "book", key)
    note = {"note": None} if key == "note" else {}
    for _ in range(2):
        module.book(argument, **note)
    told = [line for line in lines(effects) if line.startswith("#effect_after") and "wrapped" not in line]
    if key != "note":
        assert told == [f"#effect_after {complaint}"]
    else:
        assert len(told) == 1


def test_a_module_that_was_imported_before(effects: Path, shop: str) -> None:
    """As in a process that was forked: also where others took the function by its name."""
    module = __import__(shop)
    other = type(sys)(f"{shop}_worker")
    other.__dict__["book"] = module.book
    sys.modules[other.__name__] = other
    try:
        Hook(f"{shop}:book", None, probe).install()
        other.__dict__["book"](7)
    finally:
        del sys.modules[other.__name__]
    assert lines(effects)[-1] == "7"


def test_a_program_of_another_folder(effects: Path, shop: str, tmp_path: Path) -> None:
    """The hook comes in by the environment, and the application's own `sitecustomize` runs as ever."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os\nos.environ['OWN'] = 'here'\n")
    given = tmp_path / "given"
    given.touch()
    outside = os.environ | {"PYTHONPATH": str(own), "MQCHAOS_EFFECTS": str(given)}
    env = Wrapping(f"{shop}:book", "order_id").environment(outside, effects)
    code = (
        f"import os, sys\nfrom {shop} import book\nbook(7)\nprint(os.environ['OWN'], 'hook' in sys.modules)"
    )
    script = tmp_path / "program.py"
    script.write_text(code)
    said = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, check=True)
    assert said.stdout == "here False\n"
    assert lines(effects)[-1] == "7"


def test_what_the_function_tells_by_the_probe_stands_apart(
    effects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its return is told in another file than what it tells itself: two sources, each with one effect."""
    given = tmp_path / "given"
    given.touch()
    monkeypatch.setenv("MQCHAOS_EFFECTS", str(given))
    module = type(sys)(f"shop_{uuid.uuid4().hex}")
    module.__dict__["book"] = probe.effect
    monkeypatch.setitem(sys.modules, module.__name__, module)
    Hook(f"{module.__name__}:book", None, probe).install()
    module.__dict__["book"]("7")
    assert [line for line in lines(given) if not line.startswith("#")] == ["7"]
    assert lines(effects) == ["#effect_after wrapped", "#probe", "7"]


def test_without_a_test_nothing_is_wrapped(shop: str, tmp_path: Path) -> None:
    """The folder in PYTHONPATH alone does nothing."""
    env = Wrapping(f"{shop}:book", None).environment(
        {k: v for k, v in os.environ.items() if k != "MQCHAOS_EFFECTS"}, tmp_path / "none"
    )
    subprocess.run([sys.executable, "-c", f"import {shop}"], env=env, cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("target", "key", "message"),
    [
        ("shop.handlers", None, r"effect_after='shop\.handlers': a function as module:name"),
        ("shop.handlers:", None, "a function as module:name"),
        (":book", None, "a function as module:name"),
        ("shop handlers:book", None, "a function as module:name"),
        (len, None, "a function as module:name"),
        (
            "__main__:book",
            None,
            "effect_after='__main__:book': in the program's own file nothing can be wrapped",
        ),
        ("shop:book", "order id", "effect_key='order id': the name of an argument"),
        ("shop:book", 3, "effect_key=3: the name of an argument"),
        (None, "order_id", "effect_key='order_id' goes with effect_after="),
    ],
)
def test_what_is_no_function_is_refused(target: Any, key: Any, message: str) -> None:
    """Before anything starts, in one line."""
    with pytest.raises(UsageError, match=message) as error:
        Wrapping.of(target, key)
    assert "\n" not in str(error.value)


def test_nothing_is_nothing() -> None:
    """Most consumers have no such function."""
    assert Wrapping.of(None, None) is None


CELERY = """
    from celery import Celery, Task, shared_task
    app = Celery("{shop}", set_as_current=True)
    app.conf.task_always_eager = True
    @app.task
    def book(order_id, note=""):
        return order_id
    @app.task(bind=True)
    def bound(self, order_id):
        return self.name
    @app.task(autoretry_for=(KeyError,), retry_kwargs={{"max_retries": 3, "countdown": 0}})
    def retried(order_id, tries=[]):
        tries.append(order_id)
        if len(tries) < 3:
            raise KeyError(order_id)
        return order_id
    @app.task(bind=True, max_retries=1)
    def given_up(self, order_id):
        raise self.retry(countdown=0)
    @shared_task
    def shared(order_id): return order_id
    app.conf.task_acks_late = True
"""
MADE_AT_ONCE = """
    class Booker(Task):
        name = "booker"
        def run(self, order_id): return order_id
    by_class = app.register_task(Booker())
    @app.task(lazy=False)
    def made_at_once(order_id): return order_id
"""


@pytest.fixture
def celery_shop(shop: str, tmp_path: Path) -> Iterator[str]:
    """An application of Celery, not imported yet."""
    state = pytest.importorskip("celery._state")
    text = textwrap.dedent(CELERY).format(shop=shop)
    (tmp_path / f"{shop}.py").write_text(text)
    (tmp_path / f"{shop}_at_once.py").write_text(text + textwrap.dedent(MADE_AT_ONCE))
    finalizers, current = set(state._on_app_finalizers), state._tls.current_app
    yield shop
    state._on_app_finalizers.clear()
    state._on_app_finalizers.update(finalizers)
    state._tls.current_app = current
    sys.modules.pop(f"{shop}_at_once", None)


@pytest.mark.parametrize("path", ["book", "bound", "retried", "made_at_once", "shared", "by_class"])
def test_a_task_of_celery_stays_one(effects: Path, celery_shop: str, path: str) -> None:
    """It is wrapped inside, where a worker calls it, and once: however it is declared, and by whatever it is called."""
    at_once = path in ("made_at_once", "by_class")
    module = wrapped(f"{celery_shop}_at_once" if at_once else celery_shop, path, "order_id")
    module.app.finalize()
    task = getattr(module, path)
    assert module.app.tasks[task.name].delay(7).successful()
    assert [line for line in lines(effects) if not line.startswith("#")] == ["7"]
    assert lines(effects)[0] == "#effect_after wrapped"


def test_a_task_is_not_made_before_its_application_is_complete(effects: Path, celery_shop: str) -> None:
    """It takes settings over as it is made, and some stand behind it in the same file."""
    module = wrapped(celery_shop, "book")
    assert not module.app.finalized
    assert module.book.acks_late is True


def test_a_task_that_gives_up_has_no_effect(effects: Path, celery_shop: str) -> None:
    """It raises each time."""
    module = wrapped(celery_shop, "given_up")
    assert not module.given_up.delay(7).successful()
    assert lines(effects) == ["#effect_after wrapped", "#probe"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_actor_of_dramatiq_stays_one(effects: Path, shop: str, tmp_path: Path, is_async: bool) -> None:
    """What the broker knows under its name shows the effect, worked on by a worker."""
    pytest.importorskip("dramatiq")
    text = f"""
        import dramatiq
        from dramatiq.brokers.stub import StubBroker
        from dramatiq.middleware import AsyncIO
        broker = StubBroker(middleware=[AsyncIO()])
        @dramatiq.actor(broker=broker)
        {"async " * is_async}def book(order_id): return None
    """
    (tmp_path / f"{shop}.py").write_text(textwrap.dedent(text))
    module = wrapped(shop, "book")
    worker = __import__("dramatiq").Worker(module.broker, worker_timeout=10)
    worker.start()
    try:
        module.book.send(7)
        module.broker.join("default", timeout=10_000)
        worker.join()
    finally:
        worker.stop()
    assert lines(effects)[-1] == "7"


def test_any_other_object_is_left_as_it_is(effects: Path, shop: str, tmp_path: Path) -> None:
    """A function in its place would lack what else it has, and whoever holds it would not call that."""
    text = """
        class Job:
            def __init__(self, function): self.function = function
            def __call__(self, order_id): return self.function(order_id)
            def delay(self, order_id): return "sent"
        @Job
        def book(order_id): return order_id
    """
    (tmp_path / f"{shop}.py").write_text(textwrap.dedent(text))
    assert wrapped(shop, "book").book.delay(7) == "sent"
    assert lines(effects) == [
        "#effect_after book is a Job, no function, and what calls it need not come by that name: name the function "
        "inside, or probe.effect(id)"
    ]
