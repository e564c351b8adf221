"""``packyproxy translate``: requests and answers from stdin to stdout."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from packyproxy.cli.commands.translate import translate
from packyproxy.cli.failures import CommandFailed, WrongUsage
from packyproxy.errors import ConfigError

WriteConfig = Callable[[str], Path]
GiveInput = Callable[[bytes], None]

REQUEST = {
    "model": "claude-opus-4-1",
    "max_tokens": 100,
    "temperature": 0.5,
    "messages": [{"role": "user", "content": "Hello"}],
}
SEARCH = {
    **REQUEST,
    "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    "tool_choice": {"type": "tool", "name": "web_search"},
}
CONFIG = """\
packycode:
  enabled: true
  base-url: "https://a.example/v1"
  credentials: {openai-api-key: sk-a-key}
  defaults: {model: gpt-5.1-codex, model-reasoning-effort: low}
"""
BEGINNING = b"""\
data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}

data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"42"}

"""
END = b"""\
data: {"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":1}}}

"""


class Terminal(io.TextIOWrapper):
    """Passes for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def give_input(monkeypatch: pytest.MonkeyPatch) -> GiveInput:
    """Return a function that puts bytes on stdin."""

    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def event_names(frames: bytes) -> list[str]:
    return [line[7:].decode() for line in frames.splitlines() if line.startswith(b"event: ")]


