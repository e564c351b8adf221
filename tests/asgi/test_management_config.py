"""The whole configuration through the management API."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.app import PackyProxy
from packyproxy.testing import StreamingASGITransport
from tests.support.management import CONFIG, KEYS, PASSWORD, Console

YAML = {"content-type": "application/yaml"}
MASKED = (
    CONFIG.replace("sk-client-0123456789", "***6789")
    .replace(KEYS["packycode"], "***6789")
    .replace(KEYS["b"], "***6789")
)


def client_of(proxy: PackyProxy) -> httpx.AsyncClient:
    """Return a client of a proxy's management API."""
    return httpx.AsyncClient(
        transport=StreamingASGITransport(proxy),
        base_url="http://proxy.test/v0/management",
        headers={"x-management-key": PASSWORD},
    )


def files_in(folder: Path) -> list[Path]:
    """Return what a folder holds."""
    return list(folder.iterdir())


def problems_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return field and code of each problem."""
    return [(problem["field"], problem["code"]) for problem in answer["problems"]]


async def test_get_shows_every_setting(console: Console) -> None:
    """Defaults included, secrets masked."""
    shown = await console.get("/config")
    assert (8317, ["***6789"], "http://packycode.test/v1", 0, ["b", "unfinished"]) == (
        shown["port"],
        shown["api-keys"],
        shown["packycode"]["base-url"],
        shown["request-retry"],
        [entry["name"] for entry in shown["tppc"]["providers"]],
    )
    assert "0123456789" not in json.dumps(shown)


async def test_sending_back_what_was_shown_changes_nothing(console: Console) -> None:
    """Masks keep their secrets, defaults stay out of the file, and it stays as it is to the byte."""
    shown = await console.get("/config")
    again = await console.answer("PUT", "/config", shown)
    assert (CONFIG, shown) == (console.text, again)


async def test_put_replaces_everything(console: Console) -> None:
    """What is left out gets its default."""
    shown = await console.answer("PUT", "/config", {"request-retry": 5})
    assert (5, [], [], "packycode" in shown) == (
        shown["request-retry"],
        shown["api-keys"],
        shown["tppc"]["providers"],
        False,
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param([], [("", "wrong_type")], id="list"),
        pytest.param(
            {"port": -1, "debgu": True}, [("debgu", "unknown_key"), ("port", "out_of_range")], id="problems"
        ),
        pytest.param({"api-keys": ["***abcd"]}, [("api-keys[0]", "masked")], id="mask of nothing"),
    ],
)
async def test_invalid_configurations(console: Console, body: Any, expected: list[tuple[str, str]]) -> None:
    """422 with every problem, and nothing is saved or applied."""
    refusal = await console.refusal("PUT", "/config", body)
    assert (422, "invalid_config", expected) == (
        refusal["status"],
        refusal["error"],
        sorted(problems_of(refusal)),
    )


async def test_a_broken_file_is_not_merged_into(console: Console) -> None:
    """What an editor is in the middle of is not written over by a part of it."""
    console.path.write_text("packycode: [")
    refusal = await console.refusal("PUT", "/config", {"request-retry": 5})
    assert (409, "conflict") == (refusal["status"], refusal["error"])


class TestText:
    """``/config.yaml``."""

    async def test_get_shows_the_file(self, console: Console) -> None:
        """With its comments, secrets masked."""
        response = await console.call("GET", "/config.yaml")
        assert ("application/yaml", MASKED) == (response.headers["content-type"], response.text)

    @pytest.mark.parametrize(
        "media_type", ["application/yaml", "text/plain", "application/x-www-form-urlencoded"]
    )
    async def test_put_replaces_the_file(self, console: Console, media_type: str) -> None:
        """Masks keep their secrets; that it is YAML is said by the route."""
        response = await console.call(
            "PUT",
            "/config.yaml",
            content=MASKED.replace("bought in May", "bought in June"),
            headers={"content-type": media_type},
        )
        assert CONFIG.replace("bought in May", "bought in June") == console.text
        assert (200, MASKED.replace("bought in May", "bought in June")) == (
            response.status_code,
            response.text,
        )

    @pytest.mark.parametrize(("stored", "sent"), [(True, True), (True, False), (False, True)])
    async def test_a_byte_order_mark_is_not_brought_in(
        self, console: Console, *, stored: bool, sent: bool
    ) -> None:
        """It stays in a file that has one and is sent back with it."""
        console.path.write_text("\ufeff" * stored + CONFIG)
        body = ("\ufeff" * sent + MASKED).encode()
        await console.call("PUT", "/config.yaml", content=body, headers=YAML)
        assert "\ufeff" * (stored and sent) + CONFIG == console.text

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            pytest.param(b"port: [", ("", "yaml_syntax"), id="syntax"),
            pytest.param(b"port: \xff", ("", "not_utf8"), id="no text"),
            pytest.param(b"port: 99999\n", ("port", "out_of_range"), id="value"),
            pytest.param(b'api-keys: ["***abcd"]\n', ("api-keys[0]", "masked"), id="mask of nothing"),
        ],
    )
    async def test_an_invalid_text_is_not_saved(
        self, console: Console, content: bytes, expected: tuple[str, str]
    ) -> None:
        """422 with its problems."""
        response = await console.call("PUT", "/config.yaml", content=content, headers=YAML)
        answer = response.json()
        assert (422, "invalid_config", [expected], CONFIG) == (
            response.status_code,
            answer["error"],
            problems_of(answer),
            console.text,
        )

    async def test_the_revision_is_that_of_the_text(self, console: Console) -> None:
        """Who sends it with a change has seen what is changed."""
        seen = await console.call("GET", "/config.yaml")
        headers = {**YAML, "if-match": seen.headers["etag"]}
        answers = [
            await console.call("PUT", "/config.yaml", content=f"{seen.text}# {number}\n", headers=headers)
            for number in range(2)
        ]
        assert [200, 409] == [answer.status_code for answer in answers]

    async def test_a_broken_file_is_mended(self, console: Console) -> None:
        """A whole new text needs nothing of the old one."""
        console.path.write_text("packycode: [")
        response = await console.call("PUT", "/config.yaml", content="request-retry: 5\n")
        assert (200, "request-retry: 5\n", {"request-retry": 5}) == (
            response.status_code,
            console.text,
            await console.get("/request-retry"),
        )

    async def test_a_file_that_is_no_yaml_is_not_shown(self, console: Console) -> None:
        """Nobody could tell its secrets from the rest."""
        console.path.write_text("packycode: [sk-secret-0123456789")
        response = await console.call("GET", "/config.yaml")
        assert (409, "conflict", False) == (
            response.status_code,
            response.json()["error"],
            "sk-secret" in response.text,
        )


class TestValidation:
    """``POST /config/validate``."""

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({"json": {"port": 8400}}, id="JSON"),
            pytest.param({"content": "port: 8400\n", "headers": YAML}, id="YAML"),
            pytest.param(
                {"content": MASKED, "headers": {"content-type": "text/yaml; charset=utf-8"}}, id="masks"
            ),
            pytest.param({"json": {}}, id="empty"),
        ],
    )
    async def test_a_valid_configuration(self, console: Console, options: dict[str, Any]) -> None:
        """It has no problems, and nothing is saved or applied."""
        response = await console.call("POST", "/config/validate", **options)
        assert (200, {"ok": True, "problems": []}, CONFIG) == (
            response.status_code,
            response.json(),
            console.text,
        )
        assert 0 == (await console.get("/request-retry"))["request-retry"]

    @pytest.mark.parametrize("stored", ["packycode: [", None], ids=["broken", "gone"])
    async def test_the_stored_file_does_not_matter(self, console: Console, stored: str | None) -> None:
        """What was sent is judged, also while the file is in disorder."""
        if stored is None:
            console.path.unlink()
        else:
            console.path.write_text(stored)
        answer = await console.answer("POST", "/config/validate", {"port": 8400})
        assert {"ok": True, "problems": []} == answer

    async def test_what_is_shown_is_valid(self, console: Console) -> None:
        """Masks count as the secrets that they stand for."""
        answer = await console.answer("POST", "/config/validate", await console.get("/config"))
        assert {"ok": True, "problems": []} == answer

    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({"json": {"port": -1, "debgu": True}}, id="JSON"),
            pytest.param({"content": "port: -1\ndebgu: true\n", "headers": YAML}, id="YAML"),
        ],
    )
    async def test_problems_are_the_answer(self, console: Console, options: dict[str, Any]) -> None:
        """All of them, each with its place, what is wrong and how to mend it; that is a success."""
        response = await console.call("POST", "/config/validate", **options)
        answer = response.json()
        assert (200, False) == (response.status_code, answer["ok"])
        assert [("debgu", "unknown_key"), ("port", "out_of_range")] == sorted(problems_of(answer))
        assert {"field", "code", "message", "fix"} == answer["problems"][0].keys()

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            pytest.param({"json": [1]}, ("", "wrong_type"), id="list"),
            pytest.param({"content": b"\xff", "headers": YAML}, ("", "not_utf8"), id="no text"),
            pytest.param({"content": "[", "headers": YAML}, ("", "yaml_syntax"), id="no YAML"),
        ],
    )
    async def test_what_is_no_configuration(
        self, console: Console, options: dict[str, Any], expected: tuple[str, str]
    ) -> None:
        """Is a problem like any other."""
        response = await console.call("POST", "/config/validate", **options)
        assert (200, [expected]) == (response.status_code, problems_of(response.json()))

    async def test_a_stale_revision_loses(self, console: Console) -> None:
        """Whoever insists on a revision is told that it is not the present one."""
        response = await console.call("POST", "/config/validate", json={}, headers={"if-match": '"old"'})
        assert (409, "conflict") == (response.status_code, response.json()["error"])

    async def test_what_is_no_json_is_refused(self, console: Console) -> None:
        """Whoever says JSON, or nothing, means it."""
        response = await console.call("POST", "/config/validate", content=b"port: 8400")
        assert (400, "invalid_json") == (response.status_code, response.json()["error"])

    async def test_the_environment_completes_it(
        self, console: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As it would a file with the same words."""
        monkeypatch.setenv("PACKYCODE_API_KEY", "sk-ambient-0123456789")
        block = {"enabled": True, "base-url": "http://packycode.test/v1"}
        answer = await console.answer("POST", "/config/validate", {"packycode": block})
        assert {"ok": True, "problems": []} == answer


