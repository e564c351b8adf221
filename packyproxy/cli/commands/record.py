"""``packyproxy record``: a proxy that writes what providers answer into a cassette, without its content."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from packyproxy.cli.commands.run import run
from packyproxy.cli.commands.serve import serve
from packyproxy.cli.failures import CommandFailed, WrongUsage
from packyproxy.cli.tables import print_line, print_table
from packyproxy.errors import UpstreamFailed
from packyproxy.testing.cassettes.cassette import Cassette, CassetteError, RecordedExchange
from packyproxy.testing.cassettes.recorded_request import is_summary
from packyproxy.testing.cassettes.recording import Tape
from packyproxy.testing.cassettes.vocabulary import EVENT_TYPE
from packyproxy.wire.responses_events import EVENT_TYPES
from packyproxy.wire.responses_output import read_fields
from packyproxy.wire.sse import FrameDecoder

__all__ = ["record", "show"]

_HEADINGS: Final = ("", "upstream", "request", "model", "sent", "status", "first", "end", "events", "got")
_UNKNOWN: Final = "(unknown)"


def record(
    path: str | None,
    command: Sequence[str],
    *,
    output: str,
    replaces: bool,
    port: int,
) -> int:
    """Record until the program ends, or until SIGTERM or SIGINT.

    Returns the program's exit code or that of serving; 1 instead of 0 if not everything could be written.

    Args:
        path: of the configuration, None to look for it.
        command: the program to run over the proxy; without one it is served.
        output: the file to write; if nobody was asked there is none in the end, or the one that was there.
        replaces: write over a file that is there.
        port: where to listen without a program, on loopback; 0 for any that is free.

    Raises:
        WrongUsage: the file is there.
        ConfigError: the configuration cannot be used.
        CommandFailed: the file cannot be written, or serving failed.
    """
    tape = _open(output, replaces=replaces)
    print(f"packyproxy: recording into {output}, without content", file=sys.stderr)
    wrappers = (tape.wrap,)
    try:
        if command:
            code = run(path, command, wrappers=wrappers)
        else:
            code = serve(
                path,
                host="127.0.0.1",
                port=port,
                workers=1,
                grace_seconds=30,
                allow_open=False,
                packycode=False,
                tppc=False,
                wrappers=wrappers,
            )
    finally:
        tape.close()
        _tell(tape, output)
    return code or int(tape.problem is not None)


def show(path: str) -> int:
    """Print what a cassette holds; returns 1 if there is something in it that a recording does not keep.

    Raises:
        WrongUsage: it cannot be read, or is no cassette.
    """
    try:
        cassette = Cassette.load(path)
    except CassetteError as error:
        raise WrongUsage(f"{path} is no cassette: {error}") from None
    except OSError as error:
        raise WrongUsage(f"{path} cannot be read ({(error.strerror or '').lower()})") from None
    counts = [_event_types(exchange) for exchange in cassette.exchanges]
    rows = [
        _row(number, exchange, events.total())
        for number, (exchange, events) in enumerate(zip(cassette.exchanges, counts, strict=True), start=1)
    ]
    print_table(rows, headings=_HEADINGS)
    print_line()
    print_table([(str(count), kind) for kind, count in sum(counts, Counter[str]()).most_common()])
    print_line()
    if cassette.has_content():
        print_line("there are texts in it that are no filler: it was changed, and may hold content", "bad")
        return 1
    print_line("every text in it is filler or a word of the protocol", "good")
    return 0


def _open(output: str, *, replaces: bool) -> Tape:
    try:
        return Tape(output, replaces=replaces)
    except FileExistsError:
        raise WrongUsage(
            f"{output} is there already: name another file with -o, or write over it with --force"
        ) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CommandFailed(f"{output} cannot be written ({reason})") from None


def _tell(tape: Tape, output: str) -> None:
    """Say what came of it; an exception that is under way is told by whoever catches it."""
    if tape.problem is not None:
        print(f"packyproxy: {output} is not complete ({tape.problem})", file=sys.stderr)
    elif not tape.exchanges:
        if tape.is_new:
            Path(output).unlink(missing_ok=True)
        print("packyproxy: no provider was asked, so nothing was recorded", file=sys.stderr)
    else:
        count = "1 exchange" if tape.exchanges == 1 else f"{tape.exchanges} exchanges"
        print(
            f"packyproxy: recorded {count} in {output}\n"
            f"  look at it:  packyproxy record --show {output}\n"
            f'  play it:     packyproxy.testing.Cassette.load("{output}").upstream()',
            file=sys.stderr,
        )


def _row(number: int, exchange: RecordedExchange, events: int) -> tuple[str, ...]:
    request, answer = exchange.request, exchange.answer
    # A file of somebody else's may hold anything, also what a terminal would obey.
    is_kept = is_summary(request)
    return (
        str(number),
        str(request.upstream),
        f"{request.method} {request.path}" if is_kept else _UNKNOWN,
        " ".join(filter(None, (request.model, request.effort))) if is_kept else _UNKNOWN,
        f"{request.bytes:,} B",
        str(answer.status) if answer else "none",
        f"{exchange.reads[0].ms:,.0f} ms" if exchange.reads else "",
        f"{exchange.ms:,.0f} ms, {exchange.end}",
        str(events),
        f"{len(exchange.body):,} B in {len(exchange.reads)}",
    )


def _event_types(exchange: RecordedExchange) -> Counter[str]:
    return Counter(_types(exchange.body))


def _types(body: bytes) -> Iterator[str]:
    frames = FrameDecoder()
    try:
        for data in [*frames.feed(body), *frames.finish()]:
            kind = bytes((read_fields(data) or {}).get("type", b"")).strip(b'"')
            name = kind.decode(errors="replace")
            yield name if name in EVENT_TYPES or EVENT_TYPE.fullmatch(kind) else _UNKNOWN
    except UpstreamFailed:
        yield "(too long)"
