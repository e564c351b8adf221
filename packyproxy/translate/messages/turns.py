"""The ``messages`` array, decoded and checked: one turn per message (wire-mapping 1.4)."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Raw, Struct, UnsetType, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.decoding import decode_part
from packyproxy.translate.effort import check_effort
from packyproxy.translate.messages.block_reading import MESSAGE_BLOCKS, SYSTEM_BLOCKS
from packyproxy.wire import json_text
from packyproxy.wire.messages import Block, Message, OutputConfig, TextBlock

__all__ = ["Turn", "first_user_text", "read_turns"]

_CLEAR_AT_NEXT_USER_MESSAGE = b'"next_user_message"'

_OUTPUT_CONFIG = json.Decoder(OutputConfig | None)


class Turn(Struct, frozen=True, kw_only=True):
    """One message; a string as content is one text block."""

    role: Literal["user", "assistant", "system"]
    blocks: list[Block]
    at: int
    """Which message of the body it is."""
    effort: str | None = None
    """The effort that a system message asks for."""
    is_cleared: bool = False
    """A system message that the model shall not see any more."""

    def path(self, at: int) -> str:
        """Return the path of a block in the body."""
        return f"messages.{self.at}.content.{at}"


def read_turns(messages: list[Message], warnings: list[str]) -> list[Turn]:
    """Decode the content of every message.

    Raises:
        InvalidRequest: a role, a block or one of its fields is wrong.
    """
    last_user = next((at for at in range(len(messages) - 1, -1, -1) if messages[at].role == "user"), -1)
    turns: list[Turn] = []
    for at, message in enumerate(messages):
        role = message.role
        if role == "user":
            turns.append(Turn(role="user", blocks=_blocks(message.content, at), at=at))
        elif role == "assistant":
            skipped: list[str] = []
            turns.append(Turn(role="assistant", blocks=_blocks(message.content, at, skipped), at=at))
            if skipped:
                warnings.append("unknown_block")
        elif role == "system":
            turns.append(_read_system_turn(message, at, has_later_user=at < last_user))
        else:
            raise InvalidRequest("unexpected value", field=f"messages.{at}.role")
    return turns


def _read_system_turn(message: Message, at: int, *, has_later_user: bool) -> Turn:
    blocks: list[Block] = []
    if isinstance(message.content, UnsetType):
        # A system message may consist of its output_config alone.
        pass
    elif json_text.is_text(message.content):
        blocks = _blocks(message.content, at)
    elif not json_text.is_null(message.content):
        blocks = [*SYSTEM_BLOCKS.read(message.content, f"messages.{at}.content")]
    effort = None
    if not isinstance(message.output_config, UnsetType):
        field = f"messages.{at}.output_config"
        config = decode_part(_OUTPUT_CONFIG, message.output_config, field)
        effort = check_effort(config.effort if config else None, f"{field}.effort")
    clear_at = None if isinstance(message.clear_at, UnsetType) else bytes(message.clear_at)
    return Turn(
        role="system",
        blocks=blocks,
        at=at,
        effort=effort,
        is_cleared=has_later_user and clear_at == _CLEAR_AT_NEXT_USER_MESSAGE,
    )


def _blocks(content: Raw | UnsetType, at: int, skipped: list[str] | None = None) -> list[Block]:
    if isinstance(content, UnsetType):
        raise InvalidRequest("field required", field=f"messages.{at}.content")
    if json_text.is_text(content):
        return [] if json_text.is_blank(content) else [TextBlock(content)]
    return MESSAGE_BLOCKS.read(content, f"messages.{at}.content", skipped=skipped)


def first_user_text(turns: list[Turn]) -> bytes:
    """Return the first text a user message holds, as the bytes of its literal; empty when there is none."""
    return next((bytes(text) for text in _user_texts(turns)), b"")


def _user_texts(turns: list[Turn]) -> Iterator[Raw]:
    for turn in turns:
        if turn.role == "user":
            yield from (block.text for block in turn.blocks if isinstance(block, TextBlock))
