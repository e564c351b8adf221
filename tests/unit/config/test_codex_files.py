"""The files of the Codex CLI: which provider they describe, and why one is not used."""

import json
from pathlib import Path
from typing import Any

import pytest

from packyproxy.config.codex_files import (
    CodexProvider,
    CodexReading,
    codex_files,
    read_codex,
    read_codex_files,
)
from packyproxy.config.secret import HeaderMap, Secret

KEY = "canary-key-0123456789"
AUTH = json.dumps({"OPENAI_API_KEY": KEY}).encode()
SELECTED = 'model_provider = "relay"\n'
TABLE = '[model_providers.relay]\nbase_url = "https://relay.example/v1"\n'
RELAY = f"\n{SELECTED}{TABLE}"


def read(config: str, auth: bytes | None = None, **environ: str) -> CodexReading:
    return read_codex(config.encode(), auth, environ)


def provider_of(config: str, auth: bytes | None = None, **environ: str) -> CodexProvider:
    provider = read(config, auth, **environ).provider
    assert provider is not None
    return provider


def test_all_of_a_provider_is_read() -> None:
    """Every key that means something here reaches its place; the others are left alone."""
    reading = read(
        """
        model = "gpt-5.1-codex"
        model_provider = "my relay"
        model_reasoning_effort = "medium"
        approval_policy = "never"
        [model_providers."my relay"]
        name = "My Relay"
        base_url = "HTTPS://Relay.Example/v1/"
        env_key = "RELAY_KEY"
        wire_api = "responses"
        http_headers = { "X-Team" = "blue", "x-user" = "old" }
        env_http_headers = { "X-User" = "WHO", "x-none" = "UNSET" }
        query_params = {}
        request_max_retries = 4
        [projects."/home/me/p"]
        trust_level = "trusted"
        """,
        RELAY_KEY=f" {KEY}\n",
        WHO="me",
    )
    notes = ("config.toml: model_providers.***.env_http_headers names $UNSET, which is not set",)
    expected = CodexProvider(
        name="my relay",
        base_url="https://relay.example/v1",
        key=Secret(KEY),
        model="gpt-5.1-codex",
        effort="medium",
        headers=HeaderMap({"X-Team": "blue", "X-User": "me"}),
        requires_key=True,
        notes=notes,
    )
    assert CodexReading(provider=expected, notes=notes) == reading


@pytest.mark.parametrize(
    ("lines", "auth", "environ", "expected"),
    [
        ('env_key = "K"', None, {"K": KEY}, KEY),
        (f'experimental_bearer_token = "{KEY}"', None, {}, KEY),
        ("requires_openai_auth = true", AUTH, {}, KEY),
        ('env_key = "K"\nrequires_openai_auth = true', AUTH, {"K": "from-env"}, "from-env"),
        ('env_key = "K"\nexperimental_bearer_token = "t"', None, {}, None),
        ("requires_openai_auth = true", b"\xef\xbb\xbf" + AUTH, {}, KEY),
        ("", AUTH, {}, None),
        ("requires_openai_auth = false", AUTH, {}, None),
        ("requires_openai_auth = true", None, {"OPENAI_API_KEY": KEY}, None),
        ('env_key = "OPENAI_API_KEY"', AUTH, {"OPENAI_API_KEY": KEY}, None),
        ('env_key = " openai_api_key "', AUTH, {"OPENAI_API_KEY": KEY, " openai_api_key ": KEY}, None),
    ],
    ids=[
        "variable",
        "token",
        "auth.json",
        "variable first",
        "variable without fallback",
        "byte order mark",
        "auth.json is for OpenAI",
        "auth.json is refused",
        "ambient key",
        "ambient key by name",
        "ambient key, another case",
    ],
)
def test_the_key_comes_from_where_codex_takes_it(
    lines: str, auth: bytes | None, environ: dict[str, str], expected: str | None
) -> None:
    """The order is Codex's own; the ambient key for OpenAI is never taken."""
    key = provider_of(RELAY + lines, auth, **environ).key
    assert expected == (key.reveal() if key else None)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", False),
        ("requires_openai_auth = true", True),
        ('env_key = "K"', True),
        ('experimental_bearer_token = "t"', True),
        ('auth = { command = "get-token" }', True),
    ],
    ids=["none", "auth.json", "variable", "token", "command"],
)
def test_a_provider_may_need_no_key(lines: str, expected: bool) -> None:
    """An entry without any credential is one that Codex asks without."""
    assert expected == provider_of(RELAY + lines).requires_key


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            'profile = "work"\nmodel = "a"\nprofiles.work = { model = "b", model_provider = "relay" }\n'
            + RELAY.replace('"relay"', '"openai"'),
            ("relay", "https://relay.example/v1", "b"),
        ),
        (
            'model = "a"\nopenai_base_url = "https://relay.example"',
            ("openai", "https://relay.example", "a"),
        ),
    ],
    ids=["profile", "openai_base_url"],
)
def test_the_selected_provider_is_found(config: str, expected: tuple[str, str, str]) -> None:
    """A profile overrides what stands above it; OpenAI's own entry may have been pointed elsewhere."""
    provider = provider_of(config, AUTH)
    assert expected == (provider.name, provider.base_url, provider.model)


