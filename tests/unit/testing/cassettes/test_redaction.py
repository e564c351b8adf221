"""What a recording keeps of an answer, and what it replaces: every kind of place."""

import json
from typing import Any

import pytest

from packyproxy.testing.cassettes.redaction import KeptHeaders, Redactor, redact_path

JSON = [
    pytest.param({"type": "response.created"}, {"type": "response.created"}, id="event type"),
    pytest.param({"type": "relay.brand_new"}, {"type": "relay.brand_new"}, id="unknown event type"),
    pytest.param({"type": "relay.no1"}, {"type": "xxxxxxxxx"}, id="no event type"),
    pytest.param({"item": {"type": "a.b"}}, {"item": {"type": "xxx"}}, id="unknown item type"),
    pytest.param({"type": "x", "auto": "auto"}, {"type": "x", "xxxx": "xxxx"}, id="a word as a name"),
    pytest.param({"text": "completed"}, {"text": "xxxxxxxxx"}, id="a word as a text"),
    pytest.param({"status": "completed"}, {"status": "completed"}, id="a word where it belongs"),
    pytest.param({"model": "gpt-5.1-codex-max"}, {"model": "gpt-5.1-codex-max"}, id="model"),
    pytest.param({"model": "gpt-5-2025-08-07"}, {"model": "gpt-5-2025-08-07"}, id="dated model"),
    pytest.param({"model": "gpt-5-secret"}, {"model": "x" * 12}, id="unknown model"),
    pytest.param({"usage": {"input_tokens": 907}}, {"usage": {"input_tokens": 907}}, id="number"),
    pytest.param({"answer": 42}, {"xxxxxx": 11}, id="unknown number"),
    pytest.param({"input_tokens": 10**30}, {"input_tokens": int("1" * 31)}, id="long number"),
    pytest.param({"code": [104, 105]}, {"code": [111, 111]}, id="a text in numbers"),
    pytest.param({"metadata": {"type": "auto"}}, {"metadata": {"xxxx": "xxxx"}}, id="somebody's own names"),
    pytest.param({"new": {"status": "failed"}}, {"xxx": {"xxxxxx": "xxxxxx"}}, id="below an unknown name"),
    pytest.param({"strict": True, "a": None}, {"strict": True, "x": None}, id="true and null"),
    pytest.param({"arguments": '{"path":"/etc"}'}, {"arguments": '{"aaaa":"xxxx"}'}, id="arguments"),
    pytest.param(
        {"arguments": {"code": 7, "id": "a"}}, {"arguments": {"xxxx": 1, "xx": "x"}}, id="an object"
    ),
    pytest.param({"error": {"code": "slow_down"}}, {"error": {"code": "slow_down"}}, id="error code"),
    pytest.param({"error": {"message": "of sk-1"}}, {"error": {"message": "xxxxxxx"}}, id="error text"),
    pytest.param({"error": {"code": "no_luck"}}, {"error": {"code": "xxxxxxx"}}, id="unknown error code"),
    pytest.param(["a", [1]], ["x", [1]], id="list"),
]


def redact(value: Any) -> Any:
    """Redact a JSON document and read what came of it; sizes must be the same."""
    body = json.dumps(value).encode()
    redacted = Redactor().body(body)
    assert len(body) == len(redacted)
    return json.loads(redacted)


@pytest.mark.parametrize(("value", "kept"), JSON)
def test_json(value: Any, kept: Any) -> None:
    """Words of the protocol stay in their places, everything else is filler."""
    assert kept == redact(value)


def test_log_probabilities() -> None:
    """Tokens are spelled out in them, in numbers too."""
    body = b'{"logprobs":[{"token":"a","bytes":[97,104],"logprob":-0.5}]}'
    filled = b'{"logprobs":[{"xxxxx":"x","xxxxx":[11,111],"xxxxxxx":-1.1}]}'
    assert filled == Redactor().body(body)


