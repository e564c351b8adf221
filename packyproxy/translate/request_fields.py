"""Fields of the upstream request that several client protocols fill alike (wire-mapping 1.1-1.3, 1.9)."""

from collections.abc import Iterable

from msgspec import UNSET, Raw, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import Target
from packyproxy.wire import json_text
from packyproxy.wire.responses import InputItem, InputText, MessageItem

__all__ = ["join_instructions", "local_limit", "sampling_number", "upstream_limit", "with_system_item"]

_MIN_OUTPUT_TOKENS = 16  # the least the upstream takes
_UNLIMITED_TEXT_TOKENS = 32_000  # from here on the limit is the client's formality (wire-mapping 1.9)
_ATTRIBUTION = b"x-anthropic-billing-header:"

_ANYTHING = json.Decoder()


def join_instructions(texts: Iterable[Raw]) -> Raw:
    """Join the system texts but for Claude Code's attribution, which varies and would spoil the cache."""
    kept = [
        text
        for text in texts
        if not json_text.is_empty(text) and not json_text.begins_with(text, _ATTRIBUTION)
    ]
    return kept[0] if len(kept) == 1 else json_text.join(kept, b"\\n\\n")


def with_system_item(items: list[InputItem], instructions: Raw) -> list[InputItem]:
    """Put the instructions before the items, as the developer's message (wire-mapping 1.3)."""
    if json_text.is_empty(instructions):
        return items
    return [MessageItem(role="developer", content=[InputText(instructions)]), *items]


def _is_sent(target: Target, removed: frozenset[str]) -> bool:
    return target.capabilities.max_output_tokens and "max_output_tokens" not in removed


def upstream_limit(max_tokens: int | None, target: Target, removed: frozenset[str]) -> int | UnsetType:
    """Return the limit of the answer as the upstream is told it, where it takes one."""
    if max_tokens is None or not _is_sent(target, removed):
        return UNSET
    return max(_MIN_OUTPUT_TOKENS, max_tokens)


def local_limit(max_tokens: int | None, target: Target, removed: frozenset[str]) -> int | None:
    """Return the limit that must be kept here, because the upstream takes none."""
    if max_tokens is None or _is_sent(target, removed) or max_tokens >= _UNLIMITED_TEXT_TOKENS:
        return None
    return max_tokens


def sampling_number(
    value: Raw | UnsetType, name: str, target: Target, removed: frozenset[str], warnings: list[str]
) -> Raw | UnsetType:
    """Return a sampling number to send; exactly 1 is every model's default and never sent.

    Args:
        value: as the client sent it.
        name: of the field, also the token for ``warnings`` where the target takes none.
        target: of this attempt.
        removed: parameters that the target has refused.
        warnings: takes the token.

    Raises:
        InvalidRequest: it would be sent and is no number.
    """
    if isinstance(value, UnsetType) or json_text.is_null(value):
        return UNSET
    number = _ANYTHING.decode(value)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if is_number and number == 1:
        return UNSET
    if not target.capabilities.sampling or name in removed:
        warnings.append(name)
        return UNSET
    if not is_number:
        raise InvalidRequest("expected number", field=name)
    return value
