"""The provider that the Codex CLI is set up for, from its ``config.toml`` and ``auth.json``.

Codex's keys as of its release 0.169: ``model_providers.NAME`` with ``base_url``, ``env_key``,
``experimental_bearer_token``, ``requires_openai_auth``, ``http_headers``, ``env_http_headers``,
``query_params``; ``wire_api`` may be absent; a ``profile`` is what older releases took from this file.

These files belong to another program: whatever cannot be used is a note for a person, never an error, and
no note holds a value. A key that was made for OpenAI is not used: neither the ambient ``OPENAI_API_KEY`` nor
what a ChatGPT login left in ``auth.json``.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config.rules import (
    check_base_url,
    check_header_name,
    check_header_value,
    check_key,
    check_model,
    normalise_url,
)
from packyproxy.config.secret import HeaderMap, Secret
from packyproxy.translate.effort import EFFORTS

__all__ = ["CodexProvider", "CodexReading", "codex_files", "read_codex", "read_codex_files"]

_MOST_BYTES: Final = 1024 * 1024
"""Codex keeps a line per trusted project in its file, so it may be long; beyond this it is something else."""
_AMBIENT_KEY: Final = "OPENAI_API_KEY"
_OPENAI_HOSTS: Final = ("openai.com", "chatgpt.com")
_BUILT_IN: Final = frozenset({"openai", "amazon-bedrock", "ollama", "lmstudio"})
"""Codex ignores or refuses entries of these names."""

_NAME_TO_SHOW: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,31}")
_VARIABLE_TO_SHOW: Final = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_UTF8_MARK: Final = b"\xef\xbb\xbf"

_Table = Mapping[str, object]


class CodexProvider(Struct, frozen=True, kw_only=True):
    """A third-party provider that the Codex CLI is set up for."""

    name: str
    """Its key under ``model_providers``; any text."""
    base_url: str
    """Checked and normalised as ``ProviderConfig.base_url`` is."""
    key: Secret | None
    model: str | None
    effort: str | None
    headers: Mapping[str, str] = HeaderMap()
    requires_key: bool = True
    """Whether Codex would send a key, found or not."""
    notes: tuple[str, ...] = ()
    """What of the files was not used, and why."""


class CodexReading(Struct, frozen=True, kw_only=True):
    """What the files of the Codex CLI amount to."""

    provider: CodexProvider | None = None
    notes: tuple[str, ...] = ()
    """Why there is no provider, or what of it was not used; empty also when Codex is not installed."""
    config_path: Path | None = None
    auth_path: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were looked at, whether they exist or not."""
        return tuple(path for path in (self.config_path, self.auth_path) if path is not None)


class _UnusableError(Exception):
    """The selected provider cannot be used; the text says why."""


def codex_files(environ: Mapping[str, str]) -> tuple[Path, Path] | None:
    """Return where the Codex CLI keeps ``config.toml`` and ``auth.json``; None without a home directory."""
    named = environ.get("CODEX_HOME", "").strip()
    try:
        home = Path(named) if named else Path.home() / ".codex"
    except RuntimeError:
        return None
    return home / "config.toml", home / "auth.json"


def read_codex_files(environ: Mapping[str, str]) -> CodexReading:
    """Read the files of this machine; what cannot be read becomes a note."""
    paths = codex_files(environ)
    if paths is None:
        return CodexReading()
    notes: list[str] = []
    config_toml = _read(paths[0], notes)
    if notes:
        return CodexReading(notes=tuple(notes), config_path=paths[0], auth_path=paths[1])
    auth_json = _read(paths[1], notes)
    reading = read_codex(config_toml, auth_json, environ)
    notes += reading.notes
    provider = reading.provider and replace(reading.provider, notes=tuple(notes))
    return CodexReading(provider=provider, notes=tuple(notes), config_path=paths[0], auth_path=paths[1])


def read_codex(
    config_toml: bytes | None, auth_json: bytes | None, environ: Mapping[str, str]
) -> CodexReading:
    """Return the provider that the contents of both files describe; None stands for an absent file."""
    if config_toml is None and auth_json is None:
        return CodexReading()
    notes: list[str] = []
    try:
        provider = _selected(_toml(config_toml or b""), auth_json, environ, notes)
    except _UnusableError as reason:
        return CodexReading(notes=(*notes, str(reason)))
    return CodexReading(provider=provider, notes=tuple(notes))


