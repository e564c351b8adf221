"""What the upstreams of the privacy proof answer: canaries in whatever a model or a provider can say."""

from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

from packyproxy.testing.privacy.canaries import canary_text, stage_owner
from packyproxy.testing.upstream.fake_upstream import Answer
from packyproxy.testing.upstream.faults import Fault
from packyproxy.testing.upstream.script import Call, Citation, Message, Reasoning, Search, Stream, Turn

__all__ = ["PATHS", "Path", "canary_answer", "key_refused"]

_LONGER_THAN_A_CANARY: Final = 64


def canary_answer(owner: int) -> Turn:
    """Return an answer with everything in it that a model says: no piece of it is cut."""
    url = f"https://news.test/{canary_text('citation', owner)}"
    return Turn(
        output=[
            Reasoning([canary_text("output reasoning", owner)]),
            Search(canary_text("search query", owner), sources=[url]),
            Message(
                canary_text("output text", owner),
                [Citation(url, canary_text("citation", owner), canary_text("output text", owner))],
            ),
            Call(canary_text("tool name", owner), {"path": canary_text("output tool arguments", owner)}),
        ],
        headers={
            "x-note": canary_text("upstream header", owner),
            "set-cookie": f"a={canary_text('upstream header', owner)}",
            "x-request-id": canary_text("upstream header", owner),
            "x-codex-note": canary_text("upstream header", owner),
        },
        delta_characters=_LONGER_THAN_A_CANARY,
    )


def key_refused(owner: int) -> Sequence[Answer]:
    """Refuse every request for its key, and quote that."""
    return [_error(owner, 401, code="invalid_api_key")]


class Path(Struct, frozen=True, kw_only=True):
    """One way that a request can go."""

    name: str
    first: Callable[[int], Sequence[Answer]]
    """What the provider that is asked first answers, in order."""
    second: Callable[[int], Sequence[Answer]] | None = None
    """What the other one answers; without it there is no other one."""
    ends: Literal["answered", "failed"]
    """What the client gets."""
    is_streamed: bool = False
    """Whether only protocols whose answers are streams upstream can go this way."""
    settings: tuple[tuple[str, object], ...] = ()
    """Of the configuration."""


def _key(owner: int) -> str:
    """Return the provider's key that both clients of a stage are served with."""
    return canary_text("provider key", stage_owner(owner))


def _error(owner: int, status: int, *, kind: str = "invalid_request_error", code: str | None = None) -> Fault:
    """Refuse with the provider's key, its fixed header and the client's words in every text."""
    text = " ".join(
        (
            f"cannot parse {canary_text('upstream error', owner)} of",
            f"Bearer {_key(owner)},",
            f"x-relay-token: {canary_text('provider header', stage_owner(owner))},",
            f"{canary_text('user text', owner)}",
        )
    )
    return Fault.status(
        status,
        text,
        type=kind,
        code=code or canary_text("upstream error code", owner),
        headers={"x-note": canary_text("upstream header", owner)},
        note=canary_text("upstream error", owner),
    )


def _failed(owner: int, after_events: int | None) -> Fault:
    return Fault.failed(
        canary_text("upstream error code", owner),
        f"{canary_text('upstream error', owner)} {_key(owner)}",
        turn=canary_answer(owner),
        after_events=after_events,
    )


def _error_event(owner: int) -> Fault:
    return Fault.error_event(
        canary_text("upstream error code", owner),
        f"{canary_text('upstream error', owner)} {_key(owner)}",
        turn=canary_answer(owner),
        after_events=7,
    )


def _page(owner: int) -> Fault:
    words = canary_text("upstream error", owner), _key(owner)
    return Fault.answer(502, f"<html><title>{words[0]}</title><body>{words[1]}</body></html>")


def _unknown(owner: int) -> Turn:
    """Return an answer among events that nobody knows."""
    notice = {"type": "x.unheard_of", "delta": canary_text("output text", owner)}
    return Turn(text=canary_text("output text", owner), notices=[notice])


def _refusal(owner: int) -> Turn:
    return Turn(refusal=canary_text("output refusal", owner), delta_characters=_LONGER_THAN_A_CANARY)


def _broken(owner: int) -> Stream:
    return Stream(f"event: response.created\ndata: {{{canary_text('output text', owner)}\n\n".encode())


def _compressed(owner: int) -> Stream:
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    return Stream(canary_text("output text", owner).encode(), headers=headers)


def _gone(owner: int) -> Fault:
    return Fault.redirect(f"http://elsewhere.test/{canary_text('upstream header', owner)}")


_IMPATIENT: Final = (("streaming", {"headers-timeout": 0.05, "idle-timeout": 0.05}),)

