"""The text of a configuration with every secret masked, so that it may be shown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from packyproxy.config.document import Plain
from packyproxy.config.secret import MASK, Secret
from packyproxy.config.yaml_edit import Edit, edit_text
from packyproxy.config.yaml_file import read_text
from packyproxy.errors import ConfigError

__all__ = ["masked_text"]

_SECRET_KEYS: Final = frozenset(
    {"api-key", "api-keys", "headers", "openai-api-key", "proxy-url", "secret-key"}
)
"""Keys whose value is secret, or every value below them."""
_LOOKS_LIKE_A_KEY: Final = re.compile(r"\bsk-[A-Za-z0-9_-]{4,}")
"""Old keys often stay in comments."""
_UNMISTAKABLE: Final = 8
"""So many characters of a secret mean the secret also where they stand in a comment or behind an anchor."""


def masked_text(text: str) -> str:
    """Return a text in which keys, proxy URLs and the values of headers are their masks, wherever they stand.

    Raises:
        ConfigError: the text is not readable YAML, or a mask cannot be put in place (anchors and aliases).
    """
    document = read_text(text)
    if document.problems:
        raise ConfigError(document.problems)
    secrets = tuple(_secrets(document.root, (), is_secret=False))
    text = edit_text(text, (Edit(path, str(secret)) for path, secret in secrets))
    for _, secret in secrets:
        if len(secret.reveal()) >= _UNMISTAKABLE:
            text = text.replace(secret.reveal(), str(secret))
    return _LOOKS_LIKE_A_KEY.sub(MASK, text)


def _secrets(
    value: object, path: tuple[str | int, ...], *, is_secret: bool
) -> Iterator[tuple[tuple[str | int, ...], Secret]]:
    """Yield every secret with its path."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _secrets(item, (*path, name), is_secret=is_secret or name in _SECRET_KEYS)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            yield from _secrets(item, (*path, index), is_secret=is_secret)
    elif is_secret and value:
        yield path, Secret(value.text if isinstance(value, Plain) else str(value))
