"""The providers through the management API: how they stand, switching them, and asking them."""

import asyncio
import json
from typing import Any

import pytest

from packyproxy.testing import Fault
from tests.support.management import CONFIG, KEYS, Console

TWINS = f"""\
tppc:
  providers:
    - {{name: "b", base-url: "http://nowhere.test/v1", api-key: "{KEYS["b"]}"}}
    - {{name: "b", enabled: true, base-url: "http://b.test/v1", api-key: "{KEYS["b"]}"}}
"""


async def details(console: Console) -> dict[str, Any]:
    """Return the details of the providers by name."""
    return {each["name"]: each for each in (await console.get("/providers?detail=1"))["providers"]}


async def test_list_holds_the_enabled_ones_in_routing_order(console: Console) -> None:
    """By name, first choice first."""
    await console.answer("PATCH", "/tppc", {"providers": [{"name": "b", "enabled": True, "priority": 5}]})
    assert {"providers": ["b", "packycode"]} == await console.get("/providers")


async def test_detail_of_a_provider_that_nobody_asked(console: Console) -> None:
    """Every key is there, and nothing is made up."""
    detail = (await details(console))["packycode"]
    models = detail.pop("models")
    assert "gpt-5" in models
    assert {
        "name": "packycode",
        "place": "packycode",
        "enabled": True,
        "state": "ready",
        "cooldown-until": None,
        "cooldowns": [],
        "breaker": "closed",
        "latency-ms": None,
        "last-error": None,
        "credential": {"present": True, "valid": None, "checked-at": None},
    } == detail


async def test_detail_has_every_configured_provider(console: Console) -> None:
    """Disabled ones too, with the models that they would serve."""
    found = {
        name: (each["state"], each["credential"]["present"])
        for name, each in (await details(console)).items()
    }
    assert {
        "packycode": ("ready", True),
        "b": ("disabled", True),
        "unfinished": ("disabled", False),
    } == found


async def test_detail_after_an_answer(console: Console) -> None:
    """The key is known to be good, and how long the first token takes."""
    await console.ask()
    detail = (await details(console))["packycode"]
    assert (True, True, True) == (
        detail["credential"]["valid"],
        detail["credential"]["checked-at"].endswith("Z"),
        detail["latency-ms"] >= 0,
    )


async def test_detail_after_a_refused_key(console: Console) -> None:
    """The provider is out of service until it has another key, or is switched off and on."""
    await console.answer("PATCH", "/packycode", {"credentials": {"openai-api-key": "sk-wrong-0123456789"}})
    await console.ask()
    detail = (await details(console))["packycode"]
    assert ("key-refused", "rejected", None, False) == (
        detail["state"],
        detail["breaker"],
        detail["cooldown-until"],
        detail["credential"]["valid"],
    )
    assert ("credentials_rejected", 401) == (detail["last-error"]["kind"], detail["last-error"]["status"])


async def test_detail_after_a_limit(console: Console) -> None:
    """The model that rests is named, and until when."""
    console.upstreams["packycode"].script = [
        Fault.status(429, code="rate_limit_exceeded", headers={"retry-after": "600"})
    ]
    await console.ask("gpt-5")
    detail = (await details(console))["packycode"]
    (rest,) = detail["cooldowns"]
    assert ("resting", "gpt-5", "rate_limit", rest["until"]) == (
        detail["state"],
        rest["model"],
        rest["kind"],
        detail["cooldown-until"],
    )


async def test_details_never_hold_what_the_upstream_said(console: Console) -> None:
    """An error's text may quote content or a key."""
    console.upstreams["packycode"].script = [Fault.status(500, "the canary sang")]
    await console.ask()
    assert "canary" not in json.dumps(await details(console))


async def test_switching_off_and_on(console: Console) -> None:
    """The answer is the provider's detail; the next request follows."""
    on = await console.answer("PATCH", "/providers/b", {"enabled": True})
    off = await console.answer("PATCH", "/providers/packycode", {"enabled": False})
    asked = await console.ask()
    back = await console.answer("PATCH", "/providers/packycode", {"enabled": True})
    assert [("b", "ready"), ("packycode", "disabled"), "b", ("packycode", "ready"), "packycode"] == [
        (on["name"], on["state"]),
        (off["name"], off["state"]),
        asked,
        (back["name"], back["state"]),
        await console.ask(),
    ]


async def test_switching_changes_one_word_of_the_file(console: Console) -> None:
    """Comments and order stay, and there and back is nothing."""
    await console.answer("PATCH", "/providers/B", {"enabled": True})
    assert CONFIG.replace("false                    # the spare", "true                     # the spare") == (
        console.text
    )
    await console.answer("PATCH", "/providers/b", {"enabled": False})
    assert CONFIG == console.text


async def test_an_answer_under_way_is_not_cut_off_by_switching(console: Console) -> None:
    """It comes to its end at the provider where it began."""
    upstream = console.upstreams["packycode"]
    upstream.script = Fault.stall("Hello.", after_events=5)
    under_way = asyncio.create_task(console.ask())
    await upstream.received()
    await console.answer("PATCH", "/providers/packycode", {"enabled": False})
    upstream.release()
    assert ("packycode", None) == (await under_way, await console.ask())


