"""What providers taught us while running: what they refuse, so that the next request need not ask again.

Kept in memory until restart and bounded everywhere, since model names may come from clients. Times are Unix
seconds and always arguments. Reasoning is remembered as a digest only. Threads may share it: whatever one of
them finds, another may have taken out since.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from typing import TypeVar

from packyproxy.translate.contract import AttemptFacts

__all__ = ["Learned"]

_MAX_TARGETS = 1024
"""Pairs of provider and model; far more than anyone configures."""
_MAX_REASONING = 4096
_REASONING_SECONDS = 3600.0

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_NOTHING: frozenset[str] = frozenset()


class Learned:
    """The memory of refusals; providers are named by their id, so a new key or URL starts afresh."""

    def __init__(self) -> None:
        self._removed: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()
        self._efforts: OrderedDict[tuple[str, str], frozenset[str]] = OrderedDict()
        self._developer: OrderedDict[str, None] = OrderedDict()
        self._missing: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._reasoning: OrderedDict[bytes, float] = OrderedDict()

    def attempt_facts(
        self, provider_id: str, model: str, *, scope: str, now: float, path: str = "/responses"
    ) -> AttemptFacts:
        """Return what a first attempt at a target should know."""
        return AttemptFacts(
            removed_parameters=self._removed.get((provider_id, model), _NOTHING),
            is_refused_reasoning=self._refused_reasoning(scope, now),
            route_is_missing=(provider_id, path) in self._missing,
        )

    def remove_parameter(self, provider_id: str, model: str, parameter: str) -> None:
        """Remember that this model takes no such parameter here (wire-mapping 0.2)."""
        key = (provider_id, model)
        _remember(self._removed, key, self._removed.get(key, _NOTHING) | {parameter})

    def refuse_effort(self, provider_id: str, model: str, effort: str) -> None:
        """Remember that this model does not take an effort that its list allows (wire-mapping 1.6)."""
        key = (provider_id, model)
        _remember(self._efforts, key, self._efforts.get(key, _NOTHING) | {effort})

    def allowed_efforts(self, provider_id: str, model: str, efforts: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``efforts`` without the refused ones; all of them if none would be left."""
        refused = self._efforts.get((provider_id, model))
        return tuple(effort for effort in efforts if effort not in refused) or efforts if refused else efforts

    def use_developer(self, provider_id: str) -> None:
        """Remember that a provider refuses our ``instructions`` (wire-mapping 1.3)."""
        _remember(self._developer, provider_id, None)

    def uses_developer(self, provider_id: str) -> bool:
        """Tell whether system text goes to this provider as a developer message."""
        return provider_id in self._developer

    def miss_route(self, provider_id: str, path: str) -> None:
        """Remember that a provider does not have a path below its base URL (wire-mapping 7.4)."""
        _remember(self._missing, (provider_id, path), None)

    def refuse_reasoning(self, scope: str, encrypted: Iterable[str], now: float) -> None:
        """Remember for an hour that a scope could not decrypt these contents (wire-mapping 2.4)."""
        for content in encrypted:
            digest = _digest(scope, content)
            self._reasoning.pop(digest, None)
            self._reasoning[digest] = now + _REASONING_SECONDS
        while len(self._reasoning) > _MAX_REASONING:
            self._reasoning.popitem(last=False)

    def _refused_reasoning(self, scope: str, now: float) -> Callable[[str], bool] | None:
        """Return the test for one scope, or None while nothing is remembered, which spares the digests."""
        if not self._reasoning:
            return None

        def is_refused(encrypted: str) -> bool:
            digest = _digest(scope, encrypted)
            expires_at = self._reasoning.get(digest)
            if expires_at is None:
                return False
            if expires_at <= now:
                self._reasoning.pop(digest, None)
                return False
            with suppress(KeyError):
                self._reasoning.move_to_end(digest)
            return True

        return is_refused


def _remember(memory: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Put a value in, and the oldest out where there are too many."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _MAX_TARGETS:
        memory.popitem(last=False)


def _digest(scope: str, encrypted: str) -> bytes:
    return sha256(f"{scope}\0{encrypted}".encode()).digest()
