"""``packyproxy record``: what it refuses, what it leaves behind, and what it shows of a cassette."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from packyproxy.cli.main import main
from packyproxy.runtime.upstream import WrapTransport
from packyproxy.testing import FakeUpstream, StreamingASGITransport
from packyproxy.testing.cassettes.cassette import Cassette, Read, RecordedAnswer, RecordedExchange
from packyproxy.testing.cassettes.recorded_request import RecordedRequest
from packyproxy.testing.cassettes.recording import Tape
from packyproxy.wire.sse import FrameDecoder

REQUEST = RecordedRequest(at="2026-11-21T19:00:00.000Z", bytes=1234, model="gpt-5", effort="high")
BODY = b'event: response.created\ndata: {"type":"response.created"}\n\ndata: {"type":"xxx"}\n\n'
EXCHANGE = RecordedExchange(
    request=REQUEST,
    answer=RecordedAnswer(ms=800.0, status=200),
    reads=(Read(812.0, BODY[:20]), Read(900.0, BODY[20:])),
    ms=2000.0,
)
UNANSWERED = RecordedExchange(request=REQUEST, end="cut", ms=5.0)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration whose provider is never asked."""
    provider = {
        "enabled": True,
        "base-url": "http://127.0.0.1:9/v1",
        "credentials": {"openai-api-key": "sk-1"},
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"packycode": provider}))
    return str(path)


async def ask(transport: httpx.AsyncBaseTransport) -> None:
    """Ask an upstream for an answer."""
    async with httpx.AsyncClient(transport=transport) as client:
        await client.post("http://upstream.test/v1/responses", json={})


def test_a_file_that_is_there_is_left_alone(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text says what can be done."""
    (tmp_path / "cassette.jsonl").write_text("mine")
    assert 2 == main(["record", "--config", config, "--", sys.executable, "-c", ""])
    assert "mine" == (tmp_path / "cassette.jsonl").read_text()
    expected = "packyproxy: cassette.jsonl is there already: name another file with -o, or write over it with --force\n"
    assert expected == capsys.readouterr().err


def test_a_folder_that_is_not_there(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The text says why nothing can be written."""
    assert 1 == main(["record", "-o", "no/c.jsonl", "--config", config, "--", "true"])
    assert "no/c.jsonl cannot be written (no such file or directory)" in capsys.readouterr().err


@pytest.mark.parametrize("earlier", [None, "earlier"], ids=["new", "there"])
def test_where_nobody_was_asked_nothing_changes(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], earlier: str | None
) -> None:
    """There is no new file, and an earlier one stays; the program's exit code is passed on."""
    path = tmp_path / "c.jsonl"
    if earlier is not None:
        path.write_text(earlier)
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    assert 3 == main(["record", "--force", "-o", "c.jsonl", "--config", config, "--", *command])
    assert earlier == (path.read_text() if path.exists() else None)
    assert [
        "packyproxy: recording into c.jsonl, without content",
        "packyproxy: no provider was asked, so nothing was recorded",
    ] == capsys.readouterr().err.splitlines()


