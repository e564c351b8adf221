"""What differs between two configurations, and how it is said."""

import re
from typing import Any

import msgspec
import pytest

from packyproxy.config import Config, ModelConfig, ProviderConfig, Secret, config_from_mapping
from packyproxy.config.changes import Change, changes
from packyproxy.config.document import Document
from packyproxy.config.secret import HeaderMap
from packyproxy.config.section import Findings
from packyproxy.config.validate import read_config

NO_SETTINGS = {"wire-api", "privacy", "privacy.disable-response-storage"}
"""Keys of the packycode block that have one value."""


def provider_mapping(number: int) -> dict[str, Any]:
    """Return every key that both kinds of provider share; no value is the same for two numbers."""
    is_odd = bool(number % 2)
    return {
        "enabled": is_odd,
        "base-url": f"https://{number}.example/v1",
        "requires-openai-auth": is_odd,
        "defaults": {
            "model": f"m-{number}",
            "model-reasoning-effort": "low" if is_odd else "high",
            "small-model": f"s-{number}",
        },
        "models": [
            {
                "id": "m",
                "aliases": [f"a-{number}"],
                "efforts": ["low"] if is_odd else ["high"],
                "context-window": 1000 + number,
            }
        ],
        "headers": {"x-team": f"team-{number}"},
        "proxy-url": f"http://{number}.example:1",
        "priority": number,
        "weight": 1 + number,
        "profile": {
            "max-output-tokens": is_odd,
            "sampling": is_odd,
            "web-search": is_odd,
            "tool-output-media": is_odd,
            "item-ids": is_odd,
            "phase": "on" if is_odd else "off",
            "system-as": "developer" if is_odd else "instructions",
            "compact": is_odd,
            "reasoning-scope": f"scope-{number}",
        },
        "compat": {"buffer-tools": [f"Tool{number}"], "chat-reasoning": is_odd},
    }


def whole_mapping(number: int) -> dict[str, Any]:
    """Return a file with every key; no value is the same for two numbers."""
    is_odd = bool(number % 2)
    return {
        "host": f"127.0.0.{number}",
        "port": number,
        "api-keys": [f"client-key-{number}"],
        "remote-management": {"secret-key": f"secret-{number}", "allow-remote": is_odd},
        "packycode": {"credentials": {"openai-api-key": f"key-{number}"}, **provider_mapping(number)},
        "tppc": {"providers": [{"name": "b", "api-key": f"key-{number}", **provider_mapping(number)}]},
        "routing": {
            "strategy": "round-robin" if is_odd else "fill-first",
            "session-affinity": is_odd,
            "hedge-after": number,
        },
        "request-retry": number,
        "max-retry-interval": number,
        "streaming": {
            "commit-deadline": number,
            "keepalive-seconds": number,
            "headers-timeout": number,
            "idle-timeout": number,
            "total-timeout": number,
        },
        "model-map": {"claude-*": f"m-{number}"},
        "health-check": {"enabled": is_odd, "interval": number},
        "discover-models": is_odd,
        "metrics": is_odd,
        "expose-route-headers": is_odd,
        "cors-origins": [f"https://{number}.example"],
        "max-body-bytes": 2000 + number,
        "log-format": "json" if is_odd else "console",
        "tps-log": is_odd,
        "request-log": is_odd,
        "debug": is_odd,
    }


