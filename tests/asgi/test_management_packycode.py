"""The ``packycode`` block through the management API."""

import asyncio
from typing import Any

import pytest

from packyproxy.testing import Fault
from tests.support.management import KEYS, Console

KEY_FIELD = "packycode.credentials.openai-api-key"


def problems_of(refusal: dict[str, Any]) -> list[tuple[str, str]]:
    """Return field and code of each problem."""
    return [(problem["field"], problem["code"]) for problem in refusal["problems"]]


async def test_get_shows_the_block_in_force(console: Console) -> None:
    """With every key, its secret masked, and where each value came from."""
    block = (await console.get("/packycode"))["packycode"]
    shown = {
        name: block[name] for name in ("enabled", "base-url", "credentials", "effective-source", "sources")
    }
    assert {
        "enabled": True,
        "base-url": "http://packycode.test/v1",
        "credentials": {"openai-api-key": "***6789"},
        "effective-source": "config.yaml",
        "sources": dict.fromkeys(("enabled", "base-url", "credentials.openai-api-key"), "config.yaml"),
    } == shown
    assert {"model": "gpt-5", "model-reasoning-effort": "high", "small-model": ""} == block["defaults"]


async def test_get_without_a_block_shows_the_defaults(console: Console) -> None:
    """Disabled, and with nothing that anybody gave."""
    console.path.write_text("{}")
    await console.proxy.reload()
    block = (await console.get("/packycode"))["packycode"]
    assert (False, "", None) == (block["enabled"], block["base-url"], block["effective-source"])


async def test_put_makes_a_block_where_there_is_none(console: Console) -> None:
    """A new provider serves the next request."""
    console.path.write_text("request-retry: 0\n")
    await console.proxy.reload()
    new = {
        "enabled": True,
        "base-url": "http://packycode.test/v1",
        "credentials": {"openai-api-key": KEYS["packycode"]},
    }
    block = (await console.answer("PUT", "/packycode", new))["packycode"]
    assert (True, "packycode") == (block["enabled"], await console.ask())


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "bare"])
async def test_sending_back_what_was_shown_changes_nothing(
    console: Console, method: str, *, is_wrapped: bool
) -> None:
    """Masks keep their secrets, read-only keys are ignored, and the file stays as it is to the byte."""
    before = console.text
    shown = await console.get("/packycode")
    again = await console.answer(method, "/packycode", shown if is_wrapped else shown["packycode"])
    assert (before, shown) == (console.text, again)


@pytest.mark.parametrize("is_wrapped", [True, False], ids=["wrapped", "bare"])
async def test_patch_changes_what_was_sent_alone(console: Console, *, is_wrapped: bool) -> None:
    """Comments, order and everything else stay; the answer is the block as it is then."""
    before = console.text
    change: dict[str, Any] = {"enabled": False, "defaults": {"model-reasoning-effort": "low"}}
    body = {"packycode": change} if is_wrapped else change
    block = (await console.answer("PATCH", "/packycode", body))["packycode"]
    assert (False, "low", "***6789") == (
        block["enabled"],
        block["defaults"]["model-reasoning-effort"],
        block["credentials"]["openai-api-key"],
    )
    credentials = f'  credentials: {{openai-api-key: "{KEYS["packycode"]}"}}\n'
    expected = before.replace("enabled: true", "enabled: false", 1).replace(
        credentials, f'{credentials}  defaults:\n    model-reasoning-effort: "low"\n'
    )
    assert expected == console.text


