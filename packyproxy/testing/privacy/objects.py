"""Look at everything that a proxy holds on to: what it shows of itself, and what it has kept."""

import gc
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType, NoneType

from packyproxy.testing.privacy.canaries import Canary
from packyproxy.testing.privacy.watch import Watch

__all__ = ["KEPT_CONTENT", "look_at_objects", "reachable"]

KEPT_CONTENT = frozenset({"tool name", "tool description", "tool schema", "unknown model", "client version"})
"""What outlives its request, in memory only: tool lists, which agents repeat at every turn; names of models
that were asked for; of the Codex CLI, the version that asked for a list of models last."""

_CONFIGURED = frozenset({"client key", "provider key", "provider header", "proxy password", "management key"})
_MOST_OBJECTS = 200_000
_SHORTEST = 12
"""No canary is shorter, in no writing."""
_NUMBERS = frozenset({int, float, bool, NoneType})
_BETWEEN = "\n"
_LEFT_OUT = (type, ModuleType, CodeType, FrameType, BuiltinFunctionType, AbstractEventLoop)
"""From these one gets to the whole process."""


def look_at_objects(watch: Watch, root: object, *, without: object = None) -> None:
    """Look at the ``repr`` of every object of ours that can be reached, and at every text among them.

    Args:
        watch: what is told.
        root: where to begin.
        without: is left out, with what can be reached through it alone.
    """
    texts: list[str] = []
    shown: list[str] = []
    for each in reachable(root, without=without):
        if isinstance(each, str | bytes):
            if len(each) >= _SHORTEST:
                texts.append(each if isinstance(each, str) else each.decode("latin-1"))
        elif type(each).__module__.startswith("packyproxy."):
            shown.append(repr(each))
    watch.see("memory", _BETWEEN.join(texts), allows=_may_be_kept, count=len(texts))
    watch.see("objects", _BETWEEN.join(shown), count=len(shown))


def reachable(root: object, *, without: object = None) -> Iterator[object]:
    """Yield what an object refers to, directly or not, up to a limit; without code, modules and numbers."""
    known = {id(root), id(without)}
    waiting = deque([root])
    yield root
    while waiting and len(known) < _MOST_OBJECTS:
        for each in _referents(waiting.popleft()):
            kind = type(each)
            if kind in _NUMBERS or id(each) in known or isinstance(each, _LEFT_OUT):
                continue
            known.add(id(each))
            yield each
            if kind is not str and kind is not bytes:
                waiting.append(each)


def _referents(each: object) -> Iterable[object]:
    if isinstance(each, FunctionType):
        return each.__closure__ or ()  # its globals are its module's
    if isinstance(each, dict):
        return chain(each, gc.get_referents(each))  # keys that are texts are not told
    return gc.get_referents(each)


def _may_be_kept(canary: Canary) -> bool:
    return canary.kind in KEPT_CONTENT or canary.kind in _CONFIGURED
