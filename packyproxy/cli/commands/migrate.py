"""``packyproxy migrate``: move the ``packycode`` block to the list of tppc providers."""

from packyproxy.cli.rewriting import command_line, text_of, usable_config
from packyproxy.cli.tables import print_line
from packyproxy.config import Config
from packyproxy.config.masking import masked_text
from packyproxy.config.migration import moved_to_tppc
from packyproxy.config.reading import found_file, load_config
from packyproxy.config.schema import Source
from packyproxy.config.sources import VARIABLES, process_ambient
from packyproxy.config.yaml_writer import write_config
from packyproxy.errors import ConfigError, Problem

__all__ = ["migrate"]


def migrate(path: str | None, *, write: bool) -> int:
    """Show the file as it would be, secrets masked; with ``write``, change it.

    Raises:
        ConfigError: there is no file, it is not valid, or it would mean something else afterwards.
    """
    file = found_file(path)
    if file is None:
        raise ConfigError((_NO_FILE,))
    ambient = process_ambient()
    _check_nothing_is_left_behind(load_config(file, ambient=ambient))
    text = text_of(file)
    moved = moved_to_tppc(text)
    if moved == text:
        print_line(f"nothing to do: {file} has no packycode block")
        return 0
    if not write:
        print_line(masked_text(moved).rstrip("\n"))
        print_line(f"\nnothing was written; {command_line('migrate --write', file)} does that")
        return 0
    write_config(file, moved_to_tppc, validate=lambda new: usable_config(new, ambient))
    print_line(f"moved packycode to tppc.providers[0] in {file}", "good")
    print_line(f"next:\n  {command_line('check', file)}")
    return 0


_NO_FILE = Problem(
    field="",
    code="no_file",
    message="there is no configuration file to migrate",
    fix="name one with --config",
)


def _check_nothing_is_left_behind(config: Config) -> None:
    """Refuse to move a provider whose settings are partly in places that only the block reads."""
    problems = [
        _left_behind(key, source)
        for provider in config.enabled_providers
        if provider.kind == "packycode"
        for key, source in provider.sources.items()
        if source != "config.yaml"
    ]
    if problems:
        raise ConfigError(tuple(problems))


def _left_behind(key: str, source: Source) -> Problem:
    is_variable = source == "env"
    place = f"${VARIABLES[key]}" if is_variable else "the files of the Codex CLI"
    return Problem(
        field=f"packycode.{key}",
        code="not_in_file",
        message=f"comes from {place}, which the entries of tppc do not read",
        fix="write it into the file first" if is_variable else "first run packyproxy import-codex --write",
    )
