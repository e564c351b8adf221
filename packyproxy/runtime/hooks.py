"""What a host may hook into: who is let in, whom a request goes to, and what it came to.

Hooks are called in the context of their request: what ``authorize``, or a middleware of the host's, puts
into a context variable, the other two find there. Only ``authorize`` may take its time: what takes the others
long is theirs to hand on.

A hook that fails is logged by its error's type and place, never by its text. If it was ``authorize`` nobody
is let in; if it was one of the others the request goes on as if there were none.
"""

import asyncio
import inspect
import logging
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, Final, TypeAlias, cast

from msgspec import Struct

from packyproxy.errors import PackyProxyError
from packyproxy.usage.records import RequestRecord

__all__ = ["Authorize", "Hooks", "OnRoute", "OnUsage", "RouteDecision"]

_log = logging.getLogger("packyproxy")

_QUIET_SECONDS: Final = 60.0
"""Between two lines about the same hook; what fails once, mostly fails with every request."""
_MOST_FRAMES: Final = 6


class RouteDecision(Struct, frozen=True, kw_only=True):
    """Who is asked next for a request, and as what; names and numbers, no content."""

    request_id: str
    """The answer's ``x-request-id``, and the ``request_id`` of the :class:`RequestRecord` that follows."""
    protocol: str
    """What the client speaks: a name of ``translate.protocols.PROTOCOLS``."""
    requested_model: str
    """In the client's own words; ``""`` where it named none."""
    number: int
    """1 for who is asked first, 2 for who is asked then, and so on."""
    provider: str
    model: str
    """The upstream's model id; ``""`` where none is named."""
    effort: str | None
    """The reasoning effort that is asked for; None where none is sent."""
    reasons: tuple[str, ...]
    """How the requested model led to this one, step by step, as ``packyproxy explain`` says it."""
    candidates: tuple[str, ...]
    """Every provider that this request may go to, in the order in which they are asked if those before fail;
    those that rest or are shut at this moment are left out."""
    after_failure: str | None = None
    """A value of :class:`~packyproxy.errors.FailureKind`: what the one before failed with. None for who is
    asked first, and for a hedge."""
    is_hedge: bool = False
    """Whether somebody else is asked already, who is slow and may still answer."""


Authorize: TypeAlias = Callable[[dict[str, Any]], bool | Awaitable[bool]]
"""Given the ASGI scope of a request for a model, for the list of models, or for metrics from elsewhere than
this machine, with whatever the host has put there; lets it in by ``True`` and nothing else. Called before the
body is read; where the configuration has client keys, only for who has shown one."""

OnRoute: TypeAlias = Callable[[RouteDecision], None]
"""Given a decision just before it is carried out: once for each provider that a request turns to, not for
repeats at the same one."""

OnUsage: TypeAlias = Callable[[RequestRecord], None]
"""Given what a request came to, once it has ended, whatever its end was; an answer that a provider gave has
been sent by then. Requests that were turned away before their body was there (no key, too large) are none."""


class Hooks:
    """Those that a host has set.

    Args:
        authorize: lets requests in; may be a coroutine function.
        on_route: told who is asked.
        on_usage: told what came of it.
        clock: seconds that never go back; the log's limit counts by it.

    Raises:
        TypeError: a hook cannot be called, takes other arguments, or is a coroutine function where nobody
            would wait for it.
    """

    def __init__(
        self,
        *,
        authorize: Authorize | None = None,
        on_route: OnRoute | None = None,
        on_usage: OnUsage | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check("authorize", authorize, takes="the ASGI scope", is_awaited=True)
        _check("on_route", on_route, takes="a RouteDecision")
        _check("on_usage", on_usage, takes="a RequestRecord")
        self.authorize = authorize
        self.on_route = on_route
        self.on_usage = on_usage
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}
        """Of hooks that have failed: when it was logged last, and how often they have since."""

    async def lets_in(self, scope: dict[str, Any]) -> bool:
        """Ask ``authorize``; everybody may come in without one.

        Raises:
            Exception: what it has raised; an error of packyproxy's, or a cancellation of something else than
                this task, as a RuntimeError, for either would mean something here.
        """
        if self.authorize is None:
            return True
        try:
            answer = self.authorize(scope)
            if not isinstance(answer, bool) and inspect.isawaitable(answer):
                answer = await answer
        except (PackyProxyError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                raise
            raised = RuntimeError(f"authorize raised {type(error).__name__}")
            raise raised.with_traceback(error.__traceback__) from error
        return answer is True

    def route(self, decision: RouteDecision) -> None:
        """Tell ``on_route``, if there is one; never raises."""
        if self.on_route is not None:
            self._tell("on_route", self.on_route, decision)

    def usage(self, record: RequestRecord) -> None:
        """Tell ``on_usage``, if there is one; never raises."""
        if self.on_usage is not None:
            self._tell("on_usage", self.on_usage, record)

    def _tell(self, name: str, hook: OnRoute | OnUsage, fact: RouteDecision | RequestRecord) -> None:
        try:
            returned = cast("Callable[[object], object]", hook)(fact)
        # Nothing is awaited here, so a cancellation is of something that the hook has asked for its result.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the host's; its request goes on
            self._complain(name, fact.request_id, type(error).__name__, _place(error))
        else:
            if returned is not None and _is_left_undone(returned):
                self._complain(name, fact.request_id, f"unawaited {type(returned).__name__}", "its return")

    def _complain(self, name: str, request_id: str, error: str, where: str) -> None:
        """Log that a hook has failed, or count it where that was logged a moment ago."""
        now = self._clock()
        with self._lock:
            said_at, unsaid = self._said.get(name, (-inf, 0))
            count = unsaid + 1
            is_due = now - said_at >= _QUIET_SECONDS
            self._said[name] = (now, 0) if is_due else (said_at, count)
        if is_due:
            _log.error(
                "the host's hook %s failed: %s at %s%s",
                name,
                error,
                where,
                "" if count == 1 else f" ({count} times since it was said last)",
                extra={
                    "event": "hook_failed",
                    "hook": name,
                    "request_id": request_id,
                    "error": error,
                    "where": where,
                    "count": count,
                },
            )


def _check(name: str, hook: object, *, takes: str, is_awaited: bool = False) -> None:
    """Refuse what could only fail later."""
    if hook is None:
        return
    if not callable(hook):
        raise TypeError(f"{name} must be callable, not {type(hook).__name__}")
    kinds = (hook, hook.__call__)
    if not is_awaited and any(map(inspect.iscoroutinefunction, kinds)):
        raise TypeError(
            f"{name} must be a plain function: a request does not wait for it, so hand on what does"
        )
    if any(map(inspect.isgeneratorfunction, kinds)) or any(map(inspect.isasyncgenfunction, kinds)):
        raise TypeError(f"{name} must return, not yield")
    try:
        signature = inspect.signature(hook)
    except (TypeError, ValueError):
        return  # a built-in function that does not tell
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"{name} must take one argument: {takes}") from error


def _is_left_undone(returned: object) -> bool:
    """Tell whether a hook has returned work that nobody will do; what was scheduled already is none."""
    if inspect.iscoroutine(returned):
        returned.close()  # else the interpreter complains in a place that tells nothing
        return True
    return inspect.isawaitable(returned) and not asyncio.isfuture(returned)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _place(error: BaseException) -> str:
    """Return where an error was raised, the innermost frame first; files and lines alone."""
    frames = [
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return " < ".join(reversed(frames[-_MOST_FRAMES:]))