async def test_put_resets_what_was_left_out(console: Console) -> None:
    """A disabled block may be incomplete."""
    block = (await console.answer("PUT", "/packycode", {"enabled": False}))["packycode"]
    assert ("", "", KEYS["packycode"] in console.text) == (
        block["base-url"],
        block["credentials"]["openai-api-key"],
        False,
    )


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        pytest.param(
            "PATCH",
            {"base-url": "ftp://x", "wire-api": "chat", "weight": 0},
            [
                ("packycode.base-url", "invalid"),
                ("packycode.wire-api", "not_an_option"),
                ("packycode.weight", "out_of_range"),
            ],
            id="all problems at once",
        ),
        pytest.param("PATCH", {"enabld": True}, [("packycode.enabld", "unknown_key")], id="unknown key"),
        pytest.param("PATCH", {"base-url": None}, [("packycode.base-url", "null")], id="null"),
        pytest.param("PATCH", {"enabled": "yes"}, [("packycode.enabled", "wrong_type")], id="wrong type"),
        pytest.param(
            "PUT",
            {"enabled": True},
            [("packycode.base-url", "missing"), (KEY_FIELD, "missing")],
            id="enabled and incomplete",
        ),
        pytest.param(
            "PATCH",
            {"credentials": {"openai-api-key": "***abcd"}},
            [(KEY_FIELD, "masked")],
            id="mask of another secret",
        ),
        pytest.param("PUT", [], [("packycode", "wrong_type")], id="list"),
        pytest.param("PATCH", None, [("packycode", "wrong_type")], id="null instead of a block"),
        pytest.param("PATCH", {"packycode": 1}, [("packycode", "wrong_type")], id="wrapped number"),
        pytest.param("PATCH", {"packycode": {}, "tppc": {}}, [("", "unknown_key")], id="two blocks"),
    ],
)
async def test_invalid_blocks(
    console: Console, method: str, body: Any, expected: list[tuple[str, str]]
) -> None:
    """422 with every problem at its place in the file, and nothing is saved or applied."""
    shown = await console.get("/packycode")
    refusal = await console.refusal(method, "/packycode", body)
    found = sorted(problems_of(refusal))
    assert (422, "invalid_packycode", sorted(expected)) == (refusal["status"], refusal["error"], found)
    assert shown == await console.get("/packycode")


async def test_a_change_holds_for_the_next_request_and_not_for_those_under_way(console: Console) -> None:
    """An answer that has begun comes to its end at the provider that was disabled meanwhile."""
    await console.answer("PATCH", "/providers/b", {"enabled": True})
    upstream = console.upstreams["packycode"]
    upstream.script = Fault.stall("Hello.", after_events=5)
    under_way = asyncio.create_task(console.ask())
    await upstream.received()
    await console.answer("PATCH", "/packycode", {"enabled": False})
    assert "b" == await console.ask()
    upstream.release()
    assert "packycode" == await under_way


async def test_concurrent_changes_of_different_keys_all_hold(console: Console) -> None:
    """None is lost to another that was read at the same time."""
    changes = [
        {"priority": 7},
        {"weight": 3},
        {"requires-openai-auth": False},
        {"defaults": {"model": "gpt-5.1"}},
    ]
    await asyncio.gather(*(console.answer("PATCH", "/packycode", change) for change in changes))
    block = (await console.get("/packycode"))["packycode"]
    assert (7, 3, False, "gpt-5.1") == (
        block["priority"],
        block["weight"],
        block["requires-openai-auth"],
        block["defaults"]["model"],
    )


async def test_a_stale_revision_loses(console: Console) -> None:
    """Who has seen the block before somebody else's change must look again."""
    seen = (await console.call("GET", "/packycode")).headers["etag"]
    await console.answer("PATCH", "/packycode", {"weight": 2})
    refusal = await console.refusal("PATCH", "/packycode", {"weight": 3}, headers={"if-match": seen})
    assert (409, "conflict") == (refusal["status"], refusal["error"])


async def test_the_present_revision_wins(console: Console) -> None:
    """The answer of a write carries the revision that it made."""
    written = await console.call("PATCH", "/packycode", json={"weight": 2})
    headers = {"if-match": written.headers["etag"]}
    response = await console.call("PATCH", "/packycode", json={"weight": 3}, headers=headers)
    assert (200, 3) == (response.status_code, response.json()["packycode"]["weight"])


async def test_a_file_that_may_not_be_written_stays(console: Console) -> None:
    """The operator's own protection of the file is respected; the answer says what stands in the way."""
    console.path.chmod(0o400)
    refusal = await console.refusal("PATCH", "/packycode", {"weight": 2})
    assert (409, "conflict", True) == (
        refusal["status"],
        refusal["error"],
        "is read-only" in refusal["message"],
    )


