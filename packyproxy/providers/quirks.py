"""Where a provider departs from the Responses API, in words; pure.

packyproxy lives with everything named here. An operator may want to know nevertheless, to set the provider's
``profile`` or to ask the provider about it.
"""

from collections.abc import Iterator, Mapping

from packyproxy.errors import UpstreamFailed
from packyproxy.providers.learned import Learned
from packyproxy.wire.responses_events import (
    Completed,
    Failed,
    Incomplete,
    ItemDone,
    UnknownEvent,
    UnparsableEvent,
    decode_event,
)
from packyproxy.wire.responses_output import ResponseObject, read_usage
from packyproxy.wire.sse import FrameDecoder

__all__ = ["answer_quirks", "learned_quirks"]

_EVENT_STREAM = "text/event-stream"
_DONE = b"[DONE]"
_MOST_TYPES = 5


def learned_quirks(learned: Learned, provider_id: str, model: str, efforts: tuple[str, ...]) -> Iterator[str]:
    """Tell what a provider has refused so far.

    Args:
        learned: where that is remembered.
        provider_id: the provider's.
        model: the upstream's model id.
        efforts: what the model takes by the configuration, weakest first.
    """
    facts = learned.attempt_facts(provider_id, model, scope="", now=0.0)
    for parameter in sorted(facts.removed_parameters):
        yield f"takes no {parameter}: it is left out"
    if learned.uses_developer(provider_id):
        yield "refuses system text in instructions: it is sent as a developer message"
    allowed = learned.allowed_efforts(provider_id, model, efforts)
    for effort in efforts:
        if effort not in allowed:
            yield f"refuses the effort {effort} for {model}"


def answer_quirks(headers: Mapping[str, str], body: bytes, *, model: str) -> Iterator[str]:
    """Tell what is unusual about a whole answer.

    Args:
        headers: its headers, names in lower case or without regard to case.
        body: its body, decompressed.
        model: the upstream's model id that was asked for.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = headers.get("content-encoding", "identity").strip().lower()
    is_document = body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    if is_document:
        yield "answers with one JSON document although a stream was asked for: nothing shows before the end"
    elif not content_type:
        yield "sends no content-type"
    elif content_type != _EVENT_STREAM:
        yield "sends a stream of events under another content-type"
    if encoding != "identity":
        yield "compresses the answer although it was asked not to"
    if not is_document:
        yield from _stream_quirks(body, model)


def _stream_quirks(body: bytes, model: str) -> Iterator[str]:
    decoder = FrameDecoder()
    try:
        frames = [*decoder.feed(body), *decoder.finish()]
    except UpstreamFailed:
        return
    events = [decode_event(data) for data in frames if not data.startswith(_DONE)]
    unknown = list(dict.fromkeys(event.type for event in events if isinstance(event, UnknownEvent)))
    if unknown:
        yield f"sends events that are not known here: {', '.join(unknown[:_MOST_TYPES])}"
    if any(isinstance(event, UnparsableEvent) for event in events):
        yield "sends events that are not JSON"
    endings = [event.response for event in events if isinstance(event, Completed | Incomplete | Failed)]
    if not endings:
        yield "ends its streams without response.completed"
        return
    yield from _ending_quirks(
        endings[0], model, has_items=any(isinstance(event, ItemDone) for event in events)
    )


def _ending_quirks(response: ResponseObject, model: str, *, has_items: bool) -> Iterator[str]:
    if has_items and not response.output:
        yield "repeats no output in response.completed"
    if read_usage(response.usage) is None:
        yield "reports no token usage"
    # A dated id of the same model is how the real API answers.
    if response.model and not response.model.lower().startswith(model.lower()):
        yield "answers as another model than was asked for"