@pytest.mark.parametrize(
    ("path", "body", "status", "error", "problems"),
    [
        pytest.param("/nobody", {"enabled": True}, 404, "not_found", None, id="unknown name"),
        pytest.param("/b", {"enabled": "on"}, 422, "invalid_value", ["enabled"], id="word"),
        pytest.param("/b", {"enabled": None}, 422, "invalid_value", ["enabled"], id="null"),
        pytest.param("/b", {}, 422, "invalid_value", ["enabled"], id="nothing"),
        pytest.param("/b", {"enabled": True, "weight": 2}, 422, "invalid_value", ["enabled"], id="more"),
        pytest.param("/b", [True], 422, "invalid_value", ["enabled"], id="list"),
        pytest.param(
            "/unfinished",
            {"enabled": True},
            422,
            "invalid_tppc",
            ["tppc.providers[1].api-key"],
            id="unfinished",
        ),
    ],
)
async def test_refused_switches(
    console: Console, path: str, body: Any, status: int, error: str, problems: list[str] | None
) -> None:
    """Nothing is saved or applied."""
    refusal = await console.refusal("PATCH", f"/providers{path}", body)
    found = refusal.get("problems")
    fields = None if found is None else [problem["field"] for problem in found]
    assert (status, error, problems) == (refusal["status"], refusal["error"], fields)


async def test_enabling_an_incomplete_block(console: Console) -> None:
    """The problems are those of the file with the block enabled."""
    console.path.write_text("packycode: {enabled: false}\n")
    await console.proxy.reload()
    refusal = await console.refusal("PATCH", "/providers/packycode", {"enabled": True})
    assert (422, "invalid_packycode", 2) == (
        refusal["status"],
        refusal["error"],
        len(refusal["problems"]),
    )


async def test_of_twins_the_enabled_one_is_meant(console: Console) -> None:
    """Both are in the list, and the answer is about the one that was switched."""
    console.path.write_text(TWINS)
    await console.proxy.reload()
    answer = await console.answer("PATCH", "/providers/b", {"enabled": False})
    found = [
        (each["place"], each["enabled"]) for each in (await console.get("/providers?detail=1"))["providers"]
    ]
    assert ("tppc.providers[1]", [("tppc.providers[0]", False), ("tppc.providers[1]", False)]) == (
        answer["place"],
        found,
    )


class TestTest:
    """``POST /providers/{name}/test``."""

    @pytest.mark.parametrize("name", ["packycode", "b"], ids=["enabled", "disabled"])
    async def test_a_provider_that_answers(self, console: Console, name: str) -> None:
        """It is asked once; one that is disabled stays so."""
        found = await console.answer("POST", f"/providers/{name}/test")
        assert (True, None, True, 1) == (
            found["ok"],
            found["error"],
            found["ms"] >= 0,
            len(console.upstreams[name].requests),
        )
        detail = (await details(console))[name]
        assert (name == "packycode", True) == (detail["enabled"], detail["credential"]["valid"])

    @pytest.mark.parametrize(
        ("fault", "kind", "status"),
        [
            pytest.param(Fault.status(401, "sk-canary"), "credentials_rejected", 401, id="key refused"),
            pytest.param(Fault.status(500, "the canary sang"), "server_error", 500, id="ill"),
        ],
    )
    async def test_a_provider_that_does_not(
        self, console: Console, fault: Fault, kind: str, status: int
    ) -> None:
        """What it means and what to do is told in our words."""
        console.upstreams["packycode"].script = [fault]
        found = await console.answer("POST", "/providers/packycode/test")
        assert (False, kind, status) == (found["ok"], found["error"]["kind"], found["error"]["status"])
        assert found["error"]["message"]
        assert "canary" not in json.dumps(found)

    async def test_a_refused_key_takes_a_provider_out(self, console: Console) -> None:
        """It is a request like any other: the next client need not find out again."""
        console.upstreams["packycode"].script = [Fault.status(401)]
        await console.answer("POST", "/providers/packycode/test")
        assert "key-refused" == (await details(console))["packycode"]["state"]

    async def test_a_failure_of_a_disabled_provider_is_no_verdict(self, console: Console) -> None:
        """When it is enabled it starts afresh."""
        console.upstreams["b"].script = [Fault.status(500), "fine"]
        await console.answer("POST", "/providers/b/test")
        detail = await console.answer("PATCH", "/providers/b", {"enabled": True})
        assert ("ready", "server_error") == (detail["state"], detail["last-error"]["kind"])

    async def test_a_success_brings_a_provider_back(self, console: Console) -> None:
        """Whoever has mended it need not wait or restart anything."""
        console.upstreams["packycode"].script = [Fault.status(401), "fine", "fine"]
        await console.ask()
        assert "key-refused" == (await details(console))["packycode"]["state"]
        await console.answer("POST", "/providers/packycode/test")
        assert ("ready", "packycode") == (
            (await details(console))["packycode"]["state"],
            await console.ask(),
        )

    async def test_a_provider_without_such_a_model(self, console: Console) -> None:
        """Where the operator's map leaves nothing to ask for, that is no failure of the provider."""
        await console.answer("PATCH", "/packycode", {"models": ["gpt-5"]})
        console.path.write_text(f'{console.text}model-map: {{"*": "gpt-6"}}\n')
        await console.proxy.reload()
        found = await console.answer("POST", "/providers/packycode/test")
        assert (False, "model_not_found", None) == (
            found["ok"],
            found["error"]["kind"],
            (await details(console))["packycode"]["last-error"],
        )

    async def test_an_incomplete_provider_is_not_asked(self, console: Console) -> None:
        """What is missing is said."""
        refusal = await console.refusal("POST", "/providers/unfinished/test", None)
        assert (422, ["tppc.providers[1].api-key"]) == (
            refusal["status"],
            [problem["field"] for problem in refusal["problems"]],
        )

    async def test_an_unknown_name(self, console: Console) -> None:
        """There is nobody to ask."""
        refusal = await console.refusal("POST", "/providers/nobody/test", None)
        assert (404, "not_found") == (refusal["status"], refusal["error"])
