"""Recordings of upstreams without their content, in files of JSON lines (docs/cassettes.md).

``packyproxy record`` makes them; ``Cassette.load(path).upstream()`` plays one in a test. Event types, ids,
numbers, sizes and the times and cuts of network reads are the upstream's, every text is filler.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from os import PathLike
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from packyproxy.testing.cassettes.recorded_request import RecordedRequest, is_summary
from packyproxy.testing.cassettes.redaction import Redactor
from packyproxy.testing.upstream.fake_upstream import Answer, FakeUpstream, ScriptExhausted
from packyproxy.testing.upstream.faults import Fault
from packyproxy.testing.upstream.received_request import ReceivedRequest
from packyproxy.testing.upstream.script import Stream
from packyproxy.version import __version__
from packyproxy.wire.content_encoding import ENCODINGS

__all__ = [
    "Cassette",
    "CassetteError",
    "End",
    "Read",
    "RecordedAnswer",
    "RecordedExchange",
    "first_line",
    "write_exchange",
]

_VERSION: Final = 1

End = Literal["complete", "cut", "left"]
"""How an answer ended: whole; broken off on the upstream's side; given up on ours, before its end."""


class CassetteError(Exception):
    """A file is no cassette that can be read here; says which line is wrong, and quotes nothing."""


class _Line(
    Struct,
    frozen=True,
    kw_only=True,
    rename="kebab",
    tag_field="line",
    omit_defaults=True,
    forbid_unknown_fields=True,  # a cassette is looked at before it is shown, and must hold nothing unseen
):
    """One line of the file."""


class _Head(_Line, frozen=True, kw_only=True, tag="cassette"):
    version: int
    made_by: Annotated[str, Meta(pattern=r"^packyproxy [0-9a-z.+]{1,24}$")]


class RecordedAnswer(_Line, frozen=True, kw_only=True, tag="answer"):
    """The head of an answer."""

    ms: float
    """How long after the request it came."""
    status: int
    headers: Mapping[str, str] = {}
    """Those that are known to hold nothing of anybody's, by their names in lower case."""
    other_headers: int = 0
    """How many there were besides."""
    decompressed: str = ""
    """The content-encoding that was undone before the recording."""


class Read(Struct, frozen=True):
    """One network read of an answer's body."""

    ms: float
    """How long after the request it came."""
    data: bytes


class _Text(_Line, frozen=True, kw_only=True, tag="read"):
    ms: float
    text: str | UnsetType = UNSET
    base64: bytes | UnsetType = UNSET
    """What is no text: a read may end in the middle of a character."""


class _End(_Line, frozen=True, kw_only=True, tag="end"):
    ms: float
    how: End


class RecordedExchange(Struct, frozen=True, kw_only=True):
    """One request to an upstream, and what came of it."""

    request: RecordedRequest
    answer: RecordedAnswer | None = None
    """None where not even the headers came."""
    reads: Sequence[Read] = ()
    end: End = "complete"
    ms: float = 0.0
    """How long after the request it was over."""

    @property
    def body(self) -> bytes:
        """The whole body of the answer."""
        return b"".join(read.data for read in self.reads)

    def as_answer(self) -> Answer:
        """Return what a fake upstream answers in the place of the recorded one, read by read."""
        if self.answer is None:
            return Fault.cut(after_bytes=0)
        reads = [read.data for read in self.reads]
        return Stream(reads, self.answer.status, self.answer.headers, is_cut=self.end != "complete")


_AnyLine: TypeAlias = _Head | RecordedRequest | RecordedAnswer | _Text | _End
_encode = msgspec.json.Encoder().encode
_decoder: Final[msgspec.json.Decoder[_AnyLine]] = msgspec.json.Decoder(_AnyLine)


