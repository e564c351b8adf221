"""``packyproxy import-codex``: take the provider of the Codex CLI over into ``config.yaml``."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from packyproxy.cli.codex_mapping import KEY_PATHS, print_mapping, what_is_missing
from packyproxy.cli.failures import CommandFailed, WrongUsage
from packyproxy.cli.rewriting import command_line, text_of, usable_config
from packyproxy.cli.tables import print_line
from packyproxy.config.changes import changes
from packyproxy.config.codex_files import CodexProvider
from packyproxy.config.document import plain_value
from packyproxy.config.masking import masked_text
from packyproxy.config.reading import found_file
from packyproxy.config.rules import is_own_address, normalise_url
from packyproxy.config.schema import Config
from packyproxy.config.section import Findings
from packyproxy.config.sources import process_ambient
from packyproxy.config.validate import read_config
from packyproxy.config.yaml_edit import REMOVE, Edit, edit_text
from packyproxy.config.yaml_file import read_text
from packyproxy.config.yaml_writer import write_config

__all__ = ["import_codex"]

Target = Literal["packycode", "tppc"]
_Path = tuple[str | int, ...]

_NEW_FILE: Final = "config.yaml"
_HEAD: Final = "# packyproxy, with the provider that was taken from the Codex CLI.\n\n"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 64


def import_codex(path: str | None, *, write: bool, target: Target) -> int:
    """Show the mapping and what it changes; with ``write``, change the file, or make one.

    Raises:
        WrongUsage: ``tppc`` would get a second provider of the ``packycode`` block's name.
        CommandFailed: the Codex CLI is not set up for a provider that could be used.
        ConfigError: the file cannot be read or written, or would not be valid.
    """
    ambient = process_ambient()
    provider = ambient.codex.provider
    if provider is None:
        raise CommandFailed(f"there is nothing to import: {what_is_missing(ambient.codex)}")
    file = found_file(path) or found_file(_NEW_FILE) or Path(_NEW_FILE)
    text = text_of(file)
    if is_own_address(provider.base_url, _meaning(text).port):
        raise CommandFailed("there is nothing to import: the provider of the Codex CLI is this proxy itself")
    place, existing = _place(text, provider, target)
    if existing is None and target == "tppc":
        _refuse_a_second_of_its_name(text, file, _name(provider))
    print_mapping(ambient.codex, provider, _shown(place), target)
    print_line()
    is_news = _show_outcome(file, text, existing, list(_edits(text, provider, target)))
    if not write:
        usable_config(edit_text(text or _HEAD, _edits(text, provider, target)), ambient)
        again = f"import-codex --write{' --target tppc' if target == 'tppc' else ''}"
        if is_news:
            print_line(f"\nnothing was written; {command_line(again, file)} does that")
        return 0
    print_line()
    is_written = write_config(
        file,
        lambda found: edit_text(found or _HEAD, _edits(found, provider, target)),
        validate=lambda new: usable_config(new, ambient),
    )
    print_line(f"wrote {file}" if is_written else "there was nothing to write", "good")
    print_line(f"next:\n  {command_line('check', file)}")
    return 0


def _refuse_a_second_of_its_name(text: str, file: Path, name: str) -> None:
    block = next((it for it in _meaning(text).providers if it.kind == "packycode"), None)
    if block is not None and block.enabled and block.name.casefold() == name.casefold():
        raise WrongUsage(
            f"the packycode block of {file} is enabled and has the name {name} already: import into it, with "
            f"--target packycode, or move it to the list first: {command_line('migrate --write', file)}"
        )


def _show_outcome(file: Path, text: str, existing: Mapping[str, Any] | None, edits: list[Edit]) -> bool:
    """Show what the file would hold; tells whether that is anything new."""
    if existing is None:
        print_line(f"new in {file}:\n")
        alone = [Edit(_alone(edit.path), edit.value) for edit in edits]
        print_line(masked_text(edit_text("", alone)).rstrip("\n"))
        return True
    differences = changes(_meaning(text), _meaning(edit_text(text, edits)))
    print_line(f"changes in {file}:" if differences else f"{file} says the same already")
    for change in differences:
        print_line(f"  {change}")
    return bool(differences)


def _alone(path: _Path) -> _Path:
    """Return the path of an edit in a file that holds nothing else."""
    return tuple(0 if isinstance(key, int) else key for key in path)


def _meaning(text: str) -> Config:
    """Return what a file says, with the default wherever it is wrong: writing it would tell."""
    document = read_text(text)
    return read_config(Findings(document), document.root, "text")


def _place(text: str, provider: CodexProvider, target: Target) -> tuple[_Path, Mapping[str, Any] | None]:
    """Return where the provider's block is or will be, and what it says now."""
    root = read_text(text).root
    if target == "packycode":
        block = _at(root, "packycode")
        return ("packycode",), block if isinstance(block, Mapping) else None
    found = _at(_at(root, "tppc"), "providers")
    entries = found if isinstance(found, list) else []
    for index, entry in enumerate(entries):
        name = _at(entry, "name")
        if isinstance(name, str) and name.casefold() == _name(provider).casefold():
            return ("tppc", "providers", index), entry
    return ("tppc", "providers", len(entries)), None


def _edits(text: str, provider: CodexProvider, target: Target) -> Iterator[Edit]:
    place, existing = _place(text, provider, target)
    if target == "tppc" and existing is None:
        yield Edit((*place, "name"), _name(provider))
    yield Edit((*place, "enabled"), value=True)
    yield from _without_strange_keys(place, existing, provider, target)
    yield Edit((*place, "base-url"), provider.base_url)
    needs_key = provider.key is not None or provider.requires_key
    if not needs_key or plain_value(_at(existing, "requires-openai-auth")) is False:
        yield Edit((*place, "requires-openai-auth"), needs_key)
    if provider.key is not None:
        yield Edit((*place, *KEY_PATHS[target]), provider.key)
    if provider.model:
        yield Edit((*place, "defaults", "model"), provider.model)
    if provider.effort:
        yield Edit((*place, "defaults", "model-reasoning-effort"), provider.effort)
    for name, value in provider.headers.items():
        yield Edit((*place, "headers", name), value)


def _without_strange_keys(
    place: _Path, existing: Mapping[str, Any] | None, provider: CodexProvider, target: Target
) -> Iterator[Edit]:
    """Remove what a block holds for another host: no key goes where it was not made for."""
    old = _at(existing, "base-url")
    if isinstance(old, str) and old.strip() and normalise_url(old) == provider.base_url:
        return
    if provider.key is None:
        yield Edit((*place, *KEY_PATHS[target]), REMOVE)
    yield Edit((*place, "headers"), REMOVE)


def _at(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _name(provider: CodexProvider) -> str:
    """Return a name for the list that is safe in a URL and a log."""
    return _UNSAFE.sub("-", provider.name)[:_LONGEST_NAME].strip("._-") or "codex"


def _shown(place: _Path) -> str:
    return "packycode" if len(place) == 1 else f"tppc.providers[{place[-1]}]"