def _read(path: Path, notes: list[str]) -> bytes | None:
    try:
        if path.exists() and not path.is_file():
            notes.append(f"{path} is not a regular file")
            return None
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        notes.append(f"{path} cannot be read ({reason})")
        return None
    if len(data) > _MOST_BYTES:
        notes.append(f"{path} is larger than {_MOST_BYTES} bytes")
        return None
    return data


def _toml(data: bytes) -> _Table:
    try:
        return tomllib.loads(data.removeprefix(_UTF8_MARK).decode())
    except UnicodeDecodeError:
        raise _UnusableError("config.toml: not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        # The parser's own words may quote the file.
        place = re.search(r"\(at (line \d+, column \d+|end of document)\)$", str(error))
        where = f" at {place[1]}" if place else ""
        raise _UnusableError(f"config.toml: not valid TOML{where}") from None


def _selected(
    root: _Table, auth_json: bytes | None, environ: Mapping[str, str], notes: list[str]
) -> CodexProvider:
    settings = _with_profile(root)
    name = _text(settings, "model_provider", "config.toml: model_provider") or "openai"
    entry, place = _entry(root, name)
    base_url = _base_url(entry, place)
    headers = _headers(entry, place, environ, notes)
    key = _key(entry, place, auth_json, environ, notes)
    model = _text(settings, "model", "config.toml: model")
    if model and check_model(model):
        notes.append("config.toml: model is not a model name, and is not used")
        model = None
    effort = _text(settings, "model_reasoning_effort", "config.toml: model_reasoning_effort")
    if effort and effort not in EFFORTS:
        notes.append(f"config.toml: model_reasoning_effort is none of {', '.join(EFFORTS)}, and is not used")
        effort = None
    return CodexProvider(
        name=name,
        base_url=base_url,
        key=key,
        model=model,
        effort=effort,
        headers=headers,
        requires_key=any(
            entry.get(key) for key in ("requires_openai_auth", "env_key", "experimental_bearer_token", "auth")
        ),
        notes=tuple(notes),
    )


def _with_profile(root: _Table) -> _Table:
    """Return the settings with those of the selected profile over them."""
    profile = _text(root, "profile", "config.toml: profile")
    if profile is None:
        return root
    selected = _table(root, "profiles", "config.toml: profiles").get(profile)
    if not isinstance(selected, Mapping):
        raise _UnusableError("config.toml: profile names no entry of profiles")
    return {**root, **selected}


def _entry(root: _Table, name: str) -> tuple[_Table, str]:
    """Return what the selected provider is made of, and how notes call the place."""
    if name == "openai":
        base_url = _text(root, "openai_base_url", "config.toml: openai_base_url")
        if base_url is None:
            raise _UnusableError("config.toml: OpenAI itself is selected, which is no third-party provider")
        return {"base_url": base_url, "requires_openai_auth": True}, "config.toml: openai_base_url"
    shown = name if _NAME_TO_SHOW.fullmatch(name) and not name.lower().startswith("sk-") else "***"
    place = f"config.toml: model_providers.{shown}"
    if name in _BUILT_IN:
        raise _UnusableError(f"{place} is built into the Codex CLI, which alone knows how to reach it")
    entry = _table(root, "model_providers", "config.toml: model_providers").get(name)
    if not isinstance(entry, Mapping):
        raise _UnusableError(f"{place} is selected but not there")
    wire_api = _text(entry, "wire_api", f"{place}.wire_api") or "responses"
    if wire_api != "responses":
        raise _UnusableError(f'{place}.wire_api is not "responses", the only one that is spoken here')
    if _table(entry, "query_params", f"{place}.query_params"):
        raise _UnusableError(f"{place}.query_params cannot be sent from here")
    if entry.get("aws"):
        raise _UnusableError(f"{place}.aws signs requests in a way that is not known here")
    return entry, place


def _base_url(entry: _Table, place: str) -> str:
    field = place if place.endswith("base_url") else f"{place}.base_url"
    base_url = _text(entry, "base_url", field)
    if base_url is None:
        raise _UnusableError(f"{field} is missing, which stands for OpenAI itself: no third-party provider")
    if complaint := check_base_url(base_url):
        raise _UnusableError(f"{field}: {complaint[0]}")
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    if any(host == ours or host.endswith(f".{ours}") for ours in _OPENAI_HOSTS):
        raise _UnusableError(f"{field} is OpenAI itself, which is no third-party provider")
    return normalise_url(base_url)


def _key(
    entry: _Table, place: str, auth_json: bytes | None, environ: Mapping[str, str], notes: list[str]
) -> Secret | None:
    """Find the key in Codex's own order: the variable, the token in the file, then ``auth.json``."""
    origin, key = "", None
    if env_key := _text(entry, "env_key", f"{place}.env_key"):
        origin, key = f"{place}.env_key", _variable(env_key, f"{place}.env_key", environ, notes)
    elif token := _text(entry, "experimental_bearer_token", f"{place}.experimental_bearer_token"):
        origin, key = f"{place}.experimental_bearer_token", token
    elif entry.get("requires_openai_auth") is True:
        origin, key = "auth.json", _auth_key(auth_json, notes)
    elif entry.get("auth"):
        notes.append(f"{place}.auth runs a command for the key, which is not done here")
    elif auth_json is not None:
        notes.append(f"auth.json is not used: {place} does not say requires_openai_auth = true")
    if key and check_key(key):
        notes.append(f"{origin}: the key holds blanks or characters that an HTTP header cannot carry")
        return None
    return Secret(key) if key else None


def _variable(name: str, field: str, environ: Mapping[str, str], notes: list[str]) -> str | None:
    """Return the value of a variable that a file names; never that of the ambient key for OpenAI."""
    # Names of variables have no case on Windows.
    if name.strip().upper() == _AMBIENT_KEY:
        notes.append(
            f"{field} names {_AMBIENT_KEY}, which is never sent to a third party: "
            "set PACKYCODE_API_KEY to the provider's key"
        )
        return None
    value = environ.get(name, "").strip()
    if not value:
        # Some put the key itself there: show only what looks like a variable.
        shown = f"${name}" if _VARIABLE_TO_SHOW.fullmatch(name) else "a variable"
        notes.append(f"{field} names {shown}, which is not set")
    return value or None


def _auth_key(auth_json: bytes | None, notes: list[str]) -> str | None:
    if auth_json is None:
        notes.append("there is no auth.json to take the key from")
        return None
    try:
        auth = msgspec.json.decode(auth_json.removeprefix(_UTF8_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        notes.append("auth.json: not valid JSON")
        return None
    if not isinstance(auth, dict):
        notes.append("auth.json: not a JSON object")
        return None
    if auth.get("tokens") or auth.get("auth_mode", "apikey") not in ("apikey", None):
        notes.append("auth.json holds a ChatGPT login, which is for OpenAI alone")
        return None
    key = auth.get(_AMBIENT_KEY)
    if not isinstance(key, str) or not key.strip():
        notes.append("auth.json holds no OPENAI_API_KEY")
        return None
    return key.strip()


def _headers(entry: _Table, place: str, environ: Mapping[str, str], notes: list[str]) -> HeaderMap:
    """Return the fixed headers, those from variables over those written out, as Codex does."""
    written = list(_table(entry, "http_headers", f"{place}.http_headers").items())
    field = f"{place}.env_http_headers"
    for name, variable in _table(entry, "env_http_headers", field).items():
        if isinstance(variable, str) and (found := _variable(variable, field, environ, notes)):
            written.append((name, found))
    headers: dict[str, tuple[str, str]] = {}
    for name, value in written:
        if not isinstance(value, str) or check_header_name(name) or check_header_value(value):
            notes.append(f"{place}: a header is not used: it is set per request, or not one that HTTP allows")
        else:
            headers[name.lower()] = name, value
    return HeaderMap(dict(headers.values()))


def _text(table: _Table, key: str, field: str) -> str | None:
    """Return a text, for which blank means absent."""
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _UnusableError(f"{field} is not text")
    return value.strip() or None


def _table(table: _Table, key: str, field: str) -> _Table:
    value = table.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _UnusableError(f"{field} is not a table")
    return value
