"""The non-stream answer: the response of a streaming client's last event (wire-mapping 5.2)."""

from typing import cast

import msgspec
from msgspec import Raw

from packyproxy.translate.responses.frames import data_of
from packyproxy.translate.responses.output import DoneItems
from packyproxy.wire.responses_events import ItemDone, decode_event
from packyproxy.wire.responses_output import read_fields

__all__ = ["fold"]

_encode = msgspec.json.Encoder().encode

_DONE_ITEM = b"event: response.output_item.done\n"
_DETAILS = (
    ("input_tokens_details", ("cached_tokens", "cache_write_tokens")),
    ("output_tokens_details", ("reasoning_tokens",)),
)
"""What the SDK's model of usage requires and upstreams leave out."""


def fold(frames: bytes) -> bytes:
    """Return the JSON of the response that a whole, successful stream ends with.

    Args:
        frames: what a ``ResponsesWriter`` returned, to its last event. A stream that ended in an error has no
            such response: its caller answers with the error instead.
    """
    response = read_fields((read_fields(data_of(frames)) or {})["response"])
    assert response is not None, "the last event of a good answer holds its response"
    whole: dict[str, object] = {**response}
    output = _items(frames).missing_from(response.get("output"))
    if output is not None:
        whole["output"] = output
    usage = read_fields(response.get("usage", b""))
    if usage:
        whole["usage"] = _with_details(usage)
    return _encode(whole)


def _items(frames: bytes) -> DoneItems:
    """Collect the items that were done: the writer forgets them when they are very large."""
    items = DoneItems(max_bytes=None)
    for written in frames.split(b"\n\n"):
        if written.startswith(_DONE_ITEM):
            data = written.partition(b"\ndata: ")[2]
            items.add(cast("ItemDone", decode_event(data)), data)
    return items


def _with_details(usage: dict[str, Raw]) -> dict[str, object]:
    """Add the counts that upstreams leave out, each as 0."""
    whole: dict[str, object] = {**usage}
    for name, counts in _DETAILS:
        told = read_fields(usage.get(name, b"")) or {}
        whole[name] = {**dict.fromkeys(counts, 0), **told}
    return whole
