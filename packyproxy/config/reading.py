"""Configurations from files, texts and mappings: validated as a whole, or refused with every problem."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packyproxy.config.document import Document
from packyproxy.config.schema import Config
from packyproxy.config.validate import validate
from packyproxy.config.yaml_file import read_file, read_text
from packyproxy.errors import ConfigError

__all__ = ["config_from_mapping", "load_config", "parse_config"]


def load_config(path: str | Path) -> Config:
    """Read and validate a file.

    Raises:
        ConfigError: the file cannot be read, or anything in it is wrong; carries every problem.
    """
    return _valid(read_file(Path(path)), source=str(path))


def parse_config(text: str | bytes, *, source: str = "text") -> Config:
    """Validate the text of a file.

    Raises:
        ConfigError: as ``load_config`` does.
    """
    return _valid(read_text(text), source=source)


def config_from_mapping(mapping: Mapping[str, Any]) -> Config:
    """Validate a mapping in the shape of the file, with the file's kebab-case keys.

    Raises:
        ConfigError: as ``load_config`` does.
    """
    return _valid(Document(root=mapping), source="dict")


def _valid(document: Document, *, source: str) -> Config:
    config, problems = validate(document, source=source)
    if config is None:
        raise ConfigError(problems)
    return config