async def test_a_file_that_others_write_all_the_time_stays(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few tries the change is given up, which is nobody's mistake."""
    monkeypatch.setattr("packyproxy.config.yaml_writer._replace", lambda *_: False)
    refusal = await console.refusal("PATCH", "/packycode", {"weight": 2})
    assert (409, "conflict", True) == (
        refusal["status"],
        refusal["error"],
        "changes all the time" in refusal["message"],
    )


async def test_a_broken_file_is_mended_first(console: Console) -> None:
    """What an editor is in the middle of is not written over."""
    console.path.write_text("packycode: [")
    refusal = await console.refusal("PATCH", "/packycode", {"weight": 2})
    assert (409, "conflict", None) == (refusal["status"], refusal["error"], refusal.get("problems"))


@pytest.mark.parametrize("path", ["/debug", "/packycode", "/providers/b", "/tppc"])
async def test_what_was_wrong_before_is_not_blamed_on_what_is_sent(console: Console, path: str) -> None:
    """A file that somebody has saved with a mistake stands in the way of every single change."""
    console.path.write_text(f"{console.text}unknwon: 1\n")
    bodies: dict[str, Any] = {"/debug": {"value": True}, "/packycode": {"weight": 2}}
    bodies |= {"/providers/b": {"enabled": True}, "/tppc": {"providers": [{"name": "b", "enabled": True}]}}
    refusal = await console.refusal("PATCH", path, bodies[path])
    assert (409, "conflict") == (refusal["status"], refusal["error"])
    assert "unknwon" in refusal["message"]


async def test_what_is_wrong_besides_is(console: Console) -> None:
    """Whoever sends a mistake is told of all there are."""
    console.path.write_text(f"{console.text}unknwon: 1\n")
    refusal = await console.refusal("PATCH", "/packycode", {"weight": -1})
    assert (422, [("packycode.weight", "out_of_range"), ("unknwon", "unknown_key")]) == (
        refusal["status"],
        sorted(problems_of(refusal)),
    )


class TestProbe:
    """``?probe=1``."""

    async def test_a_refused_key_is_not_saved(self, console: Console) -> None:
        """The upstream is asked with the new key before anything is written."""
        body = {"credentials": {"openai-api-key": "sk-wrong-0123456789"}}
        refusal = await console.refusal("PATCH", "/packycode?probe=1", body)
        assert (422, "invalid_packycode", [(KEY_FIELD, "key_refused")]) == (
            refusal["status"],
            refusal["error"],
            problems_of(refusal),
        )
        sent = console.upstreams["packycode"].last_request.headers["authorization"]
        assert "Bearer sk-wrong-0123456789" == sent
        assert "packycode" == await console.ask()

    @pytest.mark.parametrize(
        ("change", "asked"),
        [
            pytest.param({"weight": 2}, 1, id="key in force"),
            pytest.param({"weight": 2, "credentials": {"openai-api-key": "***6789"}}, 1, id="mask of it"),
            pytest.param({"weight": 2, "enabled": False}, 1, id="disabled"),
            pytest.param({"weight": 2, "base-url": "http://nowhere.test/v1"}, 0, id="unreachable"),
            pytest.param({"weight": 2, "enabled": False, "base-url": ""}, 0, id="incomplete"),
        ],
    )
    async def test_all_else_is_saved(self, console: Console, change: dict[str, Any], asked: int) -> None:
        """Only a refused key speaks against it: the upstream may be down."""
        block = (await console.answer("PATCH", "/packycode?probe=1", change))["packycode"]
        assert (2, asked) == (block["weight"], len(console.upstreams["packycode"].requests))

    async def test_without_it_nobody_is_asked(self, console: Console) -> None:
        """Saving checks form only."""
        body = {"credentials": {"openai-api-key": "sk-wrong-0123456789"}}
        await console.answer("PATCH", "/packycode?probe=0", body)
        assert [] == console.upstreams["packycode"].requests

    async def test_an_invalid_block_is_not_tried(self, console: Console) -> None:
        """Its problems are told, and no tokens are spent."""
        refusal = await console.refusal("PUT", "/packycode?probe=1", {"enabled": True})
        assert (422, []) == (refusal["status"], console.upstreams["packycode"].requests)

    async def test_a_stale_revision_is_not_tried(self, console: Console) -> None:
        """It would not be saved anyway."""
        body = {"weight": 2}
        refusal = await console.refusal("PATCH", "/packycode?probe=1", body, headers={"if-match": '"old"'})
        assert (409, []) == (refusal["status"], console.upstreams["packycode"].requests)

    async def test_another_word_than_yes_or_no(self, console: Console) -> None:
        """400, since nobody knows what was meant."""
        refusal = await console.refusal("PATCH", "/packycode?probe=perhaps", {"weight": 2})
        assert (400, "invalid_query") == (refusal["status"], refusal["error"])
