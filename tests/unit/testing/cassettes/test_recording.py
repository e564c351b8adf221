"""Recording: every exchange at the edge to upstreams, whatever its end, and nothing in anybody's way."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from packyproxy.testing import FakeUpstream, Fault, Framing, StreamingASGITransport, Turn
from packyproxy.testing.cassettes.cassette import Cassette, RecordedExchange
from packyproxy.testing.cassettes.recording import Tape

REQUEST = {"model": "gpt-5", "instructions": "Be brief.", "input": [], "store": False, "stream": True}


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    """A tape that writes ``c.jsonl`` in the test's folder."""
    with Tape(tmp_path / "c.jsonl") as tape:
        yield tape


class Recorded:
    """A client of an upstream, recorded."""

    def __init__(self, tape: Tape, transport: httpx.AsyncBaseTransport) -> None:
        self.tape = tape
        self.client = httpx.AsyncClient(
            transport=tape.wrap(transport),
            base_url="http://upstream.test/v1",
            headers={"accept-encoding": "gzip"},
        )

    async def ask(self, **fields: Any) -> httpx.Response:
        """Ask for an answer and read all of it."""
        return await self.client.post("/responses", json=REQUEST | fields)

    async def ended(self, path: Path) -> tuple[RecordedExchange, ...]:
        """End everything and return what was recorded."""
        await self.client.aclose()
        await asyncio.to_thread(self.tape.close)
        return tuple((await asyncio.to_thread(Cassette.load, path)).exchanges)


def over(tape: Tape, upstream: FakeUpstream) -> Recorded:
    """Return a recorded client of a fake upstream."""
    return Recorded(tape, StreamingASGITransport(upstream))


async def test_an_answer_is_recorded_read_by_read(tape: Tape, tmp_path: Path) -> None:
    """With as many bytes in each, and none of its text; who reads it sees no difference."""
    recorded = over(tape, FakeUpstream(Turn("A secret word", framing=Framing(cut_every=100))))
    answer = await recorded.ask()
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert b"A secret word" in answer.content
    assert len(answer.content) == len(exchange.body)
    assert {100} == {len(read.data) for read in exchange.reads[:-1]}
    assert b"secret" not in (tmp_path / "c.jsonl").read_bytes()
    assert ("complete", 200, 1) == (exchange.end, exchange.answer and exchange.answer.status, tape.exchanges)
    assert 0 < exchange.reads[0].ms <= exchange.reads[-1].ms <= exchange.ms


async def test_requests_are_summed_up(tape: Tape, tmp_path: Path) -> None:
    """What was asked for, and who was asked, by number."""
    recorded = over(tape, FakeUpstream("Hi"))
    await recorded.ask()
    await recorded.client.post("http://other.test/v1/responses", json=REQUEST)
    await recorded.client.get("/models")
    first, second, third = (exchange.request for exchange in await recorded.ended(tmp_path / "c.jsonl"))
    assert (1, "POST", "/responses", "gpt-5", True) == (
        first.upstream,
        first.method,
        first.path,
        first.model,
        first.stream,
    )
    assert (2, 1, "GET", "/models") == (second.upstream, third.upstream, third.method, third.path)


async def test_compressed_answers_are_recorded_decompressed(tape: Tape, tmp_path: Path) -> None:
    """The recording says so."""
    recorded = over(tape, FakeUpstream(Turn("A secret", framing=Framing(content_encoding="gzip"))))
    answer = await recorded.ask()
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert exchange.answer
    assert ("gzip", None) == (exchange.answer.decompressed, exchange.answer.headers.get("content-encoding"))
    assert len(answer.content) == len(exchange.body)


async def test_damaged_compression(tape: Tape, tmp_path: Path) -> None:
    """What cannot be read is not kept."""
    fault = Fault.answer(200, b"no gzip", headers={"content-encoding": "gzip"})
    recorded = over(tape, FakeUpstream(fault))
    async with recorded.client.stream("POST", "/responses", json=REQUEST) as response:
        assert [b"no gzip"] == [piece async for piece in response.aiter_raw()]
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert ("cut", b"") == (exchange.end, exchange.body)


async def test_an_answer_that_breaks_off(tape: Tape, tmp_path: Path) -> None:
    """It is recorded as far as it came."""
    recorded = over(tape, FakeUpstream(Fault.cut("A secret", after_bytes=300)))
    with pytest.raises(httpx.RemoteProtocolError):
        await recorded.ask()
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert ("cut", 300) == (exchange.end, len(exchange.body))


async def test_an_answer_that_never_came(tape: Tape, tmp_path: Path) -> None:
    """There is a request and an end."""
    recorded = over(tape, FakeUpstream(Fault.cut(after_bytes=0)))
    with pytest.raises(httpx.RemoteProtocolError):
        await recorded.ask()
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert ("cut", None) == (exchange.end, exchange.answer)


