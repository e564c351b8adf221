"""Read what py-spy recorded: how much of the samples each layer and each function has.

One line of a recording is a stack, outermost first, and how often it was seen:
``main (packyproxy/cli/main.py:28);...;feed (packyproxy/transcode.py:90) 7``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

__all__ = ["EVENT_LOOP", "Profile", "read_profile"]

EVENT_LOOP = "event loop"
"""What is below no frame of anybody: the loop itself, and the sockets it reads."""

_LAYERS = {
    "server": ("hypercorn", "h11", "h2", "hpack", "wsproto", "priority", "uvicorn", "granian", "starlette"),
    "HTTP client": ("aiohttp", "httpx", "yarl", "multidict", "propcache", "async_timeout", "aiosignal"),
    "pump": ("pump.py", "served.py"),
}
_LAYER_OF = {package: layer for layer, packages in _LAYERS.items() for package in packages}
_FRAME = re.compile(r"(?P<function>.*) \((?P<file>[^()]*?)(?::\d+)?\)")
_RUNNER = "asyncio/runners.py"


class Profile(Struct, frozen=True):
    """Shares of all samples."""

    layers: Mapping[str, float]
    """By who was at work; the standard library works for whoever called it."""
    own: Mapping[str, float]
    """By function, without those that it called."""
    whole: Mapping[str, float]
    """By function, with those that it called."""


def read_profile(lines: Iterable[str]) -> Profile:
    """Return the shares in a recording in py-spy's raw format."""
    layers, own, whole = Counter[str](), Counter[str](), Counter[str]()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames, seen = _below_runner([_frame(text) for text in stack.split(";")]), int(count)
        names = [f"{function} ({file})" for function, file in frames]
        layers[_layer(frames)] += seen
        own[names[-1]] += seen
        for name in set(names):
            whole[name] += seen
    return Profile(
        *({name: seen / own.total() for name, seen in found.items()} for found in (layers, own, whole))
    )


def _frame(text: str) -> tuple[str, str]:
    found = _FRAME.fullmatch(text)
    return (found["function"], found["file"]) if found else (text, "")


def _below_runner(frames: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the frames from the running of the loop on: what started it says nothing."""
    runner = next((place for place, (_, file) in enumerate(frames) if file == _RUNNER), 0)
    return frames[runner:]


def _layer(frames: list[tuple[str, str]]) -> str:
    """Return the layer of the innermost frame that has one."""
    for _, file in reversed(frames):
        first, *folders = file.split("/")
        if first == "packyproxy":
            return "/".join((first, *folders[:-1][:2])) if len(folders) > 1 else file
        if first in _LAYER_OF:
            return _LAYER_OF[first]
    return EVENT_LOOP
