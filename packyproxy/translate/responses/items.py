"""The items of ``input``: read once, then chosen and put right for each attempt (wire-mapping 2.5, 7.2).

An item that no row changes goes out as the bytes it came in. Types that are not named here are left alone.
"""

from collections.abc import Callable

from msgspec import UNSET, Raw, Struct, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.responses.heads import ItemHead, id_prefix, read_item_heads
from packyproxy.translate.responses.json_fields import (
    Fields,
    kind_of,
    read_elements,
    read_fields,
    require_kind,
)
from packyproxy.translate.responses.tokens import item_tokens
from packyproxy.wire import json_text

__all__ = ["Input", "SentInput", "read_input", "write_input"]

_MAX_ITEMS = 100_000
_MAX_ID_CHARS = 64

_COMPACTIONS = frozenset({"compaction", "compaction_summary", "context_compaction"})
"""History that only the upstream can read, under the names that the Codex CLI has had for it."""

_TOOLS = "additional_tools"
"""The Codex CLI brings its tools so for newer models, and then has no ``tools``."""

_BREAKPOINT = "prompt_cache_breakpoint"
_DEVELOPER = Raw(b'"developer"')
_CONTENTS = frozenset({"array", "string", "null"})


class _Item(Struct, frozen=True):
    """One item as every provider gets it, ids and reasoning aside."""

    kind: str
    raw: Raw
    fields: Fields | None
    """The item taken apart, where it is changed for every provider."""
    tokens: int
    item_id: str | None
    """The id, where not every provider takes one; empty for null."""
    encrypted: str | None
    """The content of reasoning."""
    has_phase: bool


class Input(Struct, frozen=True, kw_only=True):
    """The history of a request."""

    items: list[_Item]
    whole: Raw | None
    """All of it as the client sent it; None when something is changed or left out for every provider."""
    opening: bytes
    """The first thing that a user said."""
    has_tools: bool
    """Whether an item brings tools along."""


class SentInput(Struct, frozen=True, kw_only=True):
    """What one provider gets of the history."""

    items: Raw | list[Raw | Fields]
    tokens: int
    reasoning: tuple[str, ...]
    """Each encrypted content that could be left out."""
    has_compaction: bool


def read_input(value: Raw, *, has_breakpoints: bool) -> Input:
    """Read ``input``: a text, which is a user's message, or a list of items.

    Args:
        value: as the client sent it.
        has_breakpoints: whether the body speaks of cache breakpoints anywhere, so that content is searched.

    Raises:
        InvalidRequest: a field is wrong, or an item needs what only a server that stores answers has.
    """
    if kind_of(require_kind(value, "input", "string", "array")) == "string":
        return _said(value)
    raws = read_elements(value)
    if len(raws) > _MAX_ITEMS:
        raise InvalidRequest(f"at most {_MAX_ITEMS} items are accepted", field="input")
    items: list[_Item] = []
    is_same = True
    opening = b""
    for at, head in enumerate(read_item_heads(value, raws)):
        item = _read_item(head, raws[at], at, has_breakpoints=has_breakpoints)
        if item is None:
            is_same = False
            continue
        is_same = is_same and item.fields is None
        items.append(item)
        if not opening and head.role == "user":
            opening = bytes(head.content)
    return Input(
        items=items,
        whole=value if is_same else None,
        opening=opening,
        has_tools=any(item.kind == _TOOLS for item in items),
    )


def write_input(read: Input, target: Target, facts: AttemptFacts) -> SentInput:
    """Choose and mend the items for one attempt."""
    capabilities, removed = target.capabilities, facts.removed_parameters
    keeps_ids = capabilities.item_ids
    drops_phase = capabilities.phase == "off" or "phase" in removed
    drops_detail = "detail" in removed
    reads_reasoning = facts.is_first_asked and not facts.without_reasoning
    sent: list[Raw | Fields] = []
    reasoning: list[str] = []
    tokens = 0
    is_same, has_compaction = read.whole is not None, False
    for item in read.items:
        kind, fields = item.kind, item.fields and {**item.fields}
        if item.encrypted is not None:
            if not reads_reasoning or not _is_readable(item, facts.is_refused_reasoning, keeps_ids=keeps_ids):
                is_same = False
                continue
            reasoning.append(item.encrypted)
        if item.item_id is not None and not (keeps_ids and _fits(item.item_id, kind)):
            fields = fields or read_fields(item.raw)
            del fields["id"]
        if drops_phase and item.has_phase:
            fields = fields or read_fields(item.raw)
            del fields["phase"]
        if drops_detail:
            fields = _without_in_parts(fields or read_fields(item.raw), "detail") or fields
        has_compaction = has_compaction or kind in _COMPACTIONS
        tokens += item.tokens
        is_same = is_same and fields is None
        sent.append(item.raw if fields is None else fields)
    return SentInput(
        items=read.whole if is_same and read.whole is not None else sent,
        tokens=tokens,
        reasoning=tuple(reasoning),
        has_compaction=has_compaction,
    )


