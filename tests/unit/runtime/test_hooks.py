"""Hooks as they are set and called: what is refused at once, what is logged, and how often."""

import asyncio
import functools
import gc
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.runtime.hooks import Hooks
from packyproxy.runtime.runtime import Runtime
from tests.support.records import request

CANARY = "canary-77aa"


def one(_: object) -> None:
    """Take one argument."""


async def later(_: object) -> None:
    """Take one argument, and be awaited."""


def nothing() -> None:
    """Take no argument."""


def pieces(_: object) -> Any:
    yield


async def pieces_later(_: object) -> Any:
    yield


class Callee:
    """Can be called without being a function."""

    def __call__(self, _: object) -> None:
        """Take one argument."""


class LaterCallee:
    """Can be called, and has to be awaited then."""

    async def __call__(self, _: object) -> None:
        """Take one argument, and be awaited."""


@pytest.mark.parametrize(
    "hook",
    [one, Callee(), Callee().__call__, functools.partial(one), [].append, {}.update, lambda *_: None],
    ids=["function", "object", "method", "partial", "built-in", "built-in of any arguments", "lambda"],
)
@pytest.mark.parametrize("name", ["authorize", "on_route", "on_usage"])
def test_whatever_takes_one_argument_will_do(name: str, hook: Any) -> None:
    """Functions, methods, objects; what a built-in function takes need not be known."""
    assert hook is getattr(Hooks(**{name: hook}), name)


@pytest.mark.parametrize(
    ("name", "hook", "text"),
    [
        ("authorize", True, "authorize must be callable, not bool"),
        ("on_route", "log", "on_route must be callable, not str"),
        ("on_usage", [], "on_usage must be callable, not list"),
        ("authorize", nothing, "authorize must take one argument: the ASGI scope"),
        ("on_route", nothing, "on_route must take one argument: a RouteDecision"),
        ("on_usage", nothing, "on_usage must take one argument: a RequestRecord"),
        ("on_route", later, "on_route must be a plain function"),
        ("on_usage", later, "on_usage must be a plain function"),
        ("on_usage", functools.partial(later), "on_usage must be a plain function"),
        ("on_usage", LaterCallee(), "on_usage must be a plain function"),
        ("authorize", pieces, "authorize must return, not yield"),
        ("authorize", pieces_later, "authorize must return, not yield"),
    ],
    ids=lambda value: "" if isinstance(value, str) else getattr(value, "__name__", type(value).__name__),
)
def test_what_could_only_fail_later_is_refused(name: str, hook: Any, text: str) -> None:
    """At once, where the host sets it, in words that say what is wrong."""
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        Runtime({}, **{name: hook})


@pytest.mark.parametrize("hook", [later, LaterCallee()], ids=["function", "object"])
def test_authorize_may_be_awaited(hook: Any) -> None:
    """It is the one whose answer is waited for."""
    assert hook is Hooks(authorize=hook).authorize


async def test_without_a_hook_everybody_is_let_in() -> None:
    """As without a client key."""
    assert await Hooks().lets_in({})


def test_without_a_hook_nobody_is_told(failed: Callable[[], list[dict[str, Any]]]) -> None:
    """And nothing is wrong with that."""
    Hooks().usage(request())
    Hooks().route(request())  # type: ignore[arg-type] # nobody looks at it
    assert [] == failed()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def fail(_: object) -> None:
    raise ValueError(CANARY)


@pytest.fixture
def failed(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """Return a function that gives the facts of each line about a hook."""
    caplog.set_level(logging.DEBUG, "packyproxy")
    return lambda: [vars(each) for each in caplog.records if vars(each)["event"] == "hook_failed"]


def test_a_failure_is_said_once_a_minute(failed: Callable[[], list[dict[str, Any]]]) -> None:
    """The first at once; those of the next minute are counted in the first line after it."""
    clock = Clock()
    hooks = Hooks(on_usage=fail, clock=clock)
    for seconds in (0, 0, 59.9, 0.2, 0, 60):
        clock.now += seconds
        hooks.usage(request())
    assert [1, 3, 2] == [line["count"] for line in failed()]


def test_each_hook_has_a_minute_of_its_own(failed: Callable[[], list[dict[str, Any]]]) -> None:
    """What fails all the time does not hide what fails too."""
    hooks = Hooks(on_usage=fail, on_route=fail, clock=Clock())
    for _ in range(2):
        hooks.usage(request())
        hooks.route(request())  # type: ignore[arg-type] # any fact has a request's id
    assert ["on_usage", "on_route"] == [line["hook"] for line in failed()]


def test_a_line_says_where(
    failed: Callable[[], list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    """The innermost frame first, by file and line; never the error's text."""
    Hooks(on_usage=fail, clock=Clock()).usage(request(request_id="req_7"))
    (line,) = failed()
    expected = f"test_hooks.py:{fail.__code__.co_firstlineno + 1} < hooks.py:"
    assert line["where"].startswith(expected)
    assert ("ValueError", "req_7") == (line["error"], line["request_id"])
    text = caplog.records[0].getMessage()
    assert text.startswith(f"the host's hook on_usage failed: ValueError at {expected}")
    assert CANARY not in caplog.text


class Awaitable:
    """May be awaited, and does nothing before."""

    def __await__(self) -> Any:
        """Do something."""
        yield


def forget(record: object) -> Any:
    return later(record)


@pytest.mark.parametrize(
    ("returns", "error"),
    [
        (forget, "unawaited coroutine"),
        (lambda _: Awaitable(), "unawaited Awaitable"),
    ],
    ids=["coroutine", "awaitable"],
)
@pytest.mark.filterwarnings("error")
def test_what_nobody_awaits_is_said(
    failed: Callable[[], list[dict[str, Any]]], returns: Callable[[object], Any], error: str
) -> None:
    """A hook that only looks like a function is heard of; its coroutine ends without a warning."""
    Hooks(on_usage=returns, clock=Clock()).usage(request())
    gc.collect()
    assert [error] == [line["error"] for line in failed()]


@pytest.mark.parametrize("returned", [None, 1, "text", object()], ids=repr)
def test_what_is_returned_does_not_matter(
    failed: Callable[[], list[dict[str, Any]]], returned: object
) -> None:
    """Whatever a host's function has to say to others."""
    Hooks(on_usage=lambda _: returned).usage(request())  # type: ignore[arg-type] # on purpose
    assert [] == failed()


async def test_what_runs_already_is_no_failure(failed: Callable[[], list[dict[str, Any]]]) -> None:
    """A task or a future is under way, and its maker's."""
    tasks: list[asyncio.Task[None]] = []

    def start(record: object) -> asyncio.Task[None]:
        tasks.append(asyncio.ensure_future(later(record)))
        return tasks[-1]

    Hooks(on_usage=start).usage(request())  # type: ignore[arg-type] # what lambdas often return
    assert (False, []) == (tasks[0].cancelled(), failed())
    await tasks[0]
