"""``packyproxy init``: write a configuration to begin with, and say what it still needs."""

from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Literal

from packyproxy.cli.codex_mapping import print_mapping, what_is_missing
from packyproxy.cli.commands.check import check
from packyproxy.cli.failures import WrongUsage
from packyproxy.cli.rewriting import command_line
from packyproxy.cli.tables import print_line
from packyproxy.config.reading import found_file
from packyproxy.config.sources import process_ambient
from packyproxy.config.yaml_file import read_text
from packyproxy.config.yaml_writer import write_config

__all__ = ["init"]

Template = Literal["packycode", "tppc", "codex-cli"]

_DEFAULT_FILE = "config.yaml"


def init(path: str | None, *, template: Template) -> int:
    """Write the file, check it and say what comes next; 0 once it is written, whatever it still needs.

    Raises:
        WrongUsage: the file exists.
        ConfigError: it cannot be written.
    """
    file = found_file(path or _DEFAULT_FILE) or Path(_DEFAULT_FILE)
    _write(file, files("packyproxy.cli").joinpath("templates", f"{template}.yaml").read_text("utf-8"))
    print_line(f"wrote {file}", "good")
    if template == "codex-cli":
        _show_codex()
    print_line()
    is_ready = check(str(file)) == 0
    print_line()
    if is_ready:
        print_line("next:")
    else:
        print_line(f"next: fill in what is missing above, in {file}; then")
    for command in ("doctor", "serve"):
        print_line(f"  {command_line(command, file)}")
    return 0


def _write(file: Path, text: str) -> None:
    is_there = False
    with suppress(OSError):  # the writer says what is wrong with the folder
        file.parent.mkdir(parents=True, exist_ok=True)
        is_there = file.exists()
    if is_there or not write_config(file, lambda found: found or text, validate=read_text):
        raise WrongUsage(
            f"{file} exists and is left as it is: look at it with {command_line('check', file)}, "
            "or name another file with --config"
        )


def _show_codex() -> None:
    reading = process_ambient().codex
    if reading.provider is None:
        print_line(f"from the Codex CLI: nothing; {what_is_missing(reading)}", "warning")
    else:
        print_mapping(reading, reading.provider, "packycode", "packycode")
