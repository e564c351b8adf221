"""Fill in what ``config.yaml`` leaves open in the ``packycode`` block: config.yaml > environment > Codex CLI.

Every key is decided for itself, before anything is validated, and blank means absent. The files of the
Codex CLI speak of one provider: they complete a block that is switched on, and only if its URL is absent or
that of Codex's provider, so a key never goes to a host that it was not made for. They switch nothing on,
unless there is no configuration file at all.
"""

import os
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from packyproxy.config.codex_files import CodexProvider, CodexReading, read_codex_files
from packyproxy.config.document import Document, Origin, is_blank, join_path, plain_value
from packyproxy.config.rules import check_base_url, is_own_address, normalise_url
from packyproxy.config.schema import Config
from packyproxy.errors import Problem

__all__ = ["VARIABLES", "Ambient", "complete", "complete_alone", "process_ambient"]

VARIABLES: Final[Mapping[str, str]] = {
    "enabled": "PACKYCODE_ENABLED",
    "base-url": "PACKYCODE_BASE_URL",
    "credentials.openai-api-key": "PACKYCODE_API_KEY",
    "defaults.model": "PACKYCODE_MODEL",
    "defaults.model-reasoning-effort": "PACKYCODE_MODEL_REASONING_EFFORT",
}
"""The variable for each key of the ``packycode`` block that has one."""

_DEFAULT_PORT: Final = Config().port
_BLOCK: Final = "packycode"
_KEY: Final = "credentials.openai-api-key"
_SWITCH_WORDS: Final = {"true": True, "yes": True, "on": True, "1": True} | dict.fromkeys(
    ("false", "no", "off", "0"), False
)
"""Variables hold text only, so the usual words for a truth value are all taken, in any case."""


class Ambient(Struct, frozen=True):
    """What the surroundings of a process say besides the configuration file."""

    environ: Mapping[str, str]
    codex: CodexReading = CodexReading()

    def __repr__(self) -> str:
        return f"Ambient(codex={self.codex!r})"


def process_ambient() -> Ambient:
    """Return what this process's environment and the files of the Codex CLI say now; reads files."""
    environ = dict(os.environ)
    return Ambient(environ, read_codex_files(environ))


def complete(document: Document, ambient: Ambient) -> tuple[Document, tuple[str, ...]]:
    """Return a file's document with its ``packycode`` block completed, and notes for a person.

    ``Document.origins`` names what was filled in. A document that could not be read, or whose block is no
    mapping, is returned as it is.
    """
    block = _Block.of(document, ambient)
    if block is None:
        return document, ()
    block.take_environment()
    notes = block.take_codex() if block.is_enabled else ()
    return block.document(), notes


def complete_alone(ambient: Ambient) -> tuple[Document | None, tuple[str, ...]]:
    """Return the document that the surroundings make without any file, and notes for a person.

    None when they name no provider that could be asked: one with a URL and, if it needs one, a key. Unless
    ``PACKYCODE_ENABLED`` says no, that provider is enabled.
    """
    block = _Block(Document(root={}), {}, ambient)
    block.take_environment()
    if block.says_no:
        return None, ("PACKYCODE_ENABLED switches the provider off",)
    notes = block.take_codex()
    if not block.is_usable:
        return None, (*block.half_said(), *notes)
    block.switch_on()
    return block.document(), notes


