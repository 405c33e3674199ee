"""Wraps one function of the consumer's, so that each time it has returned is an effect; inside the consumer.

```
 import shop.handlers ──► its own loader ──► wrapped: shop.handlers.book
                                                 called ──► returned ──► a line, as by probe.effect(key)
                                                       └──► raised: no effect
```
The lines stand in a file of their own, $MQCHAOS_EFFECT_AFTER_FILE: what the application itself tells by the probe, in
the wrapped function or elsewhere, is another source, and no second effect of the same work.

What goes wrong here is told in a line of that file, `#effect_after ...`, and never raised into the application.
Imports the standard library only: it is loaded by its path, in whatever Python the consumer runs.
"""

from __future__ import annotations

import functools
import importlib.abc
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

__all__ = ["Hook", "install"]

_PLAIN = (str, int, bytes)
_FILE = "MQCHAOS_EFFECT_AFTER_FILE"
"""The variable that names the file."""


def install(probe: Any) -> None:
    """Wrap the function that the environment names, now or once its module is imported."""
    target = os.environ.get("MQCHAOS_EFFECT_AFTER", "")
    if target:
        Hook(target, os.environ.get("MQCHAOS_EFFECT_KEY") or None, probe).install()


class Hook(importlib.abc.MetaPathFinder):
    """Waits for one module and wraps one function of it.

    Args:
        target: `package.module:function` or `package.module:Class.method`.
        key: which argument, or which field of one, names the message; the first argument without it.
        probe: the module that writes effects.
    """

    def __init__(self, target: str, key: str | None, probe: Any) -> None:
        self.target = target
        self.module, _, self.path = target.partition(":")
        self.key = key
        self._probe = probe
        self._complained = False
        self._holders: list[Any] = []
        """Objects of frameworks whose function is wrapped."""

    def install(self) -> None:
        """Begin."""
        module = sys.modules.get(self.module)
        if module is not None:
            self._wrap(module)
        else:
            sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Find the module as others would, and have it wrapped behind its own loader."""
        if fullname != self.module:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(fullname, path, target)
            if spec is not None:
                break
        else:
            return None
        run = getattr(spec.loader, "exec_module", None)
        if run is None:
            self.complain(f"{self.module} is a namespace, and has no functions")
            return spec

        def exec_module(module: Any) -> None:
            run(module)
            self._wrap(module)

        with suppress(AttributeError):
            spec.loader.exec_module = exec_module
        return spec

    def complain(self, what: str) -> None:
        """Tell the test what is wrong, once."""
        if not self._complained:
            self._complained = True
            self._tell(" ".join(what.split()))

    def _tell(self, what: str) -> None:
        with suppress(Exception):
            self._probe._append(os.environ[_FILE], f"#effect_after {what}\n".encode("utf-8", "replace"))

    def _wrap(self, module: Any) -> None:
        try:
            *outer, name = self.path.split(".")
            owner, step = module, name
            for step in outer:
                owner = getattr(owner, step)
            step = name
            raw = inspect.getattr_static(owner, name)
        except AttributeError:
            self.complain(f"there is no {step!r} in {self.module}: {self.path} cannot be wrapped")
            return
        try:
            if self._held(raw):
                return
            wrapped = self._wrapped(owner, name, raw)
        except TypeError as error:
            self.complain(str(error))
            return
        setattr(owner, name, wrapped)
        self._rebind(raw, wrapped)
        self._done()

    def _done(self) -> None:
        self._tell("wrapped")
        self._probe._announce(_FILE)

    def _held(self, found: Any) -> bool:
        """Wrap what a framework calls by an object of its own, inside of that; return whether it is such an object.

        Celery makes its tasks when the application is complete: looked at before, they would miss its settings.
        """
        kind = _class_of(found)
        if kind == "celery.local.PromiseProxy":  # @app.task
            found.__then__(lambda: self._inside(found._get_current_object(), "_orig_run", "run"))
        elif kind == "celery.local.Proxy":  # @shared_task: each application has its own
            state = sys.modules["celery._state"]
            for app in list(state._get_active_apps()):
                if app.finalized:
                    self._shared(found)
            state.connect_on_app_finalize(
                lambda app: app.on_after_finalize.connect(lambda **_: self._shared(found), weak=False)
            )
        elif "celery.app.task.Task" in _classes_of(found):
            self._inside(found, "_orig_run", "run")  # what it retries by itself calls the first
        elif "dramatiq.actor.Actor" in _classes_of(found):
            self._inside(found, "fn")
        else:
            return False
        return True

    def _shared(self, proxy: Any) -> None:
        """Wrap the task that a shared one stands for at present, unless it was wrapped before."""
        with suppress(Exception):  # as long as there is none
            self._inside(proxy._get_current_object(), "_orig_run", "run")

    def _inside(self, holder: Any, *names: str) -> None:
        name = next(one for one in names if hasattr(holder, one) or one == names[-1])
        function = getattr(holder, name, None)
        if not callable(function):
            self.complain(_untouched(self.path, holder))
        elif not any(one is holder for one in self._holders):
            self._holders.append(holder)
            setattr(holder, name, self._around(function, bound=False))
            self._done()

    def _wrapped(self, owner: Any, name: str, raw: Any) -> Any:
        if isinstance(raw, (staticmethod, classmethod)):
            function = raw.__func__
            return type(raw)(self._around(function, bound=isinstance(raw, classmethod)))
        found = raw if inspect.isclass(owner) else getattr(owner, name)
        if inspect.isclass(found):
            raise TypeError(f"{self.path} is a class: name one of its methods, as in {self.path}.save")
        if not callable(found):
            raise TypeError(f"{self.path} is no function, but {type(found).__name__}")
        if not inspect.isroutine(found):
            raise TypeError(_untouched(self.path, found))
        if inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
            raise TypeError(f"{self.path} is a generator, which has no moment of return")
        return self._around(found, bound=inspect.isclass(owner))

    def _rebind(self, raw: Any, wrapped: Any) -> None:
        """Put it where others have imported it by name before: in a process that was forked, and so came late."""
        if not inspect.isfunction(raw):
            return
        for module in list(sys.modules.values()):
            space = getattr(module, "__dict__", None)
            if isinstance(space, dict) and module.__name__ != __name__:
                for name, value in list(space.items()):
                    if value is raw:
                        space[name] = wrapped

    def _around(self, function: Callable[..., Any], *, bound: bool) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                key = self._key(function, args, kwargs, bound)
                value = await function(*args, **kwargs)
                self._effect(key)
                return value

            return later

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            key = self._key(function, args, kwargs, bound)
            value = function(*args, **kwargs)
            if inspect.isawaitable(value):
                return self._awaited(value, key)
            self._effect(key)
            return value

        return call

    async def _awaited(self, value: Any, key: Any) -> Any:
        result = await value
        self._effect(key)
        return result

    def _effect(self, key: Any) -> None:
        if key is None:
            return
        path = os.environ.get(_FILE)
        if not path:
            return
        try:
            self._probe._effect(path, key)
        except (TypeError, ValueError, OSError) as error:
            self.complain(str(error))

    def _key(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], bound: bool
    ) -> Any:
        """What names the message, looked up before the call: it may change its arguments."""
        try:
            given = self._arguments(function, args, kwargs)
            if bound:
                given = dict(list(given.items())[1:])
            key = self._first(given) if self.key is None else _find(self.key, given)
        except Exception as error:
            self.complain(f"{self.path}: its arguments could not be read: {type(error).__name__}: {error}")
            return None
        plain = key if isinstance(key, _PLAIN) and not isinstance(key, bool) else None
        if key is not None and plain is None and type(key).__name__ in ("UUID", "Decimal"):
            plain = str(key)
        if plain is None:
            self.complain(self._unkeyed(key, list(given)))
        return plain

    def _unkeyed(self, key: Any, names: list[str]) -> str:
        arguments = ", ".join(names) or "none"
        if self.key is None:
            return f"{self.path}: say by effect_key= what names the message: its arguments are {arguments}"
        if key is None:
            return f"{self.path}: effect_key={self.key!r} is no argument and no field of one; there are: {arguments}"
        return f"{self.path}: effect_key={self.key!r} is {type(key).__name__}, not text or a number"

    @staticmethod
    def _arguments(
        function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # of C
            return {**{str(i): value for i, value in enumerate(args)}, **kwargs}
        try:
            found = signature.bind(*args, **kwargs)
        except TypeError:
            return dict(kwargs)  # the call itself will say so
        found.apply_defaults()
        given = dict(found.arguments)
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                given.update(given.pop(parameter.name, {}))
            elif parameter.kind is parameter.VAR_POSITIONAL:
                rest = given.pop(parameter.name, ())
                given.update({f"{parameter.name}[{i}]": value for i, value in enumerate(rest)})
        return given

    @staticmethod
    def _first(given: Mapping[str, Any]) -> Any:
        first = next(iter(given.values()), None)
        return first if isinstance(first, _PLAIN) or type(first).__name__ == "UUID" else None


def _class_of(found: Any) -> str:
    """The name of an object's own class: a stand-in of Celery's would say that of what it stands for."""
    return f"{type(found).__module__}.{type(found).__name__}"


def _classes_of(found: Any) -> list[str]:
    return [f"{one.__module__}.{one.__name__}" for one in type(found).__mro__]


def _untouched(path: str, found: Any) -> str:
    """Why an object is left as it is: in its place a function would lack all that the object has besides."""
    article = "an" if type(found).__name__[:1] in "AEIOUaeiou" else "a"
    return (
        f"{path} is {article} {type(found).__name__}, no function, and what calls it need not come by that name: "
        "name the function inside, or probe.effect(id)"
    )


def _find(key: str, given: Mapping[str, Any]) -> Any:
    """The argument of that name, or the field of the first argument that has it: of a dict, an object, a JSON body."""
    if key in given:
        inner = _field(key, given[key])  # an argument may be called as its own field is
        return given[key] if inner is None else inner
    for value in given.values():
        found = _field(key, value)
        if found is not None:
            return found
    return None


def _field(key: str, value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, str)):
        if value.strip()[:1] not in (b"{", "{"):
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, (int, float, type(None))):
        return None
    found = getattr(value, key, None)
    return None if callable(found) else found
