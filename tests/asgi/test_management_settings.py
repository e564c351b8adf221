"""Single settings through the management API."""

from typing import Any

import pytest

from tests.support.management import Console

SETTINGS: tuple[tuple[str, str, Any, Any], ...] = (
    ("/tps-log", "tps-log", True, False),
    ("/request-log", "request-log", False, True),
    ("/debug", "debug", False, True),
    ("/request-retry", "request-retry", 0, 5),
    ("/routing/strategy", "strategy", "fill-first", "round-robin"),
    ("/api-keys", "api-keys", ["***6789"], ["***6789"]),
)
"""Route, name, value at first and another one; keys are shown masked."""

_table = pytest.mark.parametrize(
    ("route", "name", "first", "other"), [pytest.param(*row, id=row[0]) for row in SETTINGS]
)


@_table
async def test_get_answers_under_its_own_name(
    console: Console, route: str, name: str, first: Any, other: Any
) -> None:
    """The value in force, a default where the file does not have it."""
    assert {name: first} == await console.get(route)


@_table
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("is_named", [False, True], ids=["value", "own name"])
async def test_a_new_value_is_saved_and_answered(
    console: Console, method: str, route: str, name: str, first: Any, other: Any, *, is_named: bool
) -> None:
    """It may be sent as ``value`` or as it is answered, and it is in force at once."""
    answer = await console.answer(method, route, {name if is_named else "value": other})
    await console.proxy.reload()
    assert ({name: other}, {name: other}) == (answer, await console.get(route))


@_table
async def test_sending_back_what_was_shown_changes_nothing(
    console: Console, route: str, name: str, first: Any, other: Any
) -> None:
    """A default stays out of the file, and a mask keeps its key."""
    before = console.text
    await console.answer("PUT", route, await console.get(route))
    assert before == console.text


async def test_one_value_changes_in_the_file(console: Console) -> None:
    """Everything around it stays."""
    before = console.text
    await console.answer("PUT", "/request-retry", {"value": 5})
    assert before.replace("request-retry: 0", "request-retry: 5") == console.text


@pytest.mark.parametrize(
    ("route", "body", "expected"),
    [
        pytest.param("/tps-log", {"value": "yes"}, ("tps-log", "wrong_type"), id="word for a switch"),
        pytest.param("/debug", {"value": None}, ("debug", "null"), id="null"),
        pytest.param("/debug", {"debug": None}, ("debug", "null"), id="null under its name"),
        pytest.param("/request-retry", {"value": 101}, ("request-retry", "out_of_range"), id="too many"),
        pytest.param(
            "/request-retry", {"value": True}, ("request-retry", "wrong_type"), id="switch for a number"
        ),
        pytest.param("/request-retry", {"value": 1.0}, ("request-retry", "wrong_type"), id="fraction"),
        pytest.param(
            "/routing/strategy", {"value": "random"}, ("routing.strategy", "not_an_option"), id="unknown word"
        ),
        pytest.param("/api-keys", {"value": "sk-1"}, ("api-keys", "wrong_type"), id="key outside a list"),
        pytest.param("/api-keys", {"value": ["***abcd"]}, ("api-keys[0]", "masked"), id="mask of nothing"),
        pytest.param("/api-keys", {"value": [1]}, ("api-keys[0]", "wrong_type"), id="number for a key"),
        pytest.param("/debug", {}, ("debug", "missing"), id="nothing"),
        pytest.param("/debug", {"valeu": True}, ("debug", "missing"), id="another name"),
        pytest.param("/debug", {"value": True, "debug": True}, ("debug", "missing"), id="twice"),
        pytest.param("/debug", True, ("debug", "wrong_type"), id="bare value"),
        pytest.param("/api-keys", ["sk-1"], ("api-keys", "wrong_type"), id="bare list"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_invalid_values(
    console: Console, method: str, route: str, body: Any, expected: tuple[str, str]
) -> None:
    """422 with the place in the file, and nothing is saved or applied."""
    shown = await console.get(route)
    refusal = await console.refusal(method, route, body)
    (problem,) = refusal["problems"]
    assert (422, "invalid_value", expected) == (
        refusal["status"],
        refusal["error"],
        (problem["field"], problem["code"]),
    )
    assert shown == await console.get(route)


async def test_what_is_sent_is_not_quoted(console: Console) -> None:
    """A key in the wrong place does not come back."""
    refusal = await console.refusal("PUT", "/routing/strategy", {"value": "sk-wrong-place-0123456789"})
    assert "wrong-place" not in str(refusal)


async def test_new_keys_hold_for_the_next_request(console: Console) -> None:
    """A key that was taken away opens nothing any more, and a mask keeps another."""
    answer = await console.answer("PUT", "/api-keys", {"value": ["sk-another-abcdefgh", "***6789"]})
    assert ({"api-keys": ["***efgh", "***6789"]}, "packycode") == (answer, await console.ask())
    await console.answer("PUT", "/api-keys", {"value": ["***efgh"]})
    assert await console.ask() is None


async def test_a_stale_revision_loses(console: Console) -> None:
    """Who has seen the setting before somebody else's change must look again."""
    seen = (await console.call("GET", "/debug")).headers["etag"]
    await console.answer("PUT", "/request-retry", {"value": 1})
    refusal = await console.refusal("PUT", "/debug", {"value": True}, headers={"if-match": seen})
    assert (409, "conflict") == (refusal["status"], refusal["error"])