async def test_a_proxy_that_the_environment_made_has_nothing_to_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says how to get a file; what can be seen is seen."""
    for name, value in {
        "MANAGEMENT_PASSWORD": PASSWORD,
        "PACKYCODE_BASE_URL": "http://packycode.test/v1",
        "PACKYCODE_API_KEY": KEYS["packycode"],
        "XDG_CONFIG_HOME": str(tmp_path),
        "CODEX_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    proxy = await asyncio.to_thread(PackyProxy)
    async with client_of(proxy) as client:
        answers = [
            await client.get("/config"),
            await client.get("/config.yaml"),
            await client.put("/config.yaml", content="port: 8400\n"),
            await client.put("/debug", json={"value": True}),
            await client.post("/config/validate", json={"port": 8400}),
        ]
    assert [200, 409, 409, 409, 200] == [answer.status_code for answer in answers]
    assert "packyproxy init" in answers[3].json()["message"]
    assert [] == files_in(tmp_path)
    await proxy.runtime.aclose()


async def test_a_proxy_without_a_file_keeps_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration from a mapping is changed in memory, by the same rules."""
    monkeypatch.setenv("MANAGEMENT_PASSWORD", PASSWORD)
    proxy = PackyProxy({"request-retry": 1})
    async with client_of(proxy) as client:
        answer = await client.put("/request-retry", json={"value": 2})
        shown = await client.get("/config")
        text = await client.get("/config.yaml")
    assert ({"request-retry": 2}, 2, True) == (
        answer.json(),
        shown.json()["request-retry"],
        "request-retry: 2" in text.text,
    )
    await proxy.runtime.aclose()