def test_a_request_becomes_the_body_that_is_sent(
    write_config: WriteConfig, give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """stdout has the upstream's body alone, on one line; stderr says for whom, and what was left out."""
    write_config(CONFIG)
    give_input(json.dumps(REQUEST).encode())
    assert 0 == translate(None)
    printed = capsysbinary.readouterr()
    body = json.loads(printed.out)
    assert ("gpt-5.1-codex", {"effort": "low"}, False, True) == (
        body["model"],
        body["reasoning"],
        body["store"],
        body["stream"],
    )
    assert 1 == printed.out.count(b"\n")
    assert b"for packycode: gpt-5.1-codex at effort low\nleft out or changed: temperature\n" == printed.err


def test_model_takes_the_place_of_the_requests(
    write_config: WriteConfig, give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """``--model`` is resolved as if the client had sent it; of what needs no change nothing is said."""
    write_config(CONFIG)
    give_input(json.dumps({**REQUEST, "temperature": 1}).encode())
    assert 0 == translate(None, model="gpt-5-high")
    printed = capsysbinary.readouterr()
    body = json.loads(printed.out)
    assert ("gpt-5", {"effort": "high"}) == (body["model"], body["reasoning"])
    assert b"for packycode: gpt-5 at effort high\n" == printed.err


@pytest.mark.parametrize("can_search", [True, False], ids=["another can", "nobody can"])
def test_a_provider_that_cannot_take_it_is_passed_over(
    can_search: bool,
    write_config: WriteConfig,
    give_input: GiveInput,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """The translation is that of the first provider that can serve the request, as it would be served."""
    write_config(
        CONFIG + "  profile: {web-search: false}\n"
        "tppc:\n  providers:\n"
        "    - {name: b, enabled: true, base-url: 'https://b.example/v1', api-key: sk-b-key, "
        f"profile: {{web-search: {str(can_search).lower()}}}}}\n"
    )
    give_input(json.dumps(SEARCH).encode())
    if can_search:
        assert 0 == translate(None)
        printed = capsysbinary.readouterr()
        assert "gpt-5" == json.loads(printed.out)["model"]
        assert printed.err.startswith(b"packycode lacks what the request needs and is passed over\nfor b: ")
    else:
        with pytest.raises(CommandFailed, match="web_search is not available on any configured provider"):
            translate(None)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (None, b"there is no configuration file: translated as for a provider with default settings\n"),
        ("port: 8000\n", b"no provider is enabled: translated as for a provider with default settings\n"),
    ],
    ids=["no file", "no provider"],
)
def test_without_a_provider_a_plain_one_is_assumed(
    config: str | None,
    said: bytes,
    write_config: WriteConfig,
    give_input: GiveInput,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """To see a translation needs no configuration; what is assumed is said."""
    if config is not None:
        write_config(config)
    give_input(json.dumps(REQUEST).encode())
    assert 0 == translate(None)
    printed = capsysbinary.readouterr()
    assert "gpt-5" == json.loads(printed.out)["model"]
    assert printed.err.startswith(said)


def test_a_file_that_was_named_must_be_there(give_input: GiveInput) -> None:
    """Only where no file was asked for one is assumed."""
    give_input(json.dumps(REQUEST).encode())
    with pytest.raises(ConfigError):
        translate("absent.yaml")


def test_a_terminal_gets_it_indented(
    write_config: WriteConfig, give_input: GiveInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads along gets one member per line, with the same content."""
    write_config(CONFIG)
    give_input(json.dumps(REQUEST).encode())
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(written))
    assert 0 == translate(None)
    assert written.getvalue().startswith(b'{\n  "model": "gpt-5.1-codex",\n')


@pytest.mark.parametrize(
    ("is_response", "said"),
    [
        (False, b"reads a request from the terminal"),
        (True, b"reads an upstream's SSE stream from the terminal"),
    ],
    ids=["request", "response"],
)
def test_who_forgot_the_input_is_told(
    is_response: bool,
    said: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """A command that waits for a terminal says what for, and how it is usually called."""
    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    with pytest.raises(CommandFailed):
        translate(None, is_response=is_response)
    printed = capsysbinary.readouterr().err
    assert printed.startswith(said + b" until Ctrl-D; usually: packyproxy translate < FILE\n")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "the request is refused: 400: model: field required"),
        (b"no json", "the request is refused: 400: "),
        (
            json.dumps({**REQUEST, "model": "packycode/"}).encode(),
            "the request is refused: 404: model: packycode/ ",
        ),
    ],
    ids=["no model", "no json", "unknown model"],
)
def test_a_refused_request_is_told_as_to_a_client(
    body: bytes, said: str, write_config: WriteConfig, give_input: GiveInput
) -> None:
    """Status and text are those that the client would get."""
    write_config(CONFIG)
    give_input(body)
    with pytest.raises(CommandFailed) as error:
        translate(None)
    assert str(error.value).startswith(said)


def test_a_stream_becomes_the_clients_frames(
    give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Every frame of the client's stream is written, from its start to its end, and nothing else is said."""
    give_input(BEGINNING + END)
    assert 0 == translate(None, is_response=True, model="my-model")
    printed = capsysbinary.readouterr()
    expected = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert (expected, b"") == (event_names(printed.out), printed.err)
    assert b'"model":"my-model"' in printed.out


def test_a_stream_is_written_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What the bytes so far amount to is out before more is read."""
    seen: list[list[str]] = []
    chunks = iter([BEGINNING[:120], BEGINNING[120:], END, b""])

    class Slow(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            seen.append(event_names(capsysbinary.readouterr().out))
            return next(chunks)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Slow()))
    assert 0 == translate(None, is_response=True)
    begun = ["message_start", "ping", "content_block_start", "content_block_delta"]
    assert [[], [], begun] == seen


def test_a_broken_stream_fails_with_its_reason(
    give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A stream without its end becomes the client's error frame, and a failed command."""
    give_input(BEGINNING)
    with pytest.raises(CommandFailed, match=r"^the stream is broken: truncated: "):
        translate(None, is_response=True)
    assert ["content_block_delta", "error"] == event_names(capsysbinary.readouterr().out)[-2:]


def test_a_stream_without_content_writes_nothing(
    give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Before its first content a failure is not the client's to see: another provider might be asked."""
    give_input(b'data: {"type":"response.failed","response":{"error":{"code":"server_is_overloaded"}}}\n\n')
    with pytest.raises(CommandFailed, match=r"^the stream is broken: overloaded: "):
        translate(None, is_response=True)
    assert b"" == capsysbinary.readouterr().out


def test_what_was_not_understood_is_noted(
    give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Events of an unknown type are named on stderr."""
    give_input(b'data: {"type":"response.brand_new"}\n\n' + BEGINNING + END)
    assert 0 == translate(None, is_response=True)
    assert b"note: unknown_event response.brand_new\n" == capsysbinary.readouterr().err


@pytest.mark.parametrize("name", ["gemini", "compact", "search"])
def test_an_unknown_protocol_is_wrong_usage(name: str) -> None:
    """The protocols that there are stand in the text; what is only passed on is none of them."""
    with pytest.raises(WrongUsage, match=rf"^--from {name} is not .*; there is: messages, chat, responses$"):
        translate(None, protocol=name)


@pytest.mark.parametrize(
    ("protocol", "request_body", "said"),
    [
        ("chat", {"messages": [{"role": "user", "content": "Hello"}], "seed": 7}, "seed"),
        ("responses", {"input": "Hello", "store": True}, "store"),
    ],
)
def test_requests_of_other_protocols_are_translated(
    protocol: str,
    request_body: dict[str, object],
    said: str,
    write_config: WriteConfig,
    give_input: GiveInput,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Each in its own form becomes the same body."""
    write_config(CONFIG)
    give_input(json.dumps({"model": "gpt-5-high", **request_body}).encode())
    assert 0 == translate(None, protocol=protocol)
    printed = capsysbinary.readouterr()
    body = json.loads(printed.out)
    assert ("gpt-5", "high", False, True) == (
        body["model"],
        body["reasoning"]["effort"],
        body["store"],
        body["stream"],
    )
    assert [{"type": "input_text", "text": "Hello"}] == body["input"][0]["content"]
    assert f"left out or changed: {said}\n".encode() in printed.err


def test_a_stream_becomes_chunks_for_chat(
    give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """They end with the usage and ``[DONE]``."""
    give_input(BEGINNING + END)
    assert 0 == translate(None, protocol="chat", is_response=True, model="my-model")
    frames = capsysbinary.readouterr().out.strip().split(b"\n\n")
    chunks = [json.loads(frame.removeprefix(b"data: ")) for frame in frames[:-1]]
    assert b"data: [DONE]" == frames[-1]
    assert ("42", "my-model", 9) == (
        "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]),
        chunks[0]["model"],
        chunks[-1]["usage"]["prompt_tokens"],
    )
    assert chunks[0]["id"].startswith("chatcmpl-")


def test_a_stream_is_passed_on_for_responses(
    give_input: GiveInput, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The data of its events stay what they are."""
    give_input(BEGINNING)
    with pytest.raises(CommandFailed, match=r"^the stream is broken: truncated: "):
        translate(None, protocol="responses", is_response=True)
    printed = capsysbinary.readouterr().out
    names = ["response.output_item.added", "response.output_text.delta", "response.failed"]
    assert names == event_names(printed)
    assert all(line in printed.splitlines() for line in BEGINNING.splitlines() if line)
