"""The token estimate of a translated request and its correction (wire-mapping 9)."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import Raw

from packyproxy.translate.token_count import ScaleFactors, estimate_tokens, text_tokens
from packyproxy.wire.json_text import quote
from packyproxy.wire.responses import (
    CustomTool,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    InputFile,
    InputImage,
    InputItem,
    InputText,
    JsonObjectFormat,
    JsonSchemaFormat,
    MessageItem,
    OutputText,
    ReasoningItem,
    ResponsesRequest,
    TextOptions,
    WebSearchTool,
)


def _request(items: Sequence[InputItem] = (), instructions: str = "", **more: Any) -> ResponsesRequest:
    return ResponsesRequest(model="m", instructions=quote(instructions), input=list(items), **more)


def _user(*texts: str) -> MessageItem:
    return MessageItem("user", [InputText(quote(text)) for text in texts])


_SCHEMA = Raw(b'{"type":"object"}')


@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        pytest.param(_request(), 3, id="base"),
        pytest.param(_request([_user("hi")]), 8, id="hi"),
        pytest.param(_request([_user("hi", "x" * 32)]), 18, id="parts"),
        pytest.param(_request([MessageItem("assistant", [OutputText(quote("hi"))])]), 8, id="assistant"),
        pytest.param(_request(instructions="x" * 32), 17, id="instructions"),
        pytest.param(_request([FunctionCall("call_1", "Read", quote('{"a":1}'))]), 16, id="call"),
        pytest.param(_request([FunctionCallOutput("call_1", quote("x" * 32))]), 19, id="output-text"),
        pytest.param(
            _request(
                [FunctionCallOutput("call_1", [InputText(quote("hi")), InputImage(Raw(b'"https://h/a"'))])]
            ),
            1510,
            id="output-parts",
        ),
        pytest.param(_request([CustomToolCall("call_1", "Read", quote("x" * 32))]), 23, id="custom-call"),
        pytest.param(_request([CustomToolCallOutput("call_1", quote("x" * 32))]), 19, id="custom-output"),
        pytest.param(_request([ReasoningItem(encrypted_content="x" * 801)]), 104, id="reasoning"),
        pytest.param(
            _request([MessageItem("user", [InputFile(file_url=quote("https://h/a.pdf"))])]),
            3007,
            id="file-url",
        ),
        pytest.param(
            _request(
                [MessageItem("user", [InputFile(file_data=quote("data:application/pdf;base64,JVBERg=="))])]
            ),
            1507,
            id="file-data",
        ),
        pytest.param(_request(tools=[FunctionTool("Read", quote("x" * 32), _SCHEMA)]), 47, id="tool"),
        pytest.param(
            _request(tools=[FunctionTool("Read", quote("x" * 32), Raw(b'{\n  "type": "object"\n}'))]),
            47,
            id="tool-with-white-space",
        ),
        pytest.param(_request(tools=[WebSearchTool()]), 319, id="web-search"),
        pytest.param(_request(tools=[Raw(b'{"type":"web_search","x":1}')]), 319, id="web-search-as-sent"),
        pytest.param(_request(tools=[Raw(b'{"type":"file_search"}')]), 36, id="built-in"),
        pytest.param(_request(tools=[CustomTool("Read")]), 31, id="custom-tool"),
        pytest.param(
            _request(tools=[CustomTool("Read", quote("x" * 32), Raw(b'{"type":"text"}'))]),
            46,
            id="custom-format",
        ),
        pytest.param(_request(text=TextOptions(JsonSchemaFormat("output", _SCHEMA))), 19, id="format"),
        pytest.param(_request(text=TextOptions(JsonObjectFormat())), 13, id="json-object"),
        pytest.param(_request(text=TextOptions()), 3, id="text-without-format"),
    ],
)
def test_estimate(request_: ResponsesRequest, tokens: int) -> None:
    """Each part of a request costs what the table says."""
    assert tokens == estimate_tokens(request_)


@pytest.mark.parametrize(
    ("literal", "tokens"),
    [
        pytest.param(b'""', 0, id="empty"),
        pytest.param(b'"' + b"x" * 320 + b'"', 100, id="ascii"),
        pytest.param(quote("\u0436" * 100), 50, id="two-bytes"),
        pytest.param(quote("\u4f60" * 100), 90, id="three-bytes"),
        pytest.param(quote("\U0001f600" * 100), 250, id="four-bytes"),
        pytest.param(quote("x" * 310 + "\u0436" * 20 + "\n" * 10), 110, id="mixed"),
        pytest.param(quote("\\" * 320), 100, id="backslashes"),
        pytest.param(quote('"' * 320), 100, id="quotes"),
        pytest.param(b'"' + b"\\u4f60" * 100 + b'"', 90, id="unicode-escapes"),
        pytest.param(quote("<|endoftext|>"), 5, id="special-token"),
    ],
)
def test_text(literal: Raw | bytes, tokens: int) -> None:
    """Text is counted per script class, however its characters are escaped."""
    assert tokens == text_tokens(literal)


LONG = {
    "prose": "Some words, and no more than these. ",
    "lines": "a line of code, with its end\n\t",
    "escapes": 'say "yes" and C:\\path\\to\\it ',
    "two bytes": "naïve façades déjà vues ",
    "three bytes": "本 and some English words ",
    "four bytes": "🦀 beside words ",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_long_texts_are_estimated_from_a_sample(text: str) -> None:
    """What is in them is like what is in a part of them, wherever it stands."""
    whole = text_tokens(quote(text * (2000 // len(text.encode()))))
    repeats = 40 * (2000 // len(text.encode()))
    assert 40 * whole == pytest.approx(text_tokens(quote(text * repeats)), rel=0.05)


def test_samples_are_spread_over_the_text() -> None:
    """A long text that changes half-way counts as both halves do."""
    plain, wide = "plain words of English " * 200, "本" * 1500
    assert text_tokens(quote(plain)) + text_tokens(quote(wide)) == pytest.approx(
        text_tokens(quote(plain + wide)), rel=0.1
    )


def test_scale_is_applied() -> None:
    """The learned factor multiplies the whole estimate, rounded up."""
    factors = ScaleFactors()
    factors.feed("m", 1000, 1400)
    assert 11 == factors.correct("m", 9)


def test_estimate_is_never_zero() -> None:
    """An empty request still counts, whatever the factor."""
    assert 1 == ScaleFactors().correct("m", 0)


def test_unknown_model_is_not_corrected() -> None:
    """Before the first answer the estimate stands."""
    assert 1.0 == ScaleFactors().factor("m")


@pytest.mark.parametrize(
    ("actual", "factor"),
    [
        pytest.param(1500, 1.25, id="rises-fast"),
        pytest.param(800, 0.98, id="falls-slowly"),
        pytest.param(9000, 1.5, id="outlier-bounded"),
        pytest.param(0, 1.0, id="unknown-usage"),
    ],
)
def test_one_sample(actual: int, factor: float) -> None:
    """Estimates that were too low are corrected faster than those that were too high."""
    factors = ScaleFactors()
    factors.feed("m", 1000, actual)
    assert factor == pytest.approx(factors.factor("m"))


@pytest.mark.parametrize(("actual", "bound"), [(10**9, 2.0), (1, 0.5)])
def test_factor_is_bounded(actual: int, bound: float) -> None:
    """However wrong an upstream's usage, the factor stays between 0.5 and 2."""
    factors = ScaleFactors()
    for _ in range(200):
        factors.feed("m", 1000, actual)
    assert bound == pytest.approx(factors.factor("m"), abs=0.001)


def test_small_requests_teach_nothing() -> None:
    """What a relay adds unseen would dominate them."""
    factors = ScaleFactors()
    factors.feed("m", 499, 5000)
    assert 1.0 == factors.factor("m")


def test_models_are_forgotten_beyond_the_bound() -> None:
    """Model names may come from clients, so their number is bounded."""
    factors = ScaleFactors()
    for number in range(300):
        factors.feed(str(number), 1000, 1500)
    assert (1.0, 1.25) == (factors.factor("0"), factors.factor("299"))
