"""Where providers depart from the Responses API: one case per departure, and none for an ordinary answer."""

from pathlib import Path

import pytest

from packyproxy.providers.learned import Learned
from packyproxy.providers.quirks import answer_quirks, learned_quirks

CORPUS = Path(__file__).parents[2] / "corpus" / "upstream"
SSE = {"content-type": "text/event-stream; charset=utf-8"}
CREATED = b'data: {"type":"response.created","response":{}}\n\n'
DONE_ITEM = b'data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message"}}\n\n'
USAGE = b'"usage":{"input_tokens":3,"output_tokens":1}'


def completed(members: bytes) -> bytes:
    return b'data: {"type":"response.completed","response":{' + members + b"}}\n\n"


ORDINARY = CREATED + DONE_ITEM + completed(b'"model":"gpt-5-2025-08-07","output":[{}],' + USAGE)


def quirks(body: bytes, headers: dict[str, str] = SSE) -> list[str]:
    return list(answer_quirks(headers, body, model="gpt-5"))


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        pytest.param(ORDINARY, SSE, [], id="none"),
        pytest.param(ORDINARY, {}, ["sends no content-type"], id="no content-type"),
        pytest.param(
            ORDINARY,
            {"content-type": "text/plain"},
            ["sends a stream of events under another content-type"],
            id="another content-type",
        ),
        pytest.param(
            ORDINARY,
            SSE | {"content-encoding": "gzip"},
            ["compresses the answer although it was asked not to"],
            id="compressed",
        ),
        pytest.param(
            b' {"output":[]}',
            {"content-type": "application/json"},
            ["answers with one JSON document although a stream was asked for: nothing shows before the end"],
            id="a document",
        ),
        pytest.param(
            b'data: {"type":"relay.notice"}\n\ndata: {"type":"relay.notice"}\n\n' + ORDINARY,
            SSE,
            ["sends events that are not known here: relay.notice"],
            id="unknown events",
        ),
        pytest.param(
            b"data: queued\n\n" + ORDINARY, SSE, ["sends events that are not JSON"], id="unparsable events"
        ),
        pytest.param(
            CREATED + DONE_ITEM + b"data: [DONE]\n\n",
            SSE,
            ["ends its streams without response.completed"],
            id="no ending",
        ),
        pytest.param(
            CREATED + DONE_ITEM + completed(b'"output":[],' + USAGE),
            SSE,
            ["repeats no output in response.completed"],
            id="no output",
        ),
        pytest.param(
            CREATED + DONE_ITEM + completed(b'"output":[{}]'), SSE, ["reports no token usage"], id="no usage"
        ),
        pytest.param(
            CREATED + DONE_ITEM + completed(b'"model":"gpt-4o","output":[{}],' + USAGE),
            SSE,
            ["answers as another model than was asked for"],
            id="another model",
        ),
        pytest.param(ORDINARY + b"data: [DONE]\n\n", SSE, [], id="a superfluous end"),
    ],
)
def test_departures_are_named(body: bytes, headers: dict[str, str], expected: list[str]) -> None:
    """In words that an operator can hand on to the provider."""
    assert expected == quirks(body, headers)


def test_a_recorded_answer_without_output() -> None:
    """The form that codex back ends were seen to send."""
    body = (CORPUS / "completed-with-empty-output.sse").read_bytes()
    assert "repeats no output in response.completed" in list(answer_quirks(SSE, body, model="gpt-5"))


def test_many_unknown_events_are_cut_short() -> None:
    """A report is a few lines."""
    body = b"".join(b'data: {"type":"x.%d"}\n\n' % number for number in range(9)) + ORDINARY
    assert ["sends events that are not known here: x.0, x.1, x.2, x.3, x.4"] == quirks(body)


def test_a_frame_without_end_is_no_quirk() -> None:
    """What cannot be read at all is a failure, and told as such."""
    assert [] == quirks(b"data: " + b"x" * (16 * 1024 * 1024 + 1))


def test_refusals_are_named() -> None:
    """What a provider has refused is remembered, and told by parameter, place and effort."""
    learned = Learned()
    learned.remove_parameter("p", "gpt-5", "service_tier")
    learned.remove_parameter("p", "gpt-5", "phase")
    learned.use_developer("p")
    learned.refuse_effort("p", "gpt-5", "minimal")
    assert [
        "takes no phase: it is left out",
        "takes no service_tier: it is left out",
        "refuses system text in instructions: it is sent as a developer message",
        "refuses the effort minimal for gpt-5",
    ] == list(learned_quirks(learned, "p", "gpt-5", ("minimal", "low")))


def test_a_provider_that_takes_everything_has_no_quirks() -> None:
    """Other providers' refusals are theirs."""
    learned = Learned()
    learned.remove_parameter("q", "gpt-5", "phase")
    assert [] == list(learned_quirks(learned, "p", "gpt-5", ("minimal", "low")))