def shown(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [str(change) for change in changes(config_from_mapping(old), config_from_mapping(new))]


def with_tppc(**more: Any) -> dict[str, Any]:
    return {"tppc": {"providers": [{"name": "b", **more}]}}


def known_keys() -> set[str]:
    """Return the path of every key that the validator looks for, without list indexes and free names."""
    document = Document(root=whole_mapping(1))
    findings = Findings(document)
    read_config(findings, document.root, "dict")
    assert [] == findings.problems
    paths = {re.sub(r"\[\d+\]", "", path) for path in findings.known_paths}
    return {path for path in paths if path.split(".")[-1] not in {"x-team", "claude-*", "name", "id"}}


def test_every_key_of_the_schema_that_changes_shows_up() -> None:
    """Between two files that differ in everything, each key that the validator knows has its line."""
    found = changes(config_from_mapping(whole_mapping(1)), config_from_mapping(whole_mapping(2)))
    said = {re.sub(r"\[[^\]]*\]", "", change.field) for change in found}
    keys = known_keys()
    sections = {path.rpartition(".")[0] for path in keys} | {
        "tppc",
        "packycode.models",
        "tppc.providers.models",
    }
    silent = {f"packycode.{key}" for key in NO_SETTINGS}
    assert keys - sections - silent == said


def test_a_new_default_in_a_struct_is_covered_unasked() -> None:
    """Every field of the configuration's own struct, but where it came from, is compared."""
    different = {field.name: object() for field in msgspec.structs.fields(Config)}
    plain = Config()
    silent = [
        name
        for name, value in different.items()
        if not changes(plain, msgspec.structs.replace(plain, **{name: value}))
    ]
    assert ["source"] == silent


def test_equal_configurations_have_no_changes() -> None:
    """The same file read twice differs in nothing, wherever it was read from."""
    first = config_from_mapping(whole_mapping(1))
    assert () == changes(first, msgspec.structs.replace(first, source="elsewhere"))


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        pytest.param({}, {"debug": True}, ["debug: false -> true"], id="flag"),
        pytest.param({}, {"port": 9000}, ["port: 8317 -> 9000"], id="number"),
        pytest.param({}, {"max-retry-interval": 2.5}, ["max-retry-interval: 30 -> 2.5"], id="seconds"),
        pytest.param({}, {"routing": {"hedge-after": 2}}, ["routing.hedge-after: unset -> 2"], id="unset"),
        pytest.param(
            {"packycode": {}},
            {"packycode": {"base-url": "https://a.example"}},
            ['packycode.base-url: "" -> https://a.example'],
            id="empty",
        ),
        pytest.param(
            with_tppc(**{"base-url": "https://a.example"}),
            with_tppc(**{"base-url": "https://b.example"}),
            ["tppc.providers[b].base-url: https://a.example -> https://b.example"],
            id="by-name",
        ),
        pytest.param(
            {"model-map": {"claude-*": "a", "x*": "b"}},
            {"model-map": {"claude-*": "c", "y*": "b"}},
            ["model-map[claude-*]: a -> c", "model-map[x*]: removed (b)", "model-map[y*]: added (b)"],
            id="model-map",
        ),
        pytest.param(
            {"model-map": {"a*": "m", "b*": "m"}},
            {"model-map": {"b*": "m", "a*": "m"}},
            ["model-map: [a*, b*] -> [b*, a*]"],
            id="order-of-globs",
        ),
        pytest.param(
            {"cors-origins": ["https://a.example"]},
            {"cors-origins": ["https://a.example", "https://b.example"]},
            ["cors-origins[https://b.example]: added"],
            id="list",
        ),
        pytest.param(
            {"cors-origins": ["https://a.example"]},
            {"cors-origins": ["https://a.example", "https://a.example"]},
            ["cors-origins[https://a.example#2]: added"],
            id="list-with-a-repeat",
        ),
        pytest.param(
            {"packycode": {"models": ["a"]}},
            {"packycode": {"models": [{"id": "a", "aliases": ["x"]}, "b"]}},
            ["packycode.models[a].aliases[x]: added", "packycode.models[b]: added"],
            id="models",
        ),
        pytest.param(
            {"packycode": {}},
            {"packycode": {"models": ["a", "b*"]}},
            ["packycode.models: unset -> [a, b*]"],
            id="first-models",
        ),
        pytest.param(
            {"packycode": {"compat": {"buffer-tools": ["Read"]}}},
            {"packycode": {"compat": {"buffer-tools": ["Edit"]}}},
            ["packycode.compat.buffer-tools[Read]: removed", "packycode.compat.buffer-tools[Edit]: added"],
            id="set",
        ),
        pytest.param(
            {"packycode": {"profile": {"reasoning-scope": "a\nb"}}},
            {"packycode": {"profile": {"reasoning-scope": "c"}}},
            ['packycode.profile.reasoning-scope: "a\\nb" -> c'],
            id="line-break",
        ),
        pytest.param({}, {"packycode": {}}, ["packycode: added"], id="block-added"),
    ],
)
def test_a_change_is_one_line(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    """A change names its key as the file does, and shows both values."""
    assert lines == shown(old, new)


def test_changes_stand_in_the_order_of_the_schema() -> None:
    """However a file orders its keys, the lines come in one order."""
    fields = [change.field for change in changes(Config(), config_from_mapping({"debug": True, "port": 1}))]
    assert ["port", "debug"] == fields


def test_providers_are_added_and_removed_as_wholes() -> None:
    """A provider that is new or gone is one line, and the others keep their identity."""
    old = {"tppc": {"providers": [{"name": "a"}, {"name": "b"}]}}
    new = {"tppc": {"providers": [{"name": "b", "priority": 2}, {"name": "c", "priority": 1}]}}
    assert [
        "tppc.providers[a]: removed",
        "tppc.providers[b].priority: 0 -> 2",
        "tppc.providers[c]: added",
    ] == shown(old, new)


def test_the_order_of_providers_is_a_change() -> None:
    """Providers of one priority are asked in the file's order, so a swap has its line."""
    old = {"tppc": {"providers": [{"name": "a"}, {"name": "b"}]}}
    new = {"tppc": {"providers": [{"name": "b"}, {"name": "a"}]}}
    assert ["tppc.providers: [a, b] -> [b, a]"] == shown(old, new)


def test_disabled_providers_may_share_a_name_or_have_none() -> None:
    """Entries that the name does not tell apart are told apart by their order."""
    old = {"tppc": {"providers": [{"name": "a"}, {"name": "a"}, {}]}}
    new = {"tppc": {"providers": [{"name": "a"}, {"name": "a", "weight": 2}, {"weight": 3}]}}
    assert ["tppc.providers[a#2].weight: 1 -> 2", "tppc.providers[#1].weight: 1 -> 3"] == shown(old, new)


def test_a_tppc_entry_called_packycode_is_not_the_block() -> None:
    """Moving the block to the list takes one provider away and brings another."""
    new = {"tppc": {"providers": [{"name": "packycode"}]}}
    assert ["packycode: removed", "tppc.providers[packycode]: added"] == shown({"packycode": {}}, new)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("sk-aaaaaaaaaa1111", "sk-aaaaaaaaaa2222", "***1111 -> ***2222"),
        ("short", "brief", "*** -> *** (changed)"),
        ("sk-aaaaaaaaaa1111", "sk-bbbbbbbbbb1111", "***1111 -> ***1111 (changed)"),
        (None, "sk-aaaaaaaaaa1111", "unset -> ***1111"),
    ],
    ids=["long", "short", "same-ending", "new"],
)
def test_keys_are_masked(old: str | None, new: str, line: str) -> None:
    """A key shows its mask, and a change that the masks do not show is said in words."""
    before, after = (with_tppc(**({"api-key": key} if key else {})) for key in (old, new))
    assert [f"tppc.providers[b].api-key: {line}"] == shown(before, after)