def test_the_spelling_of_json_stays() -> None:
    """White space and the order of names are the upstream's."""
    assert b'\n{ "text" :\t"x",\r\n"id":null }\n' == Redactor().body(b'\n{ "text" :\t"a",\r\n"id":null }\n')


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("resp_0a1b2c", "resp_000001"),
        ("call-AbC", "call-001"),
        ("1f2e-99", "0000-01"),
        ("https://example.com/a?b=c", "https://0000000.000/0?0=1"),
        ("", ""),
        ("né", "x×"),
        ("call_", "xxxxx"),
        ("a b", "xxx"),
        ("xx-x", "xx-x"),
    ],
)
def test_an_id(text: str, number: str) -> None:
    """Its kind and its separators stay; one with other characters is a text."""
    assert number.encode() == Redactor().identify(text.encode())


def test_ids_are_told_apart_in_all_answers() -> None:
    """The same id has the same number everywhere; each kind counts for itself."""
    redactor = Redactor()
    first = redactor.body(b'{"id":"msg_aa","item_id":"msg_bb"}')
    second = redactor.body(b'{"id":"msg_bb","item_id":"fc_aa"}')
    assert (b'{"id":"msg_01","item_id":"msg_02"}', b'{"id":"msg_02","item_id":"fc_01"}') == (first, second)


def test_numbers_may_be_kept() -> None:
    """Of ids that are numbered already; a long number was none."""
    redactor = Redactor(keeps_numbers=True)
    assert b'{"id":"msg_0-7","item_id":"00001"}' == redactor.body(b'{"id":"msg_0-7","item_id":"00001"}')
    assert b'{"id":"0000001"}' == redactor.body(b'{"id":"4915112"}')


def test_more_ids_than_there_are_numbers() -> None:
    """They become one."""
    redactor = Redactor()
    assert b"123456789xx" == b"".join(redactor.identify(bytes((letter,))) for letter in b"abcdefghijk")


STREAMS = [
    pytest.param(b": ping\n\n", b": xxxx\n\n", id="comment"),
    pytest.param(b":\n\ndata:\n\n", b":\n\ndata:\n\n", id="nothing"),
    pytest.param(b"event: error\ndata: [DONE]\n\n", b"event: error\ndata: [DONE]\n\n", id="done"),
    pytest.param(b"event: a.new_one\ndata: x\n\n", b"event: a.new_one\ndata: x\n\n", id="unknown event"),
    pytest.param(b"event: new\nid: 7\nretry: 100\n\n", b"event: xxx\nid: x\nretry: 100\n\n", id="fields"),
    pytest.param(b"retry: soon\n\ndata\n\n", b"retry: xxxx\n\ndata\n\n", id="odd fields"),
    pytest.param(b"data: x\nnote: a:b\nhello\n\n", b"data: x\nxxxx:xxxx\nxxxxx\n\n", id="other fields"),
    pytest.param(b'data:{"text":"a"}\r\n\r\n', b'data:{"text":"x"}\r\n\r\n', id="CRLF"),
    pytest.param(b'data: {"text":\rdata: "abc"}\r\r', b'data: {"text":\rdata: "xxx"}\r\r', id="two lines"),
    pytest.param(b'\xef\xbb\xbfdata: {"text":"a"}\n\n', b'\xef\xbb\xbfdata: {"text":"x"}\n\n', id="BOM"),
    pytest.param(b'data: {"text":"secr', b"data: xxxxxxxxxxxxx", id="cut off"),
    pytest.param(b'data: {"text":"\\ud83d"}\n\n', b'data: {"text":"\\ud835"}\n\n', id="half a character"),
    pytest.param(b'data: {"text":"\xff"}\n\n', b'data: {"text":"\xff"}\n\n', id="no UTF-8"),
    pytest.param(b"data: null\n\n", b"data: xxxx\n\n", id="null"),
    pytest.param(b'data: "hi"\n\n', b'data: "xx"\n\n', id="a text"),
]


@pytest.mark.parametrize(("stream", "redacted"), STREAMS)
def test_streams(stream: bytes, redacted: bytes) -> None:
    """Line ends and fields stay, and of other lines their lengths."""
    assert redacted == Redactor().body(stream)