ENTRY = "config.toml: model_providers.relay"
NEVER_SENT = (
    " names OPENAI_API_KEY, which is never sent to a third party: set PACKYCODE_API_KEY to the provider's key"
)


@pytest.mark.parametrize(
    ("config", "note"),
    [
        ("", "config.toml: OpenAI itself is selected, which is no third-party provider"),
        ('model_provider = "openai"', "config.toml: OpenAI itself is selected, which is no third-party provider"),
        ('model_provider = "relay"', f"{ENTRY} is selected but not there"),
        ('model_provider = "relay"\nmodel_providers = 5', "config.toml: model_providers is not a table"),
        (
            'model_provider = "amazon-bedrock"',
            "config.toml: model_providers.amazon-bedrock is built into the Codex CLI, which alone knows how to reach it",
        ),
        ('model_provider = "sk-secret"', "config.toml: model_providers.*** is selected but not there"),
        ("model_provider = 5", "config.toml: model_provider is not text"),
        ('profile = "work"', "config.toml: profile names no entry of profiles"),
        ('openai_base_url = "https://api.openai.com/v1"', "config.toml: openai_base_url is OpenAI itself, which is no third-party provider"),
        (
            '[model_providers.relay]\n[model_providers.openai]\nbase_url = "https://x.example"',
            "config.toml: OpenAI itself is selected, which is no third-party provider",
        ),
        (
            RELAY.replace("base_url", "name"),
            f"{ENTRY}.base_url is missing, which stands for OpenAI itself: no third-party provider",
        ),
        (RELAY.replace("https://", ""), f"{ENTRY}.base_url: not an http(s) URL"),
        (RELAY.replace('"https://relay.example/v1"', "true"), f"{ENTRY}.base_url is not text"),
        (RELAY.replace("relay.example", "api.openai.com."), f"{ENTRY}.base_url is OpenAI itself, which is no third-party provider"),
        (RELAY.replace("relay.example", "CHATGPT.com"), f"{ENTRY}.base_url is OpenAI itself, which is no third-party provider"),
        (RELAY + 'wire_api = "chat"', f'{ENTRY}.wire_api is not "responses", the only one that is spoken here'),
        (RELAY + 'query_params = { api-version = "1" }', f"{ENTRY}.query_params cannot be sent from here"),
        (RELAY + "query_params = 1", f"{ENTRY}.query_params is not a table"),
        (RELAY + 'aws = { profile = "p" }', f"{ENTRY}.aws signs requests in a way that is not known here"),
        (RELAY + "http_headers = []", f"{ENTRY}.http_headers is not a table"),
        (RELAY + "env_key = 1", f"{ENTRY}.env_key is not text"),
        ("a = = 1", "config.toml: not valid TOML at line 1, column 5"),
        ("a = 1\na = 2\n", "config.toml: not valid TOML at line 2, column 6"),
        ("a = '", "config.toml: not valid TOML at end of document"),
        ("a = " + "9" * 5000, "config.toml: not valid TOML"),
        ("a = " + "[" * 5000, "config.toml: not valid TOML"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(config: str, note: str) -> None:
    """There is no provider then, and one note in words for a person."""
    assert CodexReading(notes=(note,)) == read(config, AUTH)


def test_text_must_be_utf8() -> None:
    """Other encodings are named, not guessed."""
    assert ("config.toml: not UTF-8 text",) == read_codex(b'model = "\xff"', None, {}).notes


@pytest.mark.parametrize(
    ("lines", "auth", "note"),
    [
        ('env_key = "RELAY_KEY"', AUTH, f"{ENTRY}.env_key names $RELAY_KEY, which is not set"),
        (f'env_key = "{KEY}"', AUTH, f"{ENTRY}.env_key names a variable, which is not set"),
        (
            'env_key = "OPENAI_API_KEY"',
            AUTH,
            f"{ENTRY}.env_key{NEVER_SENT}",
        ),
        (
            'requires_openai_auth = true\nenv_http_headers = { "x-key" = "OPENAI_API_KEY" }',
            AUTH,
            f"{ENTRY}.env_http_headers{NEVER_SENT}",
        ),
        ("", AUTH, f"auth.json is not used: {ENTRY} does not say requires_openai_auth = true"),
        ('auth = { command = "get" }', AUTH, f"{ENTRY}.auth runs a command for the key, which is not done here"),
        (
            'experimental_bearer_token = "two words"',
            None,
            f"{ENTRY}.experimental_bearer_token: the key holds blanks or characters that an HTTP header cannot carry",
        ),
        ("requires_openai_auth = true", None, "there is no auth.json to take the key from"),
        ("requires_openai_auth = true", b"{", "auth.json: not valid JSON"),
        ("requires_openai_auth = true", b'{"a": "\xff"}', "auth.json: not valid JSON"),
        ("requires_openai_auth = true", b"[" * 100_000, "auth.json: not valid JSON"),
        ("requires_openai_auth = true", b"[]", "auth.json: not a JSON object"),
        ("requires_openai_auth = true", b'{"OPENAI_API_KEY": null}', "auth.json holds no OPENAI_API_KEY"),
        ("requires_openai_auth = true", b'{"OPENAI_API_KEY": " "}', "auth.json holds no OPENAI_API_KEY"),
        (
            "requires_openai_auth = true",
            b'{"OPENAI_API_KEY": "k", "tokens": {"access_token": "t"}}',
            "auth.json holds a ChatGPT login, which is for OpenAI alone",
        ),
        (
            "requires_openai_auth = true",
            b'{"OPENAI_API_KEY": "k", "auth_mode": "chatgpt"}',
            "auth.json holds a ChatGPT login, which is for OpenAI alone",
        ),
        (
            'requires_openai_auth = true\nhttp_headers = { Authorization = "Bearer x" }',
            AUTH,
            f"{ENTRY}: a header is not used: it is set per request, or not one that HTTP allows",
        ),
        (
            "requires_openai_auth = true\nhttp_headers = { x-number = 5 }",
            AUTH,
            f"{ENTRY}: a header is not used: it is set per request, or not one that HTTP allows",
        ),
    ],
)  # fmt: skip
def test_what_is_left_out_says_why(lines: str, auth: bytes | None, note: str) -> None:
    """The provider is there, with a note for what of it is not used."""
    reading = read(RELAY + lines, auth, OPENAI_API_KEY=KEY)
    assert reading.provider is not None
    assert (note,) == reading.notes == reading.provider.notes


@pytest.mark.parametrize(
    ("line", "note"),
    [
        (
            'model_reasoning_effort = "ultra"',
            "config.toml: model_reasoning_effort is none of none, minimal, low, medium, high, xhigh, max, and is not used",
        ),
        ('model = "two words"', "config.toml: model is not a model name, and is not used"),
    ],
    ids=["effort", "model"],
)  # fmt: skip
def test_unknown_defaults_are_left_out(line: str, note: str) -> None:
    """Codex may know words that are not known here; that is no reason to refuse the provider."""
    provider = provider_of(line + RELAY)
    assert (None, None, (note,)) == (provider.model, provider.effort, provider.notes)


@pytest.mark.parametrize(
    "config", [RELAY + f'env_key = "{KEY}"', RELAY + f'base_url = "{KEY}"', f'"{KEY}" = = 1']
)
def test_nothing_shows_a_secret(config: str) -> None:
    """Neither notes nor a ``repr`` repeat what the files say."""
    shown = repr(read(config, AUTH)) + repr(read(RELAY + "requires_openai_auth = true", AUTH))
    assert "canary" not in shown


STRANGE_TOML = (
    "1",
    "1.5",
    "nan",
    "true",
    "1979-05-27",
    '""',
    '"x"',
    "[]",
    "[1]",
    "[{}]",
    "{}",
    "{a = 1}",
    "{a = {}}",
)
STRANGE_JSON = (b"5", b"[]", b"{}", b'""', b"true", b"1e999")


@pytest.mark.parametrize(
    "key", ["model", "model_provider", "profile", "profiles", "model_providers", "openai_base_url", "model_reasoning_effort"]
)  # fmt: skip
@pytest.mark.parametrize("value", STRANGE_TOML)
def test_any_setting_may_be_of_any_type(key: str, value: str) -> None:
    """Whatever a key holds, the outcome is a provider or a note."""
    selected = "" if key == "model_provider" else SELECTED
    table = "" if key == "model_providers" else TABLE
    reading = read(f"{selected}{key} = {value}\n{table}", AUTH)
    assert reading.provider or reading.notes


@pytest.mark.parametrize(
    "key",
    [
        "wire_api", "query_params", "http_headers", "env_http_headers", "env_key",
        "experimental_bearer_token", "requires_openai_auth", "aws", "auth",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", STRANGE_TOML)
def test_any_setting_of_an_entry_may_be_of_any_type(key: str, value: str) -> None:
    """Whatever a key of the provider holds, the outcome is a provider or a note."""
    reading = read(f"{RELAY}{key} = {value}", AUTH)
    assert reading.provider or reading.notes


@pytest.mark.parametrize("key", ["OPENAI_API_KEY", "tokens", "auth_mode"])
@pytest.mark.parametrize("value", STRANGE_JSON)
def test_any_login_may_be_of_any_type(key: str, value: bytes) -> None:
    """Whatever ``auth.json`` holds, no key is made up from it."""
    auth = b'{"%s": %s}' % (key.encode(), value)
    provider = provider_of(RELAY + "requires_openai_auth = true", auth)
    assert provider.key is None
    assert provider.notes


def test_without_codex_there_is_nothing_to_say() -> None:
    """Where neither file exists, there are no notes either."""
    assert CodexReading() == read_codex(None, None, {})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder that holds both files."""
    (tmp_path / "config.toml").write_text(RELAY + "requires_openai_auth = true")
    (tmp_path / "auth.json").write_bytes(AUTH)
    return tmp_path


def test_the_files_are_read_from_where_codex_keeps_them(home: Path) -> None:
    """``$CODEX_HOME`` names the folder; the reading knows both files."""
    reading = read_codex_files({"CODEX_HOME": str(home)})
    assert reading.provider is not None
    assert Secret(KEY) == reading.provider.key
    assert (home / "config.toml", home / "auth.json") == reading.files


def test_one_file_may_be_absent(home: Path) -> None:
    """A provider whose key stands elsewhere needs no ``auth.json``."""
    (home / "auth.json").unlink()
    (home / "config.toml").write_text(RELAY + 'env_key = "K"')
    reading = read_codex_files({"CODEX_HOME": str(home), "K": KEY})
    assert reading.provider is not None
    assert (Secret(KEY), ()) == (reading.provider.key, reading.notes)


def test_the_folder_is_below_home_by_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``$CODEX_HOME`` it is ``~/.codex``; without a home there is none."""
    monkeypatch.setattr(Path, "home", lambda: home)
    assert (home / ".codex/config.toml", home / ".codex/auth.json") == codex_files({"CODEX_HOME": " "})

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert codex_files({}) is None
    assert CodexReading() == read_codex_files({})


@pytest.mark.parametrize("name", ["config.toml", "auth.json"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("folder", "is not a regular file"),
        ("huge", "is larger than 1048576 bytes"),
        ("forbidden", "cannot be read (permission denied)"),
    ],
)
def test_unreadable_files_are_notes(
    home: Path, name: str, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with a file is told by its path, and nothing is raised."""
    path = home / name
    if fault == "folder":
        path.unlink()
        path.mkdir()
    elif fault == "huge":
        path.write_bytes(b"#" * (1024 * 1024 + 1))
    else:
        real_open = Path.open

        def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
            if self == path:
                raise PermissionError(13, "Permission denied")
            return real_open(self, *args, **kwargs)

        monkeypatch.setattr(Path, "open", refuse)
    reading = read_codex_files({"CODEX_HOME": str(home)})
    assert f"{path} {said}" == reading.notes[0]
    assert (name == "auth.json") == (reading.provider is not None)