async def test_a_client_that_leaves(tape: Tape, tmp_path: Path) -> None:
    """What it has read is recorded."""
    recorded = over(tape, FakeUpstream(Turn("A secret word", delta_characters=1)))
    async with recorded.client.stream("POST", "/responses", json=REQUEST) as response:
        await anext(response.aiter_raw())
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert ("left", 1) == (exchange.end, len(exchange.reads))


async def test_a_client_that_leaves_before_the_answer(tape: Tape, tmp_path: Path) -> None:
    """Its request is recorded."""
    upstream = FakeUpstream(Fault.stall(after_events=0))
    recorded = over(tape, upstream)
    asking = asyncio.create_task(recorded.ask())
    await upstream.received()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert ("left", None) == (exchange.end, exchange.answer)


async def test_after_the_end_of_the_tape(tape: Tape, tmp_path: Path) -> None:
    """Answers are given on, those that had begun and others; neither is recorded."""
    recorded = over(tape, FakeUpstream(["one", "two"]))
    async with recorded.client.stream("POST", "/responses", json=REQUEST) as response:
        await asyncio.to_thread(tape.close)
        assert b"one" in await response.aread()
    assert b"two" in (await recorded.ask()).content
    assert () == await recorded.ended(tmp_path / "c.jsonl")


async def test_a_file_that_cannot_be_written(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is given all the same, and the tape says what was wrong."""
    recorded = over(tape, FakeUpstream("Hi"))

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("packyproxy.testing.cassettes.recording.os.write", fail)
    assert 200 == (await recorded.ask()).status_code
    assert 200 == (await recorded.ask()).status_code
    assert () == await recorded.ended(tmp_path / "c.jsonl")
    assert ("no space left on device", 0) == (tape.problem, tape.exchanges)


async def test_a_disk_that_is_full_for_a_while(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written in part is the end: nothing is put behind half a line, which would spoil the file."""
    recorded = over(tape, FakeUpstream("Hi"))
    write, room = os.write, iter([10**6, 500, 0])

    def write_some(file: int, data: bytes) -> int:
        size = next(room, 10**6)
        if not size:
            raise OSError(28, "No space left on device")
        return write(file, data[:size])

    monkeypatch.setattr("packyproxy.testing.cassettes.recording.os.write", write_some)
    for _ in range(3):
        assert 200 == (await recorded.ask()).status_code
    assert 1 == len(await recorded.ended(tmp_path / "c.jsonl"))
    assert ("no space left on device", 1) == (tape.problem, tape.exchanges)


async def test_a_disk_that_takes_little_at_a_time(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is written in the end."""
    write = os.write
    monkeypatch.setattr(
        "packyproxy.testing.cassettes.recording.os.write", lambda file, data: write(file, data[:100])
    )
    recorded = over(tape, FakeUpstream("Hi"))
    await recorded.ask()
    (exchange,) = await recorded.ended(tmp_path / "c.jsonl")
    assert b"response.completed" in exchange.body


async def test_a_bug_costs_the_recording_only(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text, which may quote content, is not shown."""

    def fail(*_: object) -> bytes:
        raise ValueError("a secret")

    recorded = over(tape, FakeUpstream("Hi"))
    monkeypatch.setattr("packyproxy.testing.cassettes.recording.write_exchange", fail)
    assert 200 == (await recorded.ask()).status_code
    assert () == await recorded.ended(tmp_path / "c.jsonl")
    assert "internal error: ValueError" == tape.problem


def test_the_file_is_its_owners(tape: Tape, tmp_path: Path) -> None:
    """Nobody else may read it."""
    assert 0o600 == stat.S_IMODE((tmp_path / "c.jsonl").stat().st_mode)


def test_a_file_that_is_there(tmp_path: Path) -> None:
    """It is left alone unless it shall be replaced."""
    path = tmp_path / "c.jsonl"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        Tape(path)
    assert "mine" == path.read_text()


def test_a_file_that_shall_be_replaced(tmp_path: Path) -> None:
    """It stays until there is something to write, and is its owner's then."""
    path = tmp_path / "c.jsonl"
    path.write_text("mine")
    path.chmod(0o644)
    Tape(path, replaces=True).close()
    assert "mine" == path.read_text()

    async def record(tape: Tape) -> tuple[RecordedExchange, ...]:
        recorded = over(tape, FakeUpstream("Hello."))
        await recorded.ask()
        return await recorded.ended(path)

    assert 1 == len(asyncio.run(record(Tape(path, replaces=True))))
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A device is left as it is; a pipe that nobody reads holds nothing up."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o644)
    with pytest.raises(OSError, match="Not a regular file"):
        Tape(path, replaces=True)
    assert stat.S_IFIFO | 0o644 == path.stat().st_mode


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known at once, and nothing is left."""

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("packyproxy.testing.cassettes.recording.os.write", fail)
    with pytest.raises(OSError, match="No space left"):
        Tape(tmp_path / "c.jsonl")
    assert not list(tmp_path.iterdir())