def test_client_keys_are_masked() -> None:
    """A client key is known by its mask."""
    old, new = {"api-keys": ["client-key-0001"]}, {"api-keys": ["client-key-0001", "short"]}
    assert ["api-keys[***]: added"] == shown(old, new)


def test_headers_show_their_names_only() -> None:
    """The value of a header may be a key, whatever its name."""
    old = {"packycode": {"headers": {"x-a": "canary-1", "x-b": "canary-2"}}}
    new = {"packycode": {"headers": {"x-a": "canary-3", "x-c": "canary-4-and-long"}}}
    assert [
        "packycode.headers[x-a]: *** -> *** (changed)",
        "packycode.headers[x-b]: removed",
        "packycode.headers[x-c]: added",
    ] == shown(old, new)


def test_no_secret_can_be_reached_through_a_change() -> None:
    """A change holds texts that may be shown, and nothing else."""
    canary = "canary-canary-canary"
    secret = Secret(canary)
    provider = ProviderConfig(
        kind="tppc", name="b", api_key=secret, proxy_url=secret, headers=HeaderMap({"x": canary})
    )
    full = Config(api_keys=(secret,), providers=(provider,))
    bare = Config(providers=(ProviderConfig(kind="tppc", name="b"),))
    found = [*changes(bare, full), *changes(full, bare), *changes(full, Config())]
    held = [getattr(change, name) for change in found for name in change.__struct_fields__]
    assert {str, bool, type(None)} == {type(value) for value in held}
    assert [] == [value for value in held if canary in str(value)]


def test_host_and_port_need_a_restart() -> None:
    """A listening socket stays where it is; everything else takes effect as it is."""
    found = changes(config_from_mapping(whole_mapping(1)), config_from_mapping(whole_mapping(2)))
    assert ["host", "port"] == [change.field for change in found if change.needs_restart]


def test_a_value_of_an_unforeseen_type_is_not_shown() -> None:
    """What cannot be told to be harmless is masked."""
    old = Config(providers=(ProviderConfig(kind="tppc", name="b", models=(ModelConfig(id="a"),)),))
    new = msgspec.structs.replace(old, host=object())
    assert (Change(field="host", old="127.0.0.1", new="***", needs_restart=True),) == changes(old, new)


def test_going_back_to_what_is_served_needs_no_restart() -> None:
    """A port that is set back to the one that the server listens on is as it was."""
    served, other = Config(port=1), Config(port=2)
    found = [changes(served, other, served=served), changes(other, served, served=served)]
    assert [True, False] == [change.needs_restart for (change,) in found]
