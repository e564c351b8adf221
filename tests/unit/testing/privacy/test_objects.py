"""What a proxy holds on to: what of it is reached, and what of that is looked at."""

import asyncio
from collections import deque
from functools import partial

import pytest
from msgspec import Struct

from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.testing.privacy.canaries import canary_text
from packyproxy.testing.privacy.objects import look_at_objects, reachable
from packyproxy.testing.privacy.watch import Watch

WORD = canary_text("user text", 2)


class Holder(Struct):
    """Holds something, and shows it."""

    held: object


class OfOurs(Holder):
    """As if it were a type of packyproxy."""


OfOurs.__module__ = "packyproxy.test"


def closure(held: object) -> object:
    return lambda: held


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda word: [word], id="list"),
        pytest.param(lambda word: {"a": {word: 1}}, id="key"),
        pytest.param(lambda word: deque([(word,)]), id="deque"),
        pytest.param(Holder, id="struct"),
        pytest.param(closure, id="closure"),
        pytest.param(lambda word: partial(print, word), id="partial"),
        pytest.param(lambda word: Holder(word.encode()), id="bytes"),
    ],
)
def test_texts_are_reached_wherever_they_are_held(wrap: object) -> None:
    """In containers, structs, closures, and as bytes."""
    assert callable(wrap)
    watch = Watch()
    look_at_objects(watch, wrap(WORD))
    assert {("memory", "user text")} == {(seen.place, seen.kind) for seen in watch.sightings}


async def test_an_event_loop_is_no_way_on() -> None:
    """From it one gets to everything that goes on in the process, whoever holds it."""
    watch = Watch()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(60, print, WORD)
    look_at_objects(watch, [loop])
    timer.cancel()
    assert [] == list(watch.sightings)


def test_objects_of_ours_are_shown() -> None:
    """Their ``repr`` must not say what they hold; that of others is not ours."""
    watch = Watch()
    look_at_objects(watch, [OfOurs(Shown()), Holder(Shown())])
    assert {"objects"} == {seen.place for seen in watch.sightings}
    assert 1 == watch.looks["objects"]


class Shown:
    """Something whose ``repr`` says too much."""

    def __repr__(self) -> str:
        return WORD


def test_secrets_do_not_show_themselves() -> None:
    """They are held for as long as they are configured, and masked wherever they are shown."""
    watch = Watch()
    key = canary_text("provider key", 2)
    look_at_objects(watch, [Secret(key), HeaderMap({"x-key": key})])
    assert (2, set()) == (watch.looks["objects"], watch.sightings)


def test_code_is_left_out() -> None:
    """From modules and types one gets to everything that the process has."""
    found = list(reachable([pytest, Holder, test_code_is_left_out, len, "text"]))
    assert not {id(pytest), id(Holder), id(WORD)} & set(map(id, found))
    assert "text" in found


def test_a_part_can_be_left_out() -> None:
    """With whatever is reached through it alone."""
    part = [WORD]
    watch = Watch()
    look_at_objects(watch, {"a": part}, without=part)
    assert set() == watch.sightings