class _Block:
    """The ``packycode`` mapping while it is being completed."""

    def __init__(self, document: Document, values: Mapping[object, object], ambient: Ambient) -> None:
        self._document = document
        self._values = dict(values)
        self._ambient = ambient
        self._origins: dict[str, Origin] = {}
        self._problems: list[Problem] = []

    @classmethod
    def of(cls, document: Document, ambient: Ambient) -> "_Block | None":
        """Return the block of a document; None where there is no place for one."""
        if document.root is None and document.problems:
            return None
        root = {} if document.root is None else document.root
        if not isinstance(root, Mapping):
            return None
        values = root.get(_BLOCK)
        if values is not None and not isinstance(values, Mapping):
            return None
        return cls(document, values or {}, ambient)

    @property
    def is_enabled(self) -> bool:
        return self._switch is True

    @property
    def says_no(self) -> bool:
        return self._switch is False

    @property
    def is_usable(self) -> bool:
        return self._has("base-url") and (self._has(_KEY) or self._needs_no_key)

    def half_said(self) -> tuple[str, ...]:
        """Return which variable is missing beside the one that is set."""
        variables = [VARIABLES[path] for path in ("base-url", _KEY)]
        is_set = {name: bool(self._ambient.environ.get(name, "").strip()) for name in variables}
        missing = [name for name in variables if not is_set[name]]
        return (f"${missing[0]} is not set",) if len(missing) == 1 else ()

    def take_environment(self) -> None:
        """Fill in what the variables say."""
        for path, variable in VARIABLES.items():
            text = self._ambient.environ.get(variable, "").strip()
            if not text or self._has(path):
                continue
            origin = Origin("env", f"${variable}")
            if path != "enabled":
                self._fill(path, text, origin)
            elif (switch := _SWITCH_WORDS.get(text.lower())) is not None:
                self._fill(path, switch, origin)
            else:
                self._problems.append(
                    Problem(
                        field=join_path(_BLOCK, path),
                        code="wrong_type",
                        message=f"not a truth value (from {origin.label})",
                        fix="set it to true or false",
                    )
                )

    def take_codex(self) -> tuple[str, ...]:
        """Fill in what the files of the Codex CLI say, if they speak of this provider.

        The notes say why something is still missing; when nothing was, there are none.
        """
        was_complete = self.is_usable
        reading = self._ambient.codex
        notes = reading.notes
        provider = reading.provider
        if provider is None:
            pass
        elif is_own_address(provider.base_url, plain_value(self._root.get("port", _DEFAULT_PORT))):
            notes = ("its provider is this proxy itself",)
        elif self._has("base-url") and not self._is_at(provider.base_url):
            notes = ("its provider has another base-url, so its key is not used",)
        else:
            self._fill_from(provider, Origin("codex-cli", str(reading.config_path or "config.toml")))
        return () if was_complete else tuple(f"Codex CLI: {note}" for note in notes)

    def switch_on(self) -> None:
        """Enable the block on behalf of where its URL came from."""
        if not self._has("enabled"):
            self._values = {"enabled": True, **self._values}
            self._origins[join_path(_BLOCK, "enabled")] = self._origins[join_path(_BLOCK, "base-url")]

    def document(self) -> Document:
        """Return the whole document with this block in it."""
        document = replace(self._document, problems=(*self._document.problems, *self._problems))
        if not self._origins:
            return document
        return replace(document, root={**self._root, _BLOCK: self._values}, origins=self._origins)

    @property
    def _root(self) -> Mapping[object, object]:
        return self._document.root if isinstance(self._document.root, Mapping) else {}

    @property
    def _switch(self) -> bool | None:
        plain = plain_value(self._values.get("enabled"))
        return plain if isinstance(plain, bool) else None

    @property
    def _needs_no_key(self) -> bool:
        return plain_value(self._values.get("requires-openai-auth")) is False

    def _is_at(self, base_url: str) -> bool:
        written = self._values.get("base-url")
        if not isinstance(written, str) or check_base_url(written):
            return False
        return normalise_url(written) == base_url

    def _fill_from(self, provider: CodexProvider, origin: Origin) -> None:
        had_key = self._has(_KEY)
        self._fill("base-url", provider.base_url, origin)
        self._fill("defaults.model", provider.model, origin)
        self._fill("defaults.model-reasoning-effort", provider.effort, origin)
        if provider.headers and self._values.get("headers") in (None, {}):
            self._values.pop("headers", None)
            self._fill("headers", provider.headers, origin)
        if provider.key is not None and not self._needs_no_key:
            self._fill(_KEY, provider.key.reveal(), origin)
        elif not (provider.requires_key or had_key):
            self._fill("requires-openai-auth", value=False, origin=origin)

    def _has(self, path: str) -> bool:
        values, key = self._place(path)
        return values is None or not is_blank(values.get(key))

    def _fill(self, path: str, value: object, origin: Origin) -> None:
        """Set a value where there is none; what is no mapping on the way is left to the validator."""
        values, key = self._place(path)
        if value is None or values is None or not is_blank(values.get(key)):
            return
        parent = path.rpartition(".")[0]
        if parent:
            self._values[parent] = {**values, key: value}
        else:
            self._values[key] = value
        self._origins[join_path(_BLOCK, path)] = origin

    def _place(self, path: str) -> tuple[Mapping[object, object] | None, str]:
        """Return the mapping that holds a path's last key, and that key; None for no mapping."""
        parent, _, key = path.rpartition(".")
        if not parent:
            return self._values, key
        inner = self._values.get(parent)
        if is_blank(inner):
            return {}, key
        return (inner if isinstance(inner, Mapping) else None), key
