"""Leaks on purpose, one in every place: a watcher that overlooks its own is blind, and proves nothing."""

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any, Self

import httpx

from packyproxy.errors import ConfigError, Problem
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing.privacy.canaries import canary_text
from packyproxy.testing.privacy.stage import MakeProxy, Proxy, Scenario, Stage
from packyproxy.usage.records import AttemptRecord

__all__ = ["PLANTED", "leaking", "unheard"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_log = logging.getLogger("packyproxy")


def leaking(make_proxy: MakeProxy) -> MakeProxy:
    """Return what makes a proxy that puts a canary into every answer, and into every error of a reload."""

    def make(config: str | Mapping[str, object], /, *, transport: httpx.AsyncBaseTransport) -> Proxy:
        return _Leaking(make_proxy(config, transport=transport))

    return make


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Let nobody but the watchers hear of the planted leaks."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(record=True),
    ):
        yield


def _word(owner: int) -> str:
    """Return a canary that belongs to nobody who is asked."""
    return canary_text("user text", owner + 1)


class _Leaking:
    """A proxy that talks."""

    word = ""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    @property
    def runtime(self) -> Runtime:
        return self._proxy.runtime

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send, /) -> None:
        async def send_more(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-leak", self.word.encode())]
            await send(message)

        await self._proxy(scope, receive, send_more)

    async def reload(self) -> object:
        raise ConfigError((Problem(field="host", code="wrong", message=self.word, fix="none"),))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class _Talker:
    """An object that shows what it holds."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __repr__(self) -> str:
        return self._word


async def _leak(stage: Stage) -> None:
    word = _word(stage.owner)
    proxy = stage.proxy
    assert isinstance(proxy, _Leaking)
    proxy.word = word
    _log.debug("a planted leak", extra={"planted": word})
    warnings.warn(word, stacklevel=1)
    sys.stdout.write(word)
    sys.audit("socket.connect", None, ("192.0.2.1", 1))
    stage.proxy.runtime.recorder.telemetry.attempt_ended(_record(word), base_url="http://first.test")
    vars(proxy)["talker"] = _Talker(word)
    await stage.save(f"# {word}\n")
    await stage.reload()
    await stage.ask("/healthz", method="GET")


def _record(word: str) -> AttemptRecord:
    return AttemptRecord(
        request_id=word,
        protocol="messages",
        provider=word,
        provider_id=word,
        model=word,
        is_streaming=True,
        sent_at=0.0,
        duration_seconds=1.0,
    )


PLANTED = Scenario(name="planted", play=_leak)
"""To be played with what :func:`leaking` makes."""
