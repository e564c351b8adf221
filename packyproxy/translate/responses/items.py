"""The items of ``input``: read once, then chosen and put right for each attempt (wire-mapping 2.5, 7.2).

An item that no row changes goes out as the bytes it came in. Types that are not named here are left alone.
"""

from collections.abc import Callable

from msgspec import UNSET, Raw, Struct, json

from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.responses.heads import NULL, Elements, ItemHead, id_prefix, read_item_heads
from packyproxy.translate.responses.json_fields import (
    Fields,
    kind_of,
    read_elements,
    read_fields,
    require_kind,
)
from packyproxy.translate.responses.tokens import item_tokens, other_item_tokens
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
_SAID = b'[{"type":"message","role":"user","content":[{"type":"input_text","text":%b}]}]'
_CONTENT_STARTS = frozenset(b'["n')


class _Item(Struct, frozen=True, gc=False):
    """One item that not every provider may get as the client sent it."""

    at: int
    kind: str
    fields: Fields | None
    """The item taken apart, where it is changed for every provider."""
    item_id: str | None
    """The id, where not every provider takes one; empty for null."""
    encrypted: str | None
    """The content of reasoning."""
    has_phase: bool


class Input(Struct, frozen=True, kw_only=True):
    """The history of a request."""

    elements: Elements
    heads: list[ItemHead]
    kinds: list[str]
    """The type of each."""
    items: list[_Item]
    """Those that are looked at again for each provider."""
    left_out: frozenset[int]
    """Where items stand that no provider gets."""
    opening: bytes
    """The first thing that a user said."""
    has_tools: bool
    """Whether an item brings tools along."""
    has_compaction: bool


class SentInput(Struct, frozen=True, kw_only=True):
    """What one provider gets of the history."""

    items: Raw | list[Raw | Fields]
    tokens: int
    reasoning: tuple[str, ...]
    """Each encrypted content that could be left out."""


def read_input(value: Raw) -> Input:
    """Read ``input``: a text, which is a user's message, or a list of items.

    Raises:
        InvalidRequest: a field is wrong, or an item needs what only a server that stores answers has.
    """
    opening = b""
    if kind_of(require_kind(value, "input", "string", "array")) == "string":
        opening = bytes(value)
        value = Raw(_SAID % opening)
    elements = Elements(value)
    heads = read_item_heads(elements)
    if len(heads) > _MAX_ITEMS:
        raise InvalidRequest(f"at most {_MAX_ITEMS} items are accepted", field="input")
    items: list[_Item] = []
    left_out: list[int] = []
    kinds: list[str] = []
    for at, head in enumerate(heads):
        kind = _unnamed_kind(head, elements, at) if head.type is None else head.type
        kinds.append(kind)
        encrypted = None
        if kind == "reasoning":
            encrypted = _encrypted(head, at)
            if encrypted is None:
                left_out.append(at)
                continue
        fields = _mended(kind, head, elements, at)
        item_id = None if head.id is UNSET or id_prefix(kind) is None else head.id or ""
        has_phase = head.phase is not UNSET and kind == "message"
        if fields is not None or encrypted is not None or item_id is not None or has_phase:
            items.append(_Item(at, kind, fields, item_id, encrypted, has_phase))
        if not opening and head.role == "user":
            opening = bytes(head.content)
    return Input(
        elements=elements,
        heads=heads,
        kinds=kinds,
        items=items,
        left_out=frozenset(left_out),
        opening=opening,
        has_tools=_TOOLS in kinds,
        has_compaction=not _COMPACTIONS.isdisjoint(kinds),
    )


def write_input(read: Input, target: Target, facts: AttemptFacts) -> SentInput:
    """Choose and mend the items for one attempt."""
    capabilities, removed = target.capabilities, facts.removed_parameters
    keeps_ids = capabilities.item_ids
    drops_phase = capabilities.phase == "off" or "phase" in removed
    reads_reasoning = facts.is_first_asked and not facts.without_reasoning
    changed: dict[int, Fields] = {}
    left_out = set(read.left_out)
    reasoning: list[str] = []
    for item in read.items:
        at, fields = item.at, item.fields and {**item.fields}
        if item.encrypted is not None:
            if not reads_reasoning or not _is_readable(item, facts.is_refused_reasoning, keeps_ids=keeps_ids):
                left_out.add(at)
                continue
            reasoning.append(item.encrypted)
        if item.item_id is not None and not (keeps_ids and _fits(item.item_id, item.kind)):
            fields = fields or read_fields(read.elements.raws[at])
            del fields["id"]
        if drops_phase and item.has_phase:
            fields = fields or read_fields(read.elements.raws[at])
            del fields["phase"]
        if fields is not None:
            changed[at] = fields
    return SentInput(
        items=_sent(read.elements, changed, left_out, drops_detail="detail" in removed),
        tokens=_tokens(read, left_out),
        reasoning=tuple(reasoning),
    )


def _tokens(read: Input, left_out: set[int]) -> int:
    """Estimate what is sent; here and not in ``read``, since others have their turn between the two."""
    tokens = 0
    for at, head in enumerate(read.heads):
        if at in left_out:
            continue
        cost = item_tokens(read.kinds[at], head)
        tokens += other_item_tokens(read.elements.raws[at]) if cost is None else cost
    return tokens


def _sent(
    elements: Elements, changed: dict[int, Fields], left_out: set[int], *, drops_detail: bool
) -> Raw | list[Raw | Fields]:
    """Return the items that are sent; in one piece if that is what the client sent."""
    if not changed and not left_out and not drops_detail:
        return elements.whole
    sent: list[Raw | Fields] = []
    for at, raw in enumerate(elements.raws):
        if at in left_out:
            continue
        fields = changed.get(at)
        if drops_detail:
            fields = _without_in_parts(fields or read_fields(raw), "detail") or fields
        sent.append(raw if fields is None else fields)
    return sent


def _encrypted(head: ItemHead, at: int) -> str | None:
    """Return the content of reasoning; None for reasoning that only a server that stores answers has."""
    content = head.encrypted_content
    if json_text.is_null(content) or json_text.is_empty(
        require_kind(content, f"input[{at}].encrypted_content", "string")
    ):
        return None
    return json_text.unquote(content)


def _mended(kind: str, head: ItemHead, elements: Elements, at: int) -> Fields | None:
    """Check an item and take it apart if something of it is changed for every provider."""
    fields: Fields | None = None
    if kind == "message":
        if memoryview(head.content)[0] not in _CONTENT_STARTS:
            require_kind(head.content, f"input[{at}].content", "string", "array")
        if head.role == "system":
            fields = {**read_fields(elements.raws[at]), "role": _DEVELOPER}
    elif kind == "item_reference":
        raise InvalidRequest(
            "item_reference needs server-side storage; send the full item",
            field="input",
            code="unsupported_parameter",
            says_all=True,
        )
    if _has_breakpoint(head.content) or _has_breakpoint(head.output):
        fields = _without_in_parts(fields or read_fields(elements.raws[at]), _BREAKPOINT) or fields
    return fields


def _has_breakpoint(value: Raw) -> bool:
    return value is not NULL and json_text.is_list(value) and _BREAKPOINT.encode() in bytes(value)


def _unnamed_kind(head: ItemHead, elements: Elements, at: int) -> str:
    """Return the type of an item that does not name it, as messages and references need not."""
    if head.role is not None:
        return "message"
    fields = read_fields(elements.raws[at])
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