PATHS: Final = (
    Path(name="answered", first=lambda o: [canary_answer(o)], ends="answered"),
    Path(name="refused by the model", first=lambda o: [_refusal(o)], ends="answered"),
    Path(name="unknown events", first=lambda o: [_unknown(o)], ends="answered"),
    Path(
        name="failover",
        first=lambda o: [_error(o, 503, kind="server_error")],
        second=lambda o: [canary_answer(o)],
        ends="answered",
    ),
    Path(
        name="mended and sent again",
        first=lambda o: [Fault.detail(400, "Unsupported parameter: prompt_cache_key"), canary_answer(o)],
        ends="answered",
        is_streamed=True,
    ),
    Path(
        name="repeated",
        first=lambda o: [_page(o), canary_answer(o)],
        ends="answered",
        settings=(("request-retry", 1),),
    ),
    Path(
        name="hedged",
        first=lambda o: [Fault.stall(canary_answer(o), after_events=0)],
        second=lambda o: [canary_answer(o)],
        ends="answered",
        settings=(("routing", {"hedge-after": 0.02}),),
    ),
    Path(
        name="nobody could serve",
        first=lambda o: [_error(o, 500, kind="server_error")],
        second=lambda o: [_page(o)],
        ends="failed",
    ),
    Path(name="too long for the model", first=lambda o: [_overflow(o)], ends="failed"),
    Path(name="usage limit", first=lambda _: [Fault.usage_limit()], ends="failed"),
    Path(
        name="rate limit",
        first=lambda o: [_error(o, 429, kind="requests", code="rate_limit_exceeded")],
        ends="failed",
    ),
    Path(name="provider key refused", first=key_refused, ends="failed"),
    Path(name="forbidden", first=lambda o: [_error(o, 403)], ends="failed"),
    Path(name="bad request", first=lambda o: [_error(o, 400)], ends="failed"),
    Path(name="no such model", first=lambda o: [_error(o, 404, code="model_not_found")], ends="failed"),
    Path(name="conflict", first=lambda o: [_error(o, 409)], ends="failed"),
    Path(name="too large for the provider", first=lambda o: [_error(o, 413)], ends="failed"),
    Path(name="unprocessable", first=lambda o: [_error(o, 422)], ends="failed"),
    Path(name="server error", first=lambda o: [_error(o, 500, kind="server_error")], ends="failed"),
    Path(name="web page", first=lambda o: [_page(o)], ends="failed"),
    Path(name="redirect", first=lambda o: [_gone(o)], ends="failed"),
    Path(name="empty answer", first=lambda _: [Fault.empty()], ends="failed"),
    Path(
        name="dropped before the answer",
        first=lambda o: [Fault.cut(canary_answer(o), after_bytes=0)],
        ends="failed",
    ),
    Path(
        name="silent before the answer",
        is_streamed=True,
        first=lambda o: [Fault.stall(canary_answer(o), after_events=0)],
        settings=_IMPATIENT,
        ends="failed",
    ),
    Path(
        name="out of time",
        first=lambda o: [Fault.stall(canary_answer(o), after_events=0)],
        ends="failed",
        settings=(("streaming", {"total-timeout": 0.05}),),
    ),
    Path(name="unreadable compression", first=lambda o: [_compressed(o)], ends="failed"),
    Path(name="not JSON", first=lambda o: [_broken(o)], ends="failed"),
    Path(
        name="dropped before content",
        first=lambda o: [Fault.cut(canary_answer(o), after_events=2)],
        ends="failed",
        is_streamed=True,
    ),
    Path(
        name="dropped in the middle",
        first=lambda o: [Fault.cut(canary_answer(o), after_events=14)],
        ends="failed",
        is_streamed=True,
    ),
    Path(
        name="ended in the middle",
        first=lambda o: [Fault.end(canary_answer(o), after_events=14)],
        ends="failed",
        is_streamed=True,
    ),
    Path(
        name="silent in the middle",
        first=lambda o: [Fault.stall(canary_answer(o), after_events=14)],
        settings=_IMPATIENT,
        ends="failed",
        is_streamed=True,
    ),
    Path(name="failed at once", first=lambda o: [_failed(o, 2)], ends="failed", is_streamed=True),
    Path(name="failed in the middle", first=lambda o: [_failed(o, 14)], ends="failed", is_streamed=True),
    Path(name="error event", first=lambda o: [_error_event(o)], ends="failed", is_streamed=True),
)
"""Every way that requests go, but for those on which nobody is asked."""


def _overflow(owner: int) -> Fault:
    return _error(owner, 400, code="context_length_exceeded")