class Cassette(Struct, frozen=True):
    """What was recorded, in the order in which it ended."""

    exchanges: Sequence[RecordedExchange] = ()

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Cassette":
        """Read a file; an exchange that was not written to its end is left out.

        Raises:
            CassetteError: it is no cassette.
            OSError: it cannot be read.
        """
        written = Path(path).read_bytes()
        # Whoever was stopped in the middle of a line has written no end of it.
        return cls(tuple(_exchanges(written[: written.rfind(b"\n") + 1].splitlines())))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a file over whatever is there."""
        lines = [first_line(), *map(write_exchange, self.exchanges)]
        Path(path).write_bytes(b"".join(lines))

    def script(self) -> list[Answer]:
        """Return what ``FakeUpstream`` answers, one answer for each ``POST`` that was recorded."""
        return [exchange.as_answer() for exchange in self._posts()]

    def upstream(self, *, pace: float = 0.0) -> FakeUpstream:
        """Return an upstream that answers as recorded, without a look at the request.

        A request after the last answer is a mistake of the test, as after the end of a script.

        Args:
            pace: how long the recorded pauses between reads are made: 0 not at all, 1 as they were.
        """
        replay = _Replay(self._posts(), pace)
        return FakeUpstream(replay.answer, validates=False, pace=replay.wait if pace else None)

    def has_content(self) -> bool:
        """Tell whether there is anything in an answer that a recording does not keep."""
        redactor = Redactor(keeps_numbers=True)
        return any(_differs(exchange, redactor) for exchange in self.exchanges)

    def _posts(self) -> list[RecordedExchange]:
        """Return what a script answers, in the order in which it was asked."""
        posts = [exchange for exchange in self.exchanges if exchange.request.method == "POST"]
        return sorted(posts, key=lambda exchange: exchange.request.at)


def first_line() -> bytes:
    """Return what a file begins with."""
    return _encode(_Head(version=_VERSION, made_by=f"packyproxy {__version__}")) + b"\n"


def write_exchange(exchange: RecordedExchange) -> bytes:
    """Return the lines of an exchange."""
    lines: list[_AnyLine] = [exchange.request]
    if exchange.answer is not None:
        lines.append(exchange.answer)
    lines += map(_text, exchange.reads)
    lines.append(_End(ms=exchange.ms, how=exchange.end))
    return b"".join(_encode(line) + b"\n" for line in lines)


def _text(read: Read) -> _Text:
    try:
        return _Text(ms=read.ms, text=read.data.decode())
    except UnicodeDecodeError:
        return _Text(ms=read.ms, base64=read.data)


def _exchanges(lines: Iterable[bytes]) -> Iterator[RecordedExchange]:
    request: RecordedRequest | None = None
    answer: RecordedAnswer | None = None
    reads: list[Read] = []
    is_first = True
    for number, line in enumerate(lines, start=1):
        try:
            found = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _wrong(number) from None
        if is_first and not (isinstance(found, _Head) and found.version == _VERSION):
            raise CassetteError(f"line {number}: a cassette of version {_VERSION} begins otherwise")
        is_first = False
        match found:
            case _Head():
                pass
            case RecordedRequest():
                request, answer, reads = found, None, []
            case RecordedAnswer():
                answer = found
            case _Text():
                reads.append(Read(found.ms, _bytes(found)))
            case _End() if request is not None:
                yield RecordedExchange(
                    request=request, answer=answer, reads=tuple(reads), end=found.how, ms=found.ms
                )
                request = None
            case _:
                raise _wrong(number)
    if is_first:
        raise CassetteError("the file is empty")


def _bytes(line: _Text) -> bytes:
    if line.base64 is not UNSET:
        return line.base64
    return b"" if line.text is UNSET else line.text.encode()


def _wrong(number: int) -> CassetteError:
    return CassetteError(f"line {number} does not belong in a cassette")


def _differs(exchange: RecordedExchange, redactor: Redactor) -> bool:
    answer = exchange.answer
    if answer is not None:
        encodings = {name.strip() for name in answer.decompressed.split(",")}
        kept = redactor.headers(answer.headers.items()).values
        if kept != answer.headers or not encodings <= {"", "identity", *ENCODINGS}:
            return True
    return redactor.body(exchange.body) != exchange.body or not is_summary(exchange.request)


class _Replay:
    """Plays exchanges one after the other, each at the tempo it was recorded at."""

    def __init__(self, exchanges: Iterable[RecordedExchange], pace: float) -> None:
        self._coming = iter(exchanges)
        self._pace = pace
        # Every answer is given in a task of its own, several maybe at once.
        self._times: ContextVar[tuple[float, ...]] = ContextVar("times", default=())

    def answer(self, _: ReceivedRequest) -> Answer:
        exchange = next(self._coming, None)
        if exchange is None:
            raise ScriptExhausted("the cassette has ended: no more answers were recorded")
        self._times.set((0.0, *(read.ms for read in exchange.reads)))
        return exchange.as_answer()

    async def wait(self, number: int) -> None:
        times = self._times.get()
        if number + 1 < len(times):
            await asyncio.sleep((times[number + 1] - times[number]) / 1000 * self._pace)
