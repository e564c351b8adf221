"""What happens when a host's hooks raise, or return, what they should not.

Their words are the host's, which no client, log or record is to repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from packyproxy.errors import AccessDenied, InvalidRequest
from packyproxy.runtime.hooks import Hooks
from packyproxy.testing.privacy.answers import canary_answer
from packyproxy.testing.privacy.canaries import careless_text
from packyproxy.testing.privacy.requests import SURFACES, Surface
from packyproxy.testing.privacy.stage import Scenario, ScenarioFailed, Stage

__all__ = ["HOOK_SCENARIOS"]

# The proxy holds on to its hooks, and they are looked at like everything that it holds on to. So they keep no
# more than the number of their owner, and find their words when they are called.
_Hook = Callable[[object], Any]


def _raising(owner: int, make: Callable[[str], BaseException]) -> _Hook:
    def hook(_: object) -> None:
        raise make(careless_text(owner))

    return hook


def _raising_later(owner: int, make: Callable[[str], BaseException]) -> _Hook:
    async def hook(_: object) -> None:
        await asyncio.sleep(0)
        raise make(careless_text(owner))

    return hook


def _saying(owner: int) -> _Hook:
    return lambda _: careless_text(owner)


def _forgetting(owner: int) -> _Hook:
    async def work(text: str) -> str:
        return text

    def hook(_: object) -> Awaitable[str]:
        return work(careless_text(owner))

    return hook


def _invalid(text: str) -> InvalidRequest:
    return InvalidRequest(text, field=text, code=text)


def _denied(text: str) -> AccessDenied:
    error = AccessDenied()
    error.add_note(text)
    return error


_DOORS: Final[Mapping[str, tuple[int, Callable[[int], _Hook]]]] = {
    "raises": (500, lambda owner: _raising(owner, ValueError)),
    "raises once it is awaited": (500, lambda owner: _raising_later(owner, ValueError)),
    "raises an error of ours": (500, lambda owner: _raising(owner, _invalid)),
    "raises a refusal": (500, lambda owner: _raising_later(owner, _denied)),
    "is cancelled": (500, lambda owner: _raising(owner, asyncio.CancelledError)),
    "returns a text": (401, _saying),
    "returns a text once it is awaited": (401, _forgetting),
}
"""What ``authorize`` may do besides its duty, and what its client is answered then."""

_LISTENERS: Final[Mapping[str, Callable[[int], _Hook]]] = {
    "raise": lambda owner: _raising(owner, ValueError),
    "raise an error of ours": lambda owner: _raising(owner, _invalid),
    "are cancelled": lambda owner: _raising(owner, asyncio.CancelledError),
    "return a text": _saying,
    "return what nobody awaits": _forgetting,
}
"""What ``on_route`` and ``on_usage`` may do besides theirs."""


def _guarded(surface: Surface, name: str) -> Scenario:
    status, make = _DOORS[name]

    async def play(stage: Stage) -> None:
        stage.proxy.runtime.hooks = Hooks(authorize=make(stage.owner))
        for path in (surface.path, surface.counting_path):
            if path is not None:
                reply = await stage.ask(path, surface.request(stage.owner))
                reply.must_be(status)
        if stage.first.requests:
            raise ScenarioFailed("somebody was let in")

    return Scenario(name=f"{surface.protocol}: authorize {name}", play=play)


def _heard(surface: Surface, name: str) -> Scenario:
    async def play(stage: Stage) -> None:
        hook = _LISTENERS[name](stage.owner)
        stage.proxy.runtime.hooks = Hooks(on_route=hook, on_usage=hook)
        for streams in (True, False) if surface.can_stream else (False,):
            fields = {"stream": streams} if surface.can_stream else {}
            reply = await stage.ask(surface.path, surface.request(stage.owner) | fields)
            reply.must_be(200)
            if reply.has_failed or reply.is_cut:
                raise ScenarioFailed("a hook has spoilt an answer")

    return Scenario(
        name=f"{surface.protocol}: on_route and on_usage {name}",
        play=play,
        first=lambda owner: [canary_answer(owner)],
    )


def _hooked() -> Iterator[Scenario]:
    for surface in SURFACES:
        yield from (_guarded(surface, name) for name in _DOORS)
        yield from (_heard(surface, name) for name in _LISTENERS)


HOOK_SCENARIOS: Final = tuple(_hooked())
"""Every protocol with every hook that says too much."""
