"""What operators do, and what goes on without anybody asking, as scenarios."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import httpx
import yaml

from packyproxy.asgi.management.families import management_operations
from packyproxy.config import Config
from packyproxy.testing.privacy.answers import key_refused
from packyproxy.testing.privacy.canaries import canary_text
from packyproxy.testing.privacy.stage import Scenario, ScenarioFailed, Stage
from packyproxy.testing.upstream.fake_upstream import Answer

__all__ = ["OPERATOR_SCENARIOS"]

_YAML: Final = {"content-type": "application/yaml"}
_Misplace = Callable[[str], Mapping[str, object]]


def _provider(**keys: object) -> Mapping[str, object]:
    usual = {"enabled": True, "base-url": "http://first.test/v1"}
    return {"packycode": {**usual, **{name.replace("_", "-"): value for name, value in keys.items()}}}


_MISPLACED: Final[Mapping[str, _Misplace]] = {
    "host": lambda word: {"host": f"http://{word}/"},
    "port": lambda word: {"port": word},
    "api-keys": lambda word: {"api-keys": word},
    "api-keys[0]": lambda word: {"api-keys": [f"{word} {word}"]},
    "api-keys[0] as a list": lambda word: {"api-keys": [[word]]},
    "remote-management": lambda word: {"remote-management": word},
    "remote-management.secret-key": lambda word: {"remote-management": {"secret-key": f"{word} {word}"}},
    "packycode": lambda word: {"packycode": word},
    "packycode.enabled": lambda word: _provider(enabled=word),
    "packycode.base-url": lambda word: _provider(base_url=word),
    "packycode.base-url with a password": lambda word: _provider(base_url=f"https://user:{word}@first.test"),
    "packycode.base-url with a query": lambda word: _provider(base_url=f"https://first.test/v1?key={word}"),
    "packycode.wire-api": lambda word: _provider(wire_api=word),
    "packycode.credentials": lambda word: _provider(credentials=word),
    "packycode.credentials.openai-api-key": lambda word: _provider(
        credentials={"openai-api-key": f"{word}\n{word}"}
    ),
    "packycode.api-key": lambda word: _provider(api_key=word),
    "packycode.headers": lambda word: _provider(headers=word),
    "packycode.headers.authorization": lambda word: _provider(headers={"authorization": f"Bearer {word}"}),
    "packycode.headers with a line end": lambda word: _provider(headers={"x-key": f"{word}\r\nx: y"}),
    "packycode.proxy-url": lambda word: _provider(proxy_url=f"socks5://user:{word}@proxy.test:1080"),
    "packycode.defaults.model": lambda word: _provider(defaults={"model": f"{word} {word}"}),
    "packycode.defaults.model-reasoning-effort": lambda word: _provider(
        defaults={"model-reasoning-effort": word}
    ),
    "packycode.profile.phase": lambda word: _provider(profile={"phase": word}),
    "packycode.priority": lambda word: _provider(priority=word),
    "tppc.providers": lambda word: {"tppc": {"providers": word}},
    "tppc.providers[0]": lambda word: {"tppc": {"providers": [word]}},
    "tppc.providers[0].name": lambda word: {"tppc": {"providers": [{"name": f"{word}/{word}"}]}},
    "routing.strategy": lambda word: {"routing": {"strategy": word}},
    "routing.hedge-after": lambda word: {"routing": {"hedge-after": word}},
    "model-map": lambda word: {"model-map": {"claude-*": f"{word} {word}"}},
    "cors-origins": lambda word: {"cors-origins": [f"https://{word}/{word}"]},
    "log-format": lambda word: {"log-format": word},
    "streaming.idle-timeout": lambda word: {"streaming": {"idle-timeout": word}},
    "the name of a key": lambda word: {f"sk-{word}": "x"},
    "a key nobody knows": lambda word: {"my-secret": word},
}
"""Values that are no good where they stand, and that nobody may read."""

_UNREADABLE: Final[Mapping[str, Callable[[str], str]]] = {
    "a list that does not end": lambda word: f'api-keys: ["{word}"\npackycode: {{',
    "a quote that does not end": lambda word: f'api-keys: ["{word}\n',
    "a tab": lambda word: f"packycode:\n\tcredentials: {{openai-api-key: {word}}}\n",
    "a key twice": lambda word: f"api-keys: [{word}]\napi-keys: [{word}]\n",
    "an alias of nothing": lambda word: f"api-keys: *{word}\n",
    "a tag": lambda word: f"api-keys: !!python/name:{word} x\n",
    "two documents": lambda word: f"api-keys: [{word}]\n---\napi-keys: [{word}]\n",
    "a text": lambda word: f"{word}\n",
}
"""Files that are no YAML, or none that is taken."""


def _hostile(word: str) -> Iterator[object]:
    """Yield bodies of which nothing can be saved anywhere."""
    block = {"base-url": word, "enabled": word, "credentials": {"openai-api-key": word}, word: word}
    yield from (word, [word], {"value": word}, {"value": [word]}, {"value": {word: word}})
    yield from (block, {"packycode": block}, {"providers": [word]}, {"tppc": {"providers": [block]}})
    yield from (b'{"value": "' + word.encode(), b"\xff" + word.encode())


async def _try_on(stage: Stage, text: str) -> None:
    """Offer a configuration that is no good in every way there is."""
    await stage.save(text)
    if await stage.reload():
        raise ScenarioFailed("the configuration was taken")
    for method, path in (("POST", "/config/validate"), ("PUT", "/config.yaml")):
        (await stage.manage(path, text.encode(), method=method, headers=_YAML)).must_be(200, 400, 409, 422)
    for path in ("/status", "/config.yaml"):
        (await stage.manage(path)).must_be(200, 409)


def _misplaced(name: str) -> Scenario:
    async def play(stage: Stage) -> None:
        settings = _MISPLACED[name](canary_text("secret in a wrong place", stage.owner))
        (await stage.manage("/config", settings, method="PUT")).must_be(400, 422)
        (await stage.manage("/config/validate", settings, method="POST")).must_be(200)
        for path in ("/packycode", "/tppc"):
            await stage.manage(path, settings, method="PATCH")
        await _try_on(stage, yaml.safe_dump(settings))

    return Scenario(name=f"configuration: a secret at {name}", play=play, has_file=True)


def _unreadable(name: str) -> Scenario:
    async def play(stage: Stage) -> None:
        await _try_on(stage, _UNREADABLE[name](canary_text("secret in a wrong place", stage.owner)))

    return Scenario(name=f"configuration: {name}", play=play, has_file=True)


def _changed(stage: Stage) -> dict[str, object]:
    """Return a configuration in which every secret is another one."""
    new = stage.owner + 1
    headers = {"x-relay-token": canary_text("provider header", new)}
    proxy = f"http://user:{canary_text('proxy password', new)}@proxy.test:3128"
    key = canary_text("provider key", new)
    block = {
        "enabled": True,
        "base-url": "http://first.test/v1",
        "credentials": {"openai-api-key": key},
        "headers": headers,
        "proxy-url": proxy,
    }
    other = {"name": "other", "base-url": "http://second.test/v1", "api-key": key, "headers": dict(headers)}
    return {
        **stage.settings,
        "api-keys": [canary_text("client key", new)],
        "packycode": block,
        "tppc": {"providers": [other]},
    }


def _never(_: int) -> Sequence[Answer]:
    """Answer nothing, for nobody asks."""
    return ()


async def _change(stage: Stage) -> None:
    def listen(_: Config) -> None:
        raise ValueError(canary_text("exception text", stage.owner))

    stage.proxy.runtime.listen(listen)
    await stage.save(yaml.safe_dump(_changed(stage)))
    if not await stage.reload():
        raise ScenarioFailed("the configuration was not taken")
    gone = stage.config.with_name("gone.yaml")
    await asyncio.to_thread(stage.config.rename, gone)
    await stage.reload()
    await asyncio.to_thread(gone.rename, stage.config)


async def _write(stage: Stage) -> None:
    changed = _changed(stage)
    for method, path, body in (
        ("PATCH", "/packycode", changed["packycode"]),
        ("PATCH", "/tppc", changed["tppc"]),
        ("PUT", "/packycode", {"packycode": stage.settings["packycode"]}),
        ("PUT", "/tppc", {"tppc": stage.settings["tppc"]}),
        ("PUT", "/api-keys", {"value": changed["api-keys"]}),
        ("PATCH", "/providers/other", {"enabled": True}),
        ("PATCH", "/providers/other", {"enabled": False}),
        ("PUT", "/config", changed),
    ):
        (await stage.manage(path, body, method=method)).must_be(200)
    shown = await stage.manage("/config.yaml")
    (await stage.manage("/config.yaml", shown.body, method="PUT", headers=_YAML)).must_be(200)
    shown = await stage.manage("/config")
    (await stage.manage("/config", shown.body, method="PUT")).must_be(200)


async def _test(stage: Stage) -> None:
    (await stage.manage("/providers/packycode/test", method="POST")).must_be(200)
    block = {"credentials": {"openai-api-key": canary_text("provider key", stage.owner + 1)}}
    (await stage.manage("/packycode?probe=1", block, method="PATCH")).must_be(422)


async def _hostile_bodies(stage: Stage) -> None:
    word = canary_text("secret in a wrong place", stage.owner)
    for operation in management_operations(stage.proxy.runtime):
        path = operation.path.replace("{name}", "packycode")
        if operation.body is not None:
            for body in _hostile(f"{word} {word}"):
                headers = {"content-type": operation.media_types[0], "if-match": "*"}
                reply = await stage.manage(path, body, method=operation.method, headers=headers)
                reply.must_be(200 if path == "/config/validate" else 422, 400)
        (await stage.manage(f"{path}?{word}={word}", method=operation.method)).must_be(400)
    for path in (f"/{word}", f"/providers/{word}", f"/providers/{word}/test", f"/config/{word}"):
        for method in ("GET", "PATCH", "POST", "DELETE"):
            (await stage.manage(path, {word: word}, method=method)).must_be(404, 405)
    for header in ("if-match", "content-encoding", "content-type", "origin"):
        await stage.manage("/debug", {"value": word}, method="PUT", headers={header: word})


async def _doors(stage: Stage) -> None:
    wrong = canary_text("wrong management key", stage.owner)
    far = ("192.0.2.7", 50000)
    forwarded = {"x-forwarded-for": canary_text("client header", stage.owner)}
    (await stage.manage("/status", address=far)).must_be(403)
    (await stage.manage("/status", headers=forwarded)).must_be(403)
    client_key = canary_text("client key", stage.owner)
    (await stage.manage("/status", headers={"authorization": f"Bearer {client_key}"})).must_be(401)
    for _ in range(5):
        headers = {"authorization": f"Bearer {wrong}", "x-management-key": wrong}
        await stage.manage("/status", headers=headers)
    (await stage.manage("/status")).must_be(403)


async def _management_key(stage: Stage) -> None:
    right = {"authorization": f"Bearer {canary_text('management key', stage.owner)}"}
    wrong = {"x-management-key": canary_text("wrong management key", stage.owner), "authorization": ""}
    (await stage.manage("/status", headers=right)).must_be(200)
    (await stage.manage("/status", headers=wrong)).must_be(401)
    (await stage.manage("/config.yaml", headers=right)).must_be(200)


def _without_asking(name: str, broken: Callable[[str], Exception] | None) -> Scenario:
    """Return what the background does: health checks, discovery, following the file."""

    async def play(stage: Stage) -> None:
        asked = 0

        def fail() -> Exception:
            nonlocal asked
            asked += 1
            kinds = ("exception text", "provider key", "proxy password")
            assert broken is not None
            return broken(" ".join(canary_text(kind, stage.owner) for kind in kinds))

        stage.upstreams.broken = fail if broken else None
        async with stage.proxy:
            while not (asked or stage.first.model_requests):  # noqa: ASYNC110 - neither has an event
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.02)
            (await stage.manage("/providers?detail=1")).must_be(200)
        stage.upstreams.broken = None

    return Scenario(
        name=f"in the background: {name}",
        play=play,
        has_file=True,
        settings=lambda _: {
            "discover-models": True,
            "health-check": {"enabled": True, "interval": 0.01},
        },
    )


OPERATOR_SCENARIOS: Final = (
    *(_misplaced(name) for name in _MISPLACED),
    *(_unreadable(name) for name in _UNREADABLE),
    Scenario(
        name="configuration: every secret changes", play=_change, second=_never, has_file=True, shows_all=True
    ),
    Scenario(
        name="management: every secret is written", play=_write, second=_never, has_file=True, shows_all=True
    ),
    Scenario(
        name="management: a key that the provider refuses",
        play=_test,
        has_file=True,
        first=key_refused,
        shows_all=True,
    ),
    Scenario(name="management: hostile requests", play=_hostile_bodies, has_file=True, shows_all=True),
    Scenario(name="management: wrong keys and addresses", play=_doors, shows_all=True),
    Scenario(
        name="management: a plain key is hashed",
        play=_management_key,
        has_file=True,
        settings=lambda owner: {"remote-management": {"secret-key": canary_text("management key", owner)}},
    ),
    _without_asking("providers list their models", None),
    _without_asking("no connection", httpx.ConnectError),
    _without_asking("a bug", ValueError),
)
"""Configuration, management API and background."""