def _said(text: Raw) -> Input:
    content = Raw(b'[{"type":"input_text","text":%b}]' % bytes(text))
    fields = {"type": Raw(b'"message"'), "role": Raw(b'"user"'), "content": content}
    tokens = item_tokens("message", ItemHead(content=content), text)
    item = _Item("message", text, fields, tokens, item_id=None, encrypted=None, has_phase=False)
    return Input(items=[item], whole=None, opening=bytes(text), has_tools=False)


def _read_item(head: ItemHead, raw: Raw, at: int, *, has_breakpoints: bool) -> _Item | None:
    """Read one item; None: it is left out for every provider."""
    kind, item_id, encrypted = head.type, head.id, None
    fields: Fields | None = None
    if kind is None:
        kind = _unnamed_kind(head, raw)
    if kind == "message":
        if kind_of(head.content) not in _CONTENTS:
            require_kind(head.content, f"input[{at}].content", "string", "array")
        if head.role == "system":
            fields = {**read_fields(raw), "role": _DEVELOPER}
    elif kind == "reasoning":
        content = head.encrypted_content
        if json_text.is_null(content) or json_text.is_empty(
            require_kind(content, f"input[{at}].encrypted_content", "string")
        ):
            return None
        encrypted = json_text.unquote(content)
    elif kind == "item_reference":
        raise InvalidRequest(
            "item_reference needs server-side storage; send the full item",
            field="input",
            code="unsupported_parameter",
            says_all=True,
        )
    if has_breakpoints:
        fields = _without_in_parts(fields or read_fields(raw), _BREAKPOINT) or fields
    return _Item(
        kind,
        raw,
        fields,
        item_tokens(kind, head, raw),
        item_id=None if item_id is UNSET or id_prefix(kind) is None else item_id or "",
        encrypted=encrypted,
        has_phase=kind == "message" and head.phase is not UNSET,
    )


def _unnamed_kind(head: ItemHead, raw: Raw) -> str:
    """Return the type of an item that does not name it, as messages and references need not."""
    if head.role is not None:
        return "message"
    fields = read_fields(raw)
    if "role" in fields:
        return "message"
    return "item_reference" if "id" in fields and fields.keys() <= {"id", "type"} else ""


def _fits(item_id: str, kind: str) -> bool:
    """Tell whether the upstream takes an id with this type of item."""
    return 0 < len(item_id) <= _MAX_ID_CHARS and item_id.startswith(id_prefix(kind) or "")


def _is_readable(item: _Item, is_refused: Callable[[str], bool] | None, *, keeps_ids: bool) -> bool:
    if keeps_ids and item.item_id is not None and len(item.item_id) > _MAX_ID_CHARS:
        return False
    return is_refused is None or item.encrypted is None or not is_refused(item.encrypted)


def _without_in_parts(fields: Fields, name: str) -> Fields | None:
    """Remove a field from the parts of an item's content or output; None: it is in none of them."""
    mended = None
    for place in ("content", "output"):
        value = fields.get(place)
        if value is None or kind_of(value) != "array" or name.encode() not in bytes(value):
            continue
        parts = read_elements(value)
        kept = [_part_without(part, name) for part in parts]
        if any(new is not old for new, old in zip(kept, parts, strict=True)):
            mended = {**(mended or fields), place: Raw(json.encode(kept))}
    return mended


def _part_without(part: Raw, name: str) -> Raw | Fields:
    if kind_of(part) != "object":
        return part
    fields = read_fields(part)
    return fields if fields.pop(name, None) is not None else part
