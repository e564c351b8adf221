"""Cassettes: what is written is read again, and plays as it was recorded."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from packyproxy.testing import ScriptExhausted, StreamingASGITransport
from packyproxy.testing.cassettes.cassette import (
    Cassette,
    CassetteError,
    Read,
    RecordedAnswer,
    RecordedExchange,
    first_line,
    write_exchange,
)
from packyproxy.testing.cassettes.recorded_request import RecordedRequest

REQUEST = RecordedRequest(at="2026-11-21T19:00:00.000Z", bytes=2)
ANSWER = RecordedAnswer(ms=1.5, status=200, headers={"content-type": "text/event-stream"})
EXCHANGE = RecordedExchange(
    request=REQUEST,
    answer=ANSWER,
    reads=(Read(1.5, 'data: {"text":"×'.encode()[:-1]), Read(4.0, b'\x97"}\n'), Read(10.0, b"\n")),
    ms=12.0,
)
UNANSWERED = RecordedExchange(request=REQUEST, end="left", ms=3.0)


async def ask(client: httpx.AsyncClient) -> httpx.Response:
    """Ask an upstream for anything."""
    return await client.post("/v1/responses", json={})


def client_of(cassette: Cassette, *, pace: float = 0.0) -> httpx.AsyncClient:
    """Return a client of the upstream that plays a cassette."""
    transport = StreamingASGITransport(cassette.upstream(pace=pace))
    return httpx.AsyncClient(transport=transport, base_url="http://upstream.test")


def test_saved_and_loaded(tmp_path: Path) -> None:
    """Everything is there again, and reads end where they ended: in the middle of a character."""
    cassette = Cassette((EXCHANGE, UNANSWERED))
    cassette.save(tmp_path / "c.jsonl")
    assert cassette == Cassette.load(tmp_path / "c.jsonl")


def test_lines_can_be_read(tmp_path: Path) -> None:
    """A read is a text unless it is none."""
    (tmp_path / "c.jsonl").write_bytes(first_line() + write_exchange(EXCHANGE))
    head, *_, second, third, end = (tmp_path / "c.jsonl").read_text().splitlines()
    assert head.startswith('{"line":"cassette","version":1,"made-by":"packyproxy ')
    assert '{"line":"read","ms":4.0,"base64":"lyJ9Cg=="}' == second
    assert '{"line":"read","ms":10.0,"text":"\\n"}' == third
    assert '{"line":"end","ms":12.0,"how":"complete"}' == end


@pytest.mark.parametrize("lost", [1, 20, 45, 200])
def test_what_was_not_written_to_its_end(tmp_path: Path, lost: int) -> None:
    """The exchanges before it count."""
    whole = first_line() + write_exchange(UNANSWERED) + write_exchange(EXCHANGE)
    (tmp_path / "c.jsonl").write_bytes(whole[:-lost])
    assert (UNANSWERED,) == Cassette.load(tmp_path / "c.jsonl").exchanges


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("hello\n", "line 1 does not belong in a cassette"),
        ('{"line":"end","ms":1,"how":"cut"}\n', "line 1: a cassette of version 1 begins otherwise"),
        (
            '{"line":"cassette","version":2,"made-by":"packyproxy 9"}\n',
            "line 1: a cassette of version 1 begins otherwise",
        ),
        ('{"line":"cassette","version":1,"made-by":"me"}\n', "line 1 does not belong in a cassette"),
        (
            first_line().decode() + '{"line":"end","ms":1,"how":"cut"}\n',
            "line 2 does not belong in a cassette",
        ),
        (
            first_line().decode() + '{"line":"read","ms":1,"note":"a"}\n',
            "line 2 does not belong in a cassette",
        ),
        (first_line().decode() + "\x00\n", "line 2 does not belong in a cassette"),
    ],
    ids=["empty", "text", "no head", "version", "maker", "end of nothing", "unknown field", "bytes"],
)
def test_what_is_no_cassette(tmp_path: Path, text: str, problem: str) -> None:
    """The line is named, and not quoted."""
    (tmp_path / "c.jsonl").write_text(text)
    with pytest.raises(CassetteError) as caught:
        Cassette.load(tmp_path / "c.jsonl")
    assert problem == str(caught.value)


async def test_replay() -> None:
    """Status, headers and body are those recorded."""
    async with client_of(Cassette((EXCHANGE,))) as client:
        response = await ask(client)
        assert (200, "text/event-stream") == (response.status_code, response.headers["content-type"])
        assert EXCHANGE.body == response.content


@pytest.mark.parametrize("pace", [0.0, 1.0])
async def test_after_the_last_answer(pace: float) -> None:
    """Client and test are told."""
    upstream = Cassette(()).upstream(pace=pace)
    transport = StreamingASGITransport(upstream)
    async with httpx.AsyncClient(transport=transport, base_url="http://upstream.test") as client:
        assert "The test is wrong: the cassette has ended" in (await ask(client)).text
    with pytest.raises(ScriptExhausted):
        upstream.check_script()


async def test_reads_are_cut_as_recorded() -> None:
    """Each is one write."""
    async with (
        client_of(Cassette((EXCHANGE,))) as client,
        client.stream("POST", "/v1/responses", json={}) as response,
    ):
        pieces = [piece async for piece in response.aiter_raw()]
    assert [read.data for read in EXCHANGE.reads] == pieces


@pytest.mark.parametrize("end", ["cut", "left"])
async def test_what_was_broken_off_breaks_off(end: str) -> None:
    """Whoever reads it sees no end."""
    async with client_of(Cassette((replace(EXCHANGE, end=end),))) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client)


async def test_what_was_not_answered_is_not_answered() -> None:
    """The connection is dropped before the headers."""
    async with client_of(Cassette((UNANSWERED,))) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(client)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("pace", "seconds"), [(0.0, 0.0), (1.0, 0.01), (100.0, 1.0)])
async def test_pace(pace: float, seconds: float) -> None:
    """The last read comes as long after the request as it was recorded, times the pace."""
    loop = asyncio.get_running_loop()
    async with client_of(Cassette((EXCHANGE,)), pace=pace) as client:
        began_at = loop.time()
        await ask(client)
        assert loop.time() - began_at == pytest.approx(seconds)


@pytest.mark.virtual_time
async def test_answers_at_the_same_time_keep_their_own_pace() -> None:
    """Each takes as long as it took."""
    slow = replace(EXCHANGE, reads=(Read(4000.0, b"data: 1\n\n"),))
    loop = asyncio.get_running_loop()

    async def seconds(client: httpx.AsyncClient) -> float:
        began_at = loop.time()
        await ask(client)
        return loop.time() - began_at

    async with client_of(Cassette((slow, EXCHANGE)), pace=1) as client:
        took = await asyncio.gather(seconds(client), seconds(client))
    assert [4.0, 0.01] == pytest.approx(took)


def test_a_script_has_what_was_posted_in_the_order_of_asking() -> None:
    """Lists of models are no turns, and who was asked first may have ended last."""
    listing = replace(EXCHANGE, request=replace(REQUEST, method="GET", path="/models"))
    earlier = replace(UNANSWERED, request=replace(REQUEST, at="2026-11-21T18:59:59.999Z"))
    cassette = Cassette((listing, EXCHANGE, earlier))
    assert [earlier.as_answer(), EXCHANGE.as_answer()] == cassette.script()


def test_a_recording_has_no_content() -> None:
    """Its own filler is none."""
    assert not Cassette((EXCHANGE, UNANSWERED)).has_content()


def test_a_part_of_a_recording_has_no_content() -> None:
    """Who takes exchanges out of a cassette does not change the others; numbers begin later then."""
    later = replace(EXCHANGE, reads=(Read(1.0, b'data: {"item_id":"msg_0012"}\n\n'),))
    assert not Cassette((later,)).has_content()


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(replace(EXCHANGE, reads=(Read(1.0, b'data: {"text":"hi"}\n\n'),)), id="text"),
        pytest.param(
            replace(EXCHANGE, answer=replace(ANSWER, headers={"x-note": "hi"})), id="unknown header"
        ),
        pytest.param(
            replace(EXCHANGE, answer=replace(ANSWER, headers={"retry-after": "hi"})), id="header value"
        ),
        pytest.param(replace(EXCHANGE, answer=replace(ANSWER, decompressed="hi")), id="encoding"),
        pytest.param(replace(EXCHANGE, request=replace(REQUEST, model="hi")), id="request"),
    ],
)
def test_content_that_was_put_in(changed: RecordedExchange) -> None:
    """It is seen, wherever it is."""
    assert Cassette((EXCHANGE, changed)).has_content()


def test_the_documented_file(tmp_path: Path) -> None:
    """The example of ``docs/cassettes.md`` is a cassette without content, and names every kind of line."""
    page = (Path(__file__).parents[4] / "docs" / "cassettes.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "c.jsonl").write_text(example)
    cassette = Cassette.load(tmp_path / "c.jsonl")
    assert (1, False) == (len(cassette.exchanges), cassette.has_content())
    lines = {json.loads(line)["line"] for line in example.splitlines()}
    assert lines == set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE))
