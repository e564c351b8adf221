"""Headers between a Codex CLI and its upstream."""

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from packyproxy.translate.codex_headers import answer_headers, upstream_headers
from packyproxy.translate.contract import Target
from packyproxy.translate.messages.protocol import MessagesProtocol
from packyproxy.translate.responses.compact import CompactProtocol
from packyproxy.translate.responses.protocol import ResponsesProtocol
from packyproxy.translate.responses.search import SearchProtocol

TARGET = Target(model="m", scope="1f2e3d4c5b", provider_scope="0a1b2c3d4e", efforts=())
CODEX = {"originator": "codex_exec"}
OURS_GONE = {"session_id": "", "conversation_id": "", "openai-beta": ""}

FORWARDED = (
    "user-agent",
    "session_id",
    "conversation_id",
    "openai-beta",
    "version",
    "session-id",
    "thread-id",
    "x-codex-turn-metadata",
    "x-codex-window-id",
    "x-codex-beta-features",
    "x-codex-installation-id",
    "x-codex-parent-thread-id",
    "x-openai-subagent",
    "x-openai-internal-codex-responses-lite",
)

NEVER_FORWARDED = [
    "authorization", "x-api-key", "api-key", "proxy-authorization", "cookie", "host", "content-length",
    "content-encoding", "accept-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "expect", "forwarded", "via", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-proto", "x-real-ip", "true-client-ip", "x-client-ip", "cf-connecting-ip", "cf-ray",
    "cdn-loop", "origin", "referer", "sec-fetch-mode", "sec-ch-ua", "anthropic-version", "anthropic-beta",
    "x-stainless-lang", "x-stainless-retry-count", "x-app", "x-claude-code-session-id",
    "chatgpt-account-id", "openai-organization", "openai-project", "traceparent", "tracestate",
    "x-goog-api-key", "x-amz-date", "x-client-request-id", "accept", "content-type", "x-codex-unknown",
    "x-request-id",
]  # fmt: skip


def _sent(headers: dict[str, str], target: Target = TARGET) -> dict[str, str]:
    return {name: value for name, value in upstream_headers(headers, target).items() if value}


@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded_headers(name: str) -> None:
    """A header of a Codex CLI that is listed travels as it was sent, in whatever case."""
    headers = httpx.Headers({**CODEX, name.title(): "one; (two)"})
    assert {**OURS_GONE, **CODEX, name: "one; (two)"} == upstream_headers(headers, TARGET)


@pytest.mark.parametrize("name", FORWARDED)
def test_nobody_else_is_forwarded(name: str) -> None:
    """Without ``originator`` nothing travels: other clients have no business with a Codex back end."""
    assert {} == upstream_headers({name: "x", "originator": ""}, TARGET)


@pytest.mark.parametrize("name", NEVER_FORWARDED)
def test_never_forwarded_headers(name: str) -> None:
    """What is not listed stays here, credentials above all."""
    assert CODEX == _sent({**CODEX, name: "secret"})


def test_absent_headers_take_ours_away() -> None:
    """A Codex CLI without session headers or ``openai-beta`` is passed on without them."""
    assert {**OURS_GONE, **CODEX} == upstream_headers(CODEX, TARGET)


def test_what_connection_names_stays_here() -> None:
    """Hop-by-hop headers are for this hop, whatever their name."""
    named = {"connection": "close, Session-Id,x-codex-turn-state"}
    sent = _sent(
        {**CODEX, **named, "session-id": "s", "thread-id": "t", "x-codex-turn-state": "pp1.0a1b2c3d4e.v"}
    )
    assert {**CODEX, "thread-id": "t"} == sent


@pytest.mark.parametrize(
    "value",
    ["a\nb", "a\rb", "a\0b", "a\x7fb", "größe", "x" * 16_385],
    ids=["LF", "CR", "NUL", "DEL", "wide", "long"],
)
def test_unfit_values_stay_here(value: str) -> None:
    """Values that could break a head, or fill it, do not travel in either direction."""
    assert CODEX == _sent({**CODEX, "session-id": value, "x-codex-turn-state": f"pp1.0a1b2c3d4e.{value}"})
    assert () == answer_headers({"x-codex-plan-type": value}, TARGET)


def test_longest_value() -> None:
    """A turn's metadata of 16 KiB still travels."""
    assert "x" * 16_384 == _sent({**CODEX, "x-codex-turn-metadata": "x" * 16_384})["x-codex-turn-metadata"]


