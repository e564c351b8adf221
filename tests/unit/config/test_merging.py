"""What is sent as JSON, written into the text of a configuration."""

from difflib import ndiff
from pathlib import Path
from typing import Any

import msgspec
import pytest

from packyproxy.config import Ambient, Config, ProviderConfig, Secret, config_from_mapping, parse_config
from packyproxy.config.codex_files import CodexProvider, CodexReading
from packyproxy.config.merging import config_text, patch_value, put_value
from packyproxy.config.view import config_view, packycode_view
from packyproxy.errors import ConfigError

EXAMPLE = (Path(__file__).parents[3] / "config.example.yaml").read_text()

TEXT = """\
# of the house
api-keys: ["client-canary-0001", "short", 'tall']   # of clients
packycode:
  enabled: true             # on
  base-url: https://A.test/v1/
  credentials:
    openai-api-key: 'sk-canary-0002'   # mine
  headers: {X-Team: blue-canary-0003, x-plain: p}
  compat: {buffer-tools: [Write, Read]}

tppc:
  providers:
    # the first
    - name: b
      api-key: sk-b
      base-url: "https://b.test/v1"   # of b
    # the second
    - {name: C, enabled: true, base-url: "https://c.test/v1", api-key: "canary-canary-000c"}
    - name: c
      weight: 2   # of the other c

model-map:
  "claude-*": gpt-5   # most
  "*": m
request-retry: 5   # so many
"""
SECOND = 'name: C, enabled: true, base-url: "https://c.test/v1", api-key: "canary-canary-000c"'
CONFIG = parse_config(TEXT)
VIEW: Any = msgspec.json.decode(msgspec.json.encode(config_view(CONFIG)))

Keys = tuple[str, ...]


def put(path: Keys, value: object, text: str = TEXT) -> str:
    """Return the text after a PUT."""
    return put_value(text, path, value, in_force=parse_config(text))


def patch(path: Keys, value: object, text: str = TEXT) -> str:
    """Return the text after a PATCH."""
    return patch_value(text, path, value, in_force=parse_config(text))


def difference(new: str, old: str = TEXT) -> list[str]:
    """Return the lines that went and those that came."""
    lines = ndiff(old.splitlines(), new.splitlines())
    return [line for line in lines if line.startswith(("-", "+"))]


def refusals(function: Any, path: Keys, value: object) -> list[tuple[str, str]]:
    """Return the field and the code of every problem."""
    with pytest.raises(ConfigError) as refused:
        function(path, value)
    assert "canary" not in str(refused.value)
    return [(problem.field, problem.code) for problem in refused.value.problems]