def test_deltas_of_arguments_make_up_the_whole() -> None:
    """What was sent in pieces is what is sent at the end."""
    where = '"item_id":"fc_1","output_index":0'
    stream = "".join(
        f"data: {{{event},{where}}}\n\n"
        for event in (
            r'"type":"response.function_call_arguments.delta","delta":"{\"pa"',
            r'"type":"response.function_call_arguments.delta","delta":"th\":\"/e"',
            r'"type":"response.function_call_arguments.delta","delta":"tc\"}"',
            r'"type":"response.function_call_arguments.done","arguments":"{\"path\":\"/etc\"}"',
        )
    )
    events = [json.loads(line[6:]) for line in Redactor().body(stream.encode()).splitlines() if line]
    assert events[-1]["arguments"] == "".join(event["delta"] for event in events[:-1])
    assert {"aaaa": "xxxx"} == json.loads(events[-1]["arguments"])


@pytest.mark.parametrize(
    ("body", "redacted"),
    [
        pytest.param(b"<html>\r\n<b>no</b>", b"<xxxxx\r\nxxxxxxxxx", id="page"),
        pytest.param(b"Bad gateway\n", b"xxxxxxxxxxx\n", id="text"),
        pytest.param(b'{"error": "Bad', b"{xxxxxxxxxxxxx", id="half a document"),
        pytest.param(b"\x1f\x8b\x08\x00", b"x\xffxx", id="bytes"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b'\xef\xbb\xbf{"text":"a"}', b'\xef\xbb\xbf{"text":"x"}', id="document with a BOM"),
        pytest.param(b"[" * 100_000, b"[" + b"x" * 99_999, id="too deep"),
    ],
)
def test_other_bodies(body: bytes, redacted: bytes) -> None:
    """Lines and what the body begins with stay, so that it is taken for what it was."""
    assert redacted == Redactor().body(body)


HEADERS = [
    pytest.param("Content-Type", "text/event-stream; charset=utf-8", None, id="content-type"),
    pytest.param("content-type", "text/secret", "", id="unknown content-type"),
    pytest.param("retry-after", "12", None, id="retry-after"),
    pytest.param("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", None, id="retry-after as a date"),
    pytest.param("retry-after", "soon", "", id="odd retry-after"),
    pytest.param("retry-after", "12 for a secret", "", id="retry-after that goes on"),
    pytest.param("content-type", "application/json; name=secret", "", id="content-type that goes on"),
    pytest.param("x-retry-after", "12", "", id="name that ends alike"),
    pytest.param("x-ratelimit-reset-tokens", "6m0s", None, id="rate limit"),
    pytest.param("x-ratelimit-reset-tokens-of-secret", "6m0s", "", id="name that goes on"),
    pytest.param("x-codex-primary-used-percent", "12.5", None, id="codex window"),
    pytest.param("x-request-id", "1f2e-aa", "0000-01", id="request id"),
    pytest.param("x-request-id", "\xe9t\xe9", "", id="request id of other letters"),
    pytest.param("set-cookie", "a=b", "", id="cookie"),
    pytest.param("x-secret", "a", "", id="unknown"),
]


@pytest.mark.parametrize(("name", "value", "kept"), HEADERS)
def test_headers(name: str, value: str, kept: str | None) -> None:
    """Those that are known stay if their values look as they should; the others are counted."""
    kept = value if kept is None else kept
    expected = KeptHeaders({name.lower(): kept}, 0) if kept else KeptHeaders({}, 1)
    assert expected == Redactor().headers([(name, value)])


@pytest.mark.parametrize(
    ("path", "redacted"),
    [
        ("/v1/responses", "/responses"),
        ("/tenant/abc/responses/compact", "/responses/compact"),
        ("/v1/models", "/models"),
        ("/secret", "xxxxxxx"),
    ],
)
def test_paths(path: str, redacted: str) -> None:
    """What stands before an endpoint is the provider's, and maybe a key."""
    assert redacted == redact_path(path)
