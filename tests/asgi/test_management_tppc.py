"""The further providers through the management API."""

import asyncio
from typing import Any

import pytest

from tests.support.management import KEYS, Console

C: dict[str, Any] = {"name": "c", "enabled": True, "base-url": "http://c.test/v1", "api-key": KEYS["c"]}


def names(answer: Any) -> dict[str, bool]:
    """Return the providers of an answer, and whether they are enabled."""
    return {entry["name"]: entry["enabled"] for entry in answer["tppc"]["providers"]}


async def test_get_shows_every_entry(console: Console) -> None:
    """In the order of the file, disabled and unfinished ones included, keys masked."""
    found = [
        (entry["name"], entry["enabled"], entry["api-key"])
        for entry in (await console.get("/tppc"))["tppc"]["providers"]
    ]
    assert [("b", False, "***6789"), ("unfinished", False, "")] == found


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "bare"])
async def test_sending_back_what_was_shown_changes_nothing(
    console: Console, method: str, *, is_wrapped: bool
) -> None:
    """Masks keep their secrets, and the file stays as it is to the byte."""
    before = console.text
    shown = await console.get("/tppc")
    again = await console.answer(method, "/tppc", shown if is_wrapped else shown["tppc"])
    assert (before, shown) == (console.text, again)


@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "bare"])
@pytest.mark.parametrize("name", ["b", "B"])
async def test_patch_enables_one_by_naming_it(console: Console, name: str, *, is_wrapped: bool) -> None:
    """The others, and everything else of it, stay; it is asked when the first one cannot serve."""
    before = console.text
    change: dict[str, Any] = {"providers": [{"name": name, "enabled": True}]}
    answer = await console.answer("PATCH", "/tppc", {"tppc": change} if is_wrapped else change)
    assert {"b": True, "unfinished": False} == names(answer)
    assert before.replace(
        "enabled: false                    # the", "enabled: true                     # the"
    ) == (console.text)
    await console.answer("PATCH", "/packycode", {"enabled": False})
    assert "b" == await console.ask()


async def test_patch_adds_who_is_new(console: Console) -> None:
    """A name that is not known is another provider, at the end of the list."""
    answer = await console.answer("PATCH", "/tppc", {"providers": [C]})
    assert {"b": False, "unfinished": False, "c": True} == names(answer)


async def test_put_replaces_the_list(console: Console) -> None:
    """Who is not in it is gone; who is keeps what a mask stands for."""
    kept = {**C, "name": "b", "base-url": "http://b.test/v1", "api-key": "***6789"}
    answer = await console.answer("PUT", "/tppc", {"providers": [C, kept]})
    assert {"c": True, "b": True} == names(answer)
    assert [KEYS["c"], KEYS["b"]] == [
        provider.api_key.reveal()
        for provider in console.proxy.runtime.snapshot.config.providers
        if provider.kind == "tppc" and provider.api_key
    ]


async def test_put_of_an_empty_list_removes_all(console: Console) -> None:
    """It says so itself."""
    assert {} == names(await console.answer("PUT", "/tppc", {"providers": []}))


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        pytest.param("PUT", {}, [("tppc.providers", "missing")], id="put without a list"),
        pytest.param("PATCH", {}, [("tppc.providers", "missing")], id="patch without a list"),
        pytest.param("PUT", [C], [("tppc", "wrong_type")], id="list alone"),
        pytest.param("PUT", {"providers": {}}, [("tppc.providers", "wrong_type")], id="no list"),
        pytest.param(
            "PATCH",
            {"providers": [{"name": "unfinished", "enabled": True, "base-url": "x"}]},
            [("tppc.providers[1].api-key", "missing"), ("tppc.providers[1].base-url", "invalid")],
            id="enabling an unfinished one",
        ),
        pytest.param(
            "PATCH",
            {"providers": [{**C, "name": "PackyCode"}]},
            [("tppc.providers[2].name", "duplicate_name")],
            id="name that is taken",
        ),
        pytest.param(
            "PUT",
            {"providers": [{**C, "api-key": "***6789"}]},
            [("tppc.providers[0].api-key", "masked")],
            id="mask under another name",
        ),
    ],
)
async def test_invalid_lists(
    console: Console, method: str, body: Any, expected: list[tuple[str, str]]
) -> None:
    """422 with every problem at its place in the file, and nothing is saved or applied."""
    shown = await console.get("/tppc")
    refusal = await console.refusal(method, "/tppc", body)
    found = sorted((problem["field"], problem["code"]) for problem in refusal["problems"])
    assert (422, "invalid_tppc", expected) == (refusal["status"], refusal["error"], found)
    assert shown == await console.get("/tppc")


async def test_concurrent_additions_all_hold(console: Console) -> None:
    """Each finds the list as the one before left it."""
    new = [{**C, "name": f"c{number}"} for number in range(4)]
    await asyncio.gather(*(console.answer("PATCH", "/tppc", {"providers": [entry]}) for entry in new))
    found = names(await console.get("/tppc"))
    assert {"b", "unfinished", "c0", "c1", "c2", "c3"} == found.keys()