def without(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a mapping without some keys."""
    return {name: item for name, item in value.items() if name not in keys}


@pytest.mark.parametrize(
    "text", [TEXT, EXAMPLE, "", "# nothing\n"], ids=["own", "example", "empty", "comment"]
)
def test_what_is_shown_changes_nothing(text: str) -> None:
    """PUT and PATCH of the whole view leave the text as it is, in its own spelling."""
    view = msgspec.json.decode(msgspec.json.encode(config_view(parse_config(text))))
    assert [text, text] == [put((), view, text), patch((), view, text)]


def test_a_block_that_is_not_there_changes_nothing_either() -> None:
    """It is shown as its defaults, and those are what is in force."""
    view = packycode_view(ProviderConfig(kind="packycode", name="packycode"))
    assert "" == put(("packycode",), msgspec.json.decode(msgspec.json.encode(view)), "")


@pytest.mark.parametrize(
    ("path", "value", "lines"),
    [
        pytest.param(
            ("request-retry",),
            3,
            ["- request-retry: 5   # so many", "+ request-retry: 3   # so many"],
            id="number",
        ),
        pytest.param(("debug",), True, ["+ debug: true"], id="new-key"),
        pytest.param(("debug",), False, [], id="default"),
        pytest.param(
            ("routing", "strategy"),
            "round-robin",
            ["+ ", "+ routing:", '+   strategy: "round-robin"'],
            id="new-block",
        ),
        pytest.param(
            ("packycode",),
            {**VIEW["packycode"], "enabled": False, "sources": {"enabled": "env"}},
            ["-   enabled: true             # on", "+   enabled: false            # on"],
            id="one-of-a-block",
        ),
        pytest.param(
            ("packycode",),
            {**VIEW["packycode"], "headers": {"X-Team": "***0003", "x-new": "n"}},
            [
                "-   headers: {X-Team: blue-canary-0003, x-plain: p}",
                '+   headers: {X-Team: blue-canary-0003, x-new: "n"}',
            ],
            id="headers",
        ),
        pytest.param(
            ("packycode",),
            without(VIEW["packycode"], "compat"),
            ["-   compat: {buffer-tools: [Write, Read]}", "+   compat: {}"],
            id="left-out",
        ),
        pytest.param(
            ("packycode",),
            {**VIEW["packycode"], "compat": {"buffer-tools": ["Read", "Write", "Bash"]}},
            [
                "-   compat: {buffer-tools: [Write, Read]}",
                "+   compat: {buffer-tools: [Read, Write, Bash]}",
            ],
            id="list",
        ),
        pytest.param(
            ("model-map",),
            {"*": "m", "claude-*": "gpt-5"},
            [
                '-   "claude-*": gpt-5   # most',
                '-   "*": m',
                '+   "*": "m"',
                '+   "claude-*": "gpt-5"',
            ],
            id="order-of-globs",
        ),
        pytest.param(
            ("model-map",),
            {"claude-*": "gpt-5", "*": "m", "x": "y"},
            ['+   x: "y"'],
            id="another-glob",
        ),
    ],
)
def test_only_what_is_other_is_written(path: Keys, value: object, lines: list[str]) -> None:
    """A PUT changes single values where they stand."""
    assert lines == difference(put(path, value))


def test_a_line_that_says_the_default_stays() -> None:
    """A key that is left out means its default, which the line says already; its comment is not lost."""
    new = put(("packycode",), {"enabled": True, "base-url": "https://a.test"}, EXAMPLE)
    assert ["enabled: true", 'base-url: "https://a.test"'] == [
        " ".join(line[1:].partition("#")[0].split()) for line in difference(new, EXAMPLE) if line[0] == "+"
    ]


def test_a_block_that_is_left_out_of_the_whole_goes() -> None:
    """Whether there is a packycode block is something that the whole says."""
    config = parse_config(put((), without(VIEW, "packycode")))
    assert ["b", "C", "c"] == [provider.name for provider in config.providers]


def entries(*names: str) -> dict[str, Any]:
    """Return the block of these providers as they are shown."""
    by_name = {entry["name"]: entry for entry in VIEW["tppc"]["providers"]}
    return {"providers": [by_name[name] for name in names]}


NEW = {"name": "d", "enabled": True, "base-url": "https://d.test/v1", "api-key": "sk-d", "weight": 1}


@pytest.mark.parametrize(
    ("value", "kept", "names"),
    [
        (entries("b", "C"), ["# the first", "# of b", "# the second"], ["b", "C"]),
        (entries("C", "c"), ["# the second", "# of the other c"], ["C", "c"]),
        (
            {"providers": [*entries("b", "C", "c")["providers"], NEW]},
            ["# of b", "# of the other c"],
            ["b", "C", "c", "d"],
        ),
        (entries("b", "c", "C"), ["# of b"], ["b", "c", "C"]),
        (entries("C", "b"), [], ["C", "b"]),
        ({"providers": [NEW, *entries("b")["providers"]]}, [], ["d", "b"]),
        ({"providers": []}, [], []),
    ],
    ids=["tail", "head", "added", "swapped", "moved", "in-front", "none"],
)
def test_a_list_of_providers_is_replaced(value: Any, kept: list[str], names: list[str]) -> None:
    """It becomes what was sent, with its keys; entries in their old order keep their comments."""
    new = put(("tppc",), value)
    config = parse_config(new)
    tppc = [provider for provider in config.providers if provider.kind == "tppc"]
    assert names == [provider.name for provider in tppc]
    assert [comment for comment in kept if comment not in new] == []
    known = {provider.name: provider.api_key for provider in CONFIG.providers}
    assert [known.get(provider.name, Secret("sk-d")) for provider in tppc] == [
        provider.api_key for provider in tppc
    ]


def test_a_new_provider_is_written_without_its_defaults() -> None:
    """Whoever copies a whole view does not fill the file with what is the case anyway."""
    full = {**entries("b")["providers"][0], **NEW}
    assert [
        '+     - name: "d"',
        "+       enabled: true",
        '+       base-url: "https://d.test/v1"',
        '+       api-key: "sk-d"',
    ] == difference(patch(("tppc",), {"providers": [full]}))


@pytest.mark.parametrize(
    ("entry", "lines"),
    [
        (
            {"name": "B", "base-url": "https://x.test"},
            [
                '-       base-url: "https://b.test/v1"   # of b',
                '+       base-url: "https://x.test"      # of b',
            ],
        ),
        ({"name": "c", "weight": 3}, [f"-     - {{{SECOND}}}", f"+     - {{{SECOND}, weight: 3}}"]),
        (
            {"name": "b", "api-key": "***", "headers": {"x": "y"}},
            ["+       headers:", '+         x: "y"'],
        ),
    ],
    ids=["case", "the-enabled-one", "mask"],
)
def test_a_provider_is_patched_by_name(entry: dict[str, Any], lines: list[str]) -> None:
    """Only its own keys change, and its name keeps its spelling."""
    assert lines == difference(patch(("tppc",), {"providers": [entry]}))


def test_of_providers_that_are_all_disabled_the_first_is_patched() -> None:
    """Names are unique among enabled providers only."""
    text = "tppc:\n  providers:\n    - {name: c, weight: 1}\n    - {name: c, weight: 2}\n"
    new = patch(("tppc",), {"providers": [{"name": "c", "weight": 5}]}, text)
    assert text.replace("weight: 1", "weight: 5") == new


def test_two_new_providers_are_added() -> None:
    """To a file that has no list of them, too."""
    new = patch(("tppc",), {"providers": [NEW, {**NEW, "name": "e"}]}, "debug: true\n")
    assert ["d", "e"] == [provider.name for provider in parse_config(new).providers]


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"defaults": {"model": "m"}}, ["+   defaults:", '+     model: "m"']),
        (
            {"headers": {"x-team": "***0003", "x-new": "n"}},
            [
                "-   headers: {X-Team: blue-canary-0003, x-plain: p}",
                '+   headers: {X-Team: blue-canary-0003, x-plain: p, x-new: "n"}',
            ],
        ),
        (
            {"compat": {"buffer-tools": ["Bash"]}},
            ["-   compat: {buffer-tools: [Write, Read]}", "+   compat: {buffer-tools: [Bash]}"],
        ),
        ({}, []),
    ],
    ids=["mapping", "headers-in-any-case", "list", "nothing"],
)
def test_a_block_is_patched_key_by_key(value: object, lines: list[str]) -> None:
    """Mappings are merged, lists replaced, and what was not sent stays."""
    assert lines == difference(patch(("packycode",), value))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (["***0001", "***", "***"], ["client-canary-0001", "short", "tall"]),
        (["***", "***0001", "***"], ["short", "client-canary-0001", "tall"]),
        (["new-key", "***", "***"], ["new-key", "short", "tall"]),
        (["***0001"], ["client-canary-0001"]),
        (["***0001", "tall"], ["client-canary-0001", "tall"]),
        ([], []),
    ],
    ids=["same", "moved", "replaced", "others-removed", "one-of-two-alike", "none"],
)
def test_masks_of_client_keys_are_their_keys(sent: list[str], expected: list[str]) -> None:
    """A mask stands for its key wherever it is in the list."""
    config = parse_config(put(("api-keys",), sent))
    assert expected == [key.reveal() for key in config.api_keys]


@pytest.mark.parametrize(
    ("function", "path", "value", "expected"),
    [
        (put, ("api-keys",), ["***9999"], [("api-keys[0]", "masked")]),
        (put, ("api-keys",), ["***0001", "***"], [("api-keys[1]", "masked")]),
        (put, ("api-keys",), ["***", "***", "***"], [("api-keys[2]", "masked")]),
        (
            patch,
            ("packycode",),
            {"proxy-url": "***3128", "credentials": {"openai-api-key": "***"}},
            [("packycode.proxy-url", "masked"), ("packycode.credentials.openai-api-key", "masked")],
        ),
        (
            put,
            ("tppc",),
            {"providers": [{"name": "new", "api-key": "***000c"}]},
            [("tppc.providers[0].api-key", "masked")],
        ),
        (
            patch,
            ("tppc",),
            {"providers": [{"api-key": "x"}, 5, {"name": "n"}, {"name": "N"}, {"name": 7}]},
            [
                ("tppc.providers[0].name", "missing"),
                ("tppc.providers[1]", "wrong_type"),
                ("tppc.providers[3].name", "duplicate_name"),
                ("tppc.providers[4].name", "missing"),
            ],
        ),
        (
            patch,
            ("packycode",),
            {"enabled": None, "defaults": {"model": None}, "headers": {"X-Team": None}},
            [
                ("packycode.enabled", "null"),
                ("packycode.defaults.model", "null"),
                ("packycode.headers.X-Team", "null"),
            ],
        ),
        (put, ("debug",), None, [("debug", "null")]),
        (put, (), [], [("", "wrong_type")]),
        (patch, (), None, [("", "wrong_type")]),
        (put, ("port",), 10**40, [("port", "out_of_range")]),
        (put, ("port",), float("inf"), [("port", "out_of_range")]),
        (put, (), {"x" * 300: 1}, [("", "unknown_key")]),
        (put, (), {"\0" * 200: 1}, [("", "unknown_key")]),
        (put, (), {"a": "\ud800"}, [("a", "invalid")]),
        (put, (), {"a": ["x"] * 60_000}, [("", "too_complex")]),
        (put, ("packycode",), {"a": "x" * 600_000}, [("packycode", "too_complex")]),
    ],
    ids=[
        "unknown-mask",
        "ambiguous-mask",
        "mask-too-many",
        "masks-elsewhere",
        "mask-of-another",
        "entries",
        "null",
        "null-alone",
        "list-for-all",
        "null-for-all",
        "huge",
        "infinite",
        "long-key",
        "unprintable-key",
        "half-a-character",
        "many-values",
        "long-text",
    ],
)
def test_what_cannot_be_meant_is_refused(
    function: Any, path: Keys, value: object, expected: list[tuple[str, str]]
) -> None:
    """Every problem has its place, and no text of one repeats what was sent."""
    assert expected == refusals(function, path, value)


def test_what_is_shown_of_a_large_file_is_not_too_much() -> None:
    """Four hundred providers come back as they are; an answer shows many more values than the file has."""
    text = "tppc:\n  providers:\n" + "".join(f"    - {{name: p{number}}}\n" for number in range(400))
    shown = msgspec.to_builtins(config_view(parse_config(text)))
    assert text == put((), shown, text)


def test_what_is_nested_too_deep_is_refused() -> None:
    """Before anything recurses into it."""
    value: object = 1
    for _ in range(2000):
        value = [value]
    assert [("debug", "too_complex")] == refusals(put, ("debug",), value)


@pytest.mark.parametrize(
    ("path", "value", "fields"),
    [
        (("packycode",), 5, ["packycode"]),
        (("packycode",), {"bas-url": "x"}, ["packycode.bas-url"]),
        (("tppc",), {"providers": {"a": 1}}, ["tppc.providers"]),
        (
            ("tppc",),
            {"providers": [[], {"name": "x", "weight": "y"}]},
            ["tppc.providers[0]", "tppc.providers[1].weight"],
        ),
        (("debug",), 1, ["debug"]),
        (("request-retry",), True, ["request-retry"]),
        (("routing", "strategy"), {"a": []}, ["routing.strategy"]),
        ((), {"nothing-known": {}}, ["nothing-known"]),
    ],
    ids=["block", "key", "list", "entries", "flag", "number", "choice", "unknown"],
)
def test_what_is_wrong_is_left_to_the_validator(path: Keys, value: object, fields: list[str]) -> None:
    """It is written as it was sent, so that the problem is found at its place."""
    with pytest.raises(ConfigError) as refused:
        parse_config(put(path, value, "port: 1\n"))
    assert fields == [problem.field for problem in refused.value.problems]


ENVIRONMENT = Ambient({"PACKYCODE_API_KEY": "env-canary-0001", "PACKYCODE_BASE_URL": "https://env.test"})


def test_what_the_environment_gave_stays_out_of_the_file() -> None:
    """A block that is sent back with one change has that change alone written."""
    text = "packycode: {enabled: true}\n"
    config = parse_config(text, ambient=ENVIRONMENT)
    view = msgspec.json.decode(msgspec.json.encode(packycode_view(config.providers[0])))
    assert "***0001" == view["credentials"]["openai-api-key"]
    new = put_value(text, ("packycode",), {**view, "weight": 2}, in_force=config)
    assert "packycode: {enabled: true, weight: 2}\n" == new


def test_headers_of_the_codex_cli_are_written_whole() -> None:
    """A file's own headers stand in place of all of those, so that one more must not lose the others."""
    provider = CodexProvider(
        name="x",
        base_url="https://a.test",
        key=Secret("codex-canary-0001"),
        model=None,
        effort=None,
        headers={"x-codex": "header-canary-0002"},
    )
    ambient = Ambient({}, CodexReading(provider=provider))
    text = "packycode: {enabled: true}\n"
    config = parse_config(text, ambient=ambient)
    new = patch_value(
        text, ("packycode",), {"headers": {"X-Codex": "***0002", "x-own": "o"}}, in_force=config
    )
    after = parse_config(new, ambient=ambient).providers[0]
    assert {"x-codex": "header-canary-0002", "x-own": "o"} == dict(after.headers)
    assert "codex-canary" not in new


def test_what_is_in_force_in_spite_of_the_file_stays_out_of_it() -> None:
    """A command line stands over the file; what was shown of it is not written."""
    in_force = config_from_mapping({"port": 9999})
    assert "port: 1\n" == put_value("port: 1\n", ("port",), 9999, in_force=in_force)
    assert "port: 1\n" == put_value("port: 1\n", ("port",), 1, in_force=in_force)
    assert "port: 2\n" == put_value("port: 1\n", ("port",), 2, in_force=in_force)


def test_a_wrong_value_is_mended_by_the_default() -> None:
    """Where the file is wrong, what is in force is no reason to leave it."""
    assert "debug: false\n" == put_value("debug: maybe\n", ("debug",), value=False, in_force=Config())
    text = "routing: fast\n"
    new = put_value(text, (), {"routing": {"strategy": "fill-first"}}, in_force=Config())
    assert "routing: {}\n" == new


def test_a_text_that_cannot_be_read_is_not_changed() -> None:
    """Its own problems are told."""
    with pytest.raises(ConfigError) as refused:
        put_value("a: [", ("debug",), value=True, in_force=Config())
    assert ["yaml_syntax"] == [problem.code for problem in refused.value.problems]


def test_an_alias_is_not_changed() -> None:
    """A change would be one of something else too."""
    text = "tppc:\n  providers:\n    - {name: a, defaults: &d {model: m}}\n    - {name: b, defaults: *d}\n"
    with pytest.raises(ConfigError) as refused:
        patch(("tppc",), {"providers": [{"name": "b", "defaults": {"model": "n"}}]}, text)
    assert ["cannot_edit"] == [problem.code for problem in refused.value.problems]


def test_the_text_of_a_configuration_is_short() -> None:
    """It says what differs from the defaults, and that there is a packycode block."""
    config = config_from_mapping(
        {"packycode": {"weight": 2}, "tppc": {"providers": [{"name": "b"}]}, "port": 1}
    )
    assert (
        'port: 1\npackycode:\n  enabled: false\n  weight: 2\ntppc:\n  providers:\n    - name: "b"\n'
        == config_text(config)
    )
    assert "" == config_text(Config())


def test_many_that_go_take_their_comments_along() -> None:
    """Entry by entry, each would be looked for in what the one before leaves; the list is written anew."""
    lines = "".join(f"  - key-{number:02}   # of {number}\n" for number in range(30))
    kept = [f"key-{number:02}" for number in range(20)]
    assert "# of 29" not in put(("api-keys",), kept, f"api-keys:\n{lines}")
    assert ["key-00"] == [
        key.reveal() for key in parse_config(put(("api-keys",), ["key-00"], f"api-keys:\n{lines}")).api_keys
    ]
    assert "# of 19" in put(("api-keys",), kept, f"api-keys:\n{lines}")
    headers = "".join(f"    x-{number:02}: v\n" for number in range(30))
    text = f"packycode:\n  headers:\n{headers}"
    assert 'packycode:\n  headers:\n    x-01: "v"\n' == put(("packycode",), {"headers": {"x-01": "v"}}, text)
    assert "packycode:\n  headers: {}\n" == put(("packycode",), {}, text)