STATES = {
    "this provider's": ("pp1.0a1b2c3d4e.v.1", "v.1"),
    "another's": ("pp1.ffffffffff.v", None),
    "an upstream's own": ("v", None),
    "of the model's scope": ("pp1.1f2e3d4c5b.v", None),
    "empty": ("pp1.0a1b2c3d4e.", None),
}


@pytest.mark.parametrize(("value", "expected"), STATES.values(), ids=STATES)
def test_turn_state(value: str, expected: str | None) -> None:
    """The state of a turn returns to the provider that gave it, and to no other."""
    assert expected == _sent({**CODEX, "x-codex-turn-state": value}).get("x-codex-turn-state")


def test_turn_state_of_an_unmarked_provider() -> None:
    """Where a provider has no mark, no state travels."""
    target = Target(model="m", scope="s", efforts=())
    assert CODEX == _sent({**CODEX, "x-codex-turn-state": "pp1..v"}, target)
    assert () == answer_headers({"x-codex-turn-state": "v"}, target)


RETURNED = {
    "x-codex-primary-used-percent": "12.5",
    "x-codex-plan-type": "plus",
    "x-models-etag": 'W/"1"',
    "x-reasoning-included": "true",
    "openai-model": "gpt-5",
}


@pytest.mark.parametrize(("name", "value"), RETURNED.items(), ids=RETURNED)
def test_returned_headers(name: str, value: str) -> None:
    """The limits and facts that the Codex CLI shows are passed on."""
    assert ((name, value),) == answer_headers({name: value}, TARGET)


@pytest.mark.parametrize(
    ("value", "asked", "expected"),
    [
        ("M", "mine", "mine"),
        ("m", "m", "m"),
        ("gpt-5.2", "mine", "gpt-5.2"),
        ("m-2026", "mine", "m-2026"),
        ("m", "", "m"),
        ("m", "m\u00fc", None),
    ],
    ids=["alias", "same", "rerouted", "snapshot", "unknown", "not ASCII"],
)
def test_returned_model(value: str, asked: str, expected: str | None) -> None:
    """The model that was asked for has the client's name: the Codex CLI warns its user of any other."""
    told = answer_headers({"OpenAI-Model": value}, replace(TARGET, requested_model=asked))
    assert (() if expected is None else (("openai-model", expected),)) == told


@pytest.mark.parametrize(
    "name",
    [
        "set-cookie", "server", "alt-svc", "strict-transport-security", "openai-processing-ms", "x-request-id", "cf-ray",
        "content-type", "content-length", "connection", "transfer-encoding", "x-ratelimit-remaining-requests", "openai-organization",
    ],
)  # fmt: skip
def test_headers_not_returned(name: str) -> None:
    """What an upstream says about itself stays here."""
    assert () == answer_headers({name: "x"}, TARGET)


def test_returned_turn_state_is_marked_and_comes_back() -> None:
    """The state of a turn goes out with its provider's mark, and without it returns there."""
    (returned,) = answer_headers({"X-Codex-Turn-State": "v.1"}, TARGET)
    assert ("x-codex-turn-state", "pp1.0a1b2c3d4e.v.1") == returned
    assert "v.1" == _sent({**CODEX, returned[0]: returned[1]})["x-codex-turn-state"]


def test_returned_headers_are_bounded() -> None:
    """No upstream fills the head of an answer."""
    headers = {f"x-codex-{number}": "x" for number in range(100)}
    assert 64 == len(answer_headers(headers, TARGET))


@pytest.mark.parametrize(
    "protocol", [ResponsesProtocol(), CompactProtocol(), SearchProtocol()], ids=lambda one: one.name
)
def test_protocols_with_headers(protocol: Any) -> None:
    """Everything that a Codex CLI asks for has these rules."""
    assert {**OURS_GONE, **CODEX} == protocol.upstream_headers(CODEX, TARGET)
    assert tuple(RETURNED.items()) == protocol.answer_headers(RETURNED, TARGET)


def test_messages_have_no_such_headers() -> None:
    """A client of another protocol passes nothing on, whatever it calls itself."""
    protocol = MessagesProtocol()
    assert ({}, ()) == (protocol.upstream_headers(CODEX, TARGET), protocol.answer_headers(RETURNED, TARGET))