def test_a_device_is_left_alone(
    config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by somebody who may do anything: its mode stays, and it is there afterwards."""
    monkeypatch.setattr("os.chmod", pytest.fail)
    monkeypatch.setattr("os.unlink", pytest.fail)
    assert 1 == main(["record", "--force", "-o", "/dev/null", "--config", config, "--", "true"])
    assert "packyproxy: /dev/null cannot be written (not a regular file)\n" == capsys.readouterr().err


def test_the_file_is_its_owners(config: str, tmp_path: Path) -> None:
    """While it is recorded already."""
    looking = "import os, sys; sys.exit(os.stat('c.jsonl').st_mode & 0o777 != 0o600)"
    command = [sys.executable, "-c", looking]
    assert 0 == main(["record", "-o", "c.jsonl", "--config", config, "--", *command])


def test_a_wrong_configuration_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every problem is printed, as by every command."""
    (tmp_path / "config.yaml").write_text("prot: 1\n")
    assert 2 == main(["record", "-o", "c.jsonl", "--", "true"])
    assert "prot: " in capsys.readouterr().err
    assert not (tmp_path / "c.jsonl").exists()


def test_serving_is_recorded(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a program the proxy is served on loopback, and what went through it is told in the end."""
    told: dict[str, Any] = {}

    def serve(path: str, *, wrappers: Sequence[WrapTransport], **options: Any) -> int:
        told.update(options, path=path)
        asyncio.run(ask(wrappers[0](StreamingASGITransport(FakeUpstream("Hi")))))
        return 0

    monkeypatch.setattr("packyproxy.cli.commands.record.serve", serve)
    assert 0 == main(["record", "-o", "c.jsonl", "--config", config, "--port", "8400"])
    assert (config, "127.0.0.1", 8400, 1) == (told["path"], told["host"], told["port"], told["workers"])
    assert [
        "packyproxy: recording into c.jsonl, without content",
        "packyproxy: recorded 1 exchange in c.jsonl",
        "look at it: packyproxy record --show c.jsonl",
        'play it: packyproxy.testing.Cassette.load("c.jsonl").upstream()',
    ] == [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(("code", "exit_code"), [(0, 1), (4, 4)])
def test_a_recording_that_could_not_be_written(
    config: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    exit_code: int,
) -> None:
    """The file stays, and the text says what it is worth; that is a failure unless the program had its own."""

    def run(*_: object, wrappers: Sequence[WrapTransport]) -> int:
        tape = getattr(wrappers[0], "__self__", None)
        assert isinstance(tape, Tape)
        tape.problem = "no space left on device"
        return code

    monkeypatch.setattr("packyproxy.cli.commands.record.run", run)
    assert exit_code == main(["record", "-o", "c.jsonl", "--config", config, "--", "true"])
    assert "c.jsonl is not complete (no space left on device)" in capsys.readouterr().err
    assert (tmp_path / "c.jsonl").exists()


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each exchange, how often each event came, and that there is no content."""
    Cassette((EXCHANGE, UNANSWERED)).save(tmp_path / "c.jsonl")
    assert 0 == main(["record", "--show", "c.jsonl"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert [
        "upstream request model sent status first end events got",
        "1 1 POST /responses gpt-5 high 1,234 B 200 812 ms 2,000 ms, complete 2 81 B in 2",
        "2 1 POST /responses gpt-5 high 1,234 B none 5 ms, cut 0 0 B in 0",
        "",
        "1 response.created",
        "1 (unknown)",
        "",
        "every text in it is filler or a word of the protocol",
    ] == lines


def test_show_of_what_was_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text that no recording has is a reason not to pass the file on; it is not quoted."""
    body = b'data: {"type":"error","message":"a secret"}\n\n'
    exchange = RecordedExchange(request=REQUEST, answer=EXCHANGE.answer, reads=(Read(1.0, body),))
    Cassette((exchange,)).save(tmp_path / "c.jsonl")
    assert 1 == main(["record", "--show", "c.jsonl"])
    shown = capsys.readouterr().out
    assert "it was changed, and may hold content" in shown
    assert "secret" not in shown


@pytest.mark.parametrize("field", ["method", "path", "model", "effort"])
def test_show_of_a_request_that_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str
) -> None:
    """What a stranger has written there does not reach the terminal."""
    request = replace(REQUEST, **{field: "\x1b[2Ja secret"})
    Cassette((replace(EXCHANGE, request=request),)).save(tmp_path / "c.jsonl")
    assert 1 == main(["record", "--show", "c.jsonl"])
    shown = capsys.readouterr().out
    assert "(unknown)  (unknown)" in shown
    assert ("\x1b" in shown, "secret" in shown) == (False, False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "c.jsonl cannot be read (no such file or directory)"),
        ("hello\n", "c.jsonl is no cassette: line 1 does not belong in a cassette"),
    ],
    ids=["missing", "other"],
)
def test_show_of_what_is_no_cassette(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, problem: str
) -> None:
    """That is a wrong usage."""
    if text is not None:
        (tmp_path / "c.jsonl").write_text(text)
    assert 2 == main(["record", "--show", "c.jsonl"])
    assert f"packyproxy: {problem}\n" == capsys.readouterr().err


def test_show_of_a_frame_that_is_too_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted as what it is."""
    monkeypatch.setattr(
        "packyproxy.cli.commands.record.FrameDecoder", lambda: FrameDecoder(max_frame_bytes=50)
    )
    Cassette((EXCHANGE,)).save(tmp_path / "c.jsonl")
    assert 0 == main(["record", "--show", "c.jsonl"])
    assert "(too long)" in capsys.readouterr().out
