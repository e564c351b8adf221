"""A Responses API upstream that answers from a script, as an ASGI app.

It behaves as a codex relay does towards a client: it refuses what the real API refuses, streams what it
streams, and keeps what it received for the test to look at. Run it in-process with ``StreamingASGITransport``
or under any ASGI server. It never sleeps.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import msgspec

from packyproxy.testing.moment import Moment
from packyproxy.testing.upstream.delivery import Delivery, deliver, deliver_document
from packyproxy.testing.upstream.encrypted_content import ReasoningVault
from packyproxy.testing.upstream.events import AnswerWriter, Ids
from packyproxy.testing.upstream.faults import BrokenStream, ErrorAnswer, Fault
from packyproxy.testing.upstream.received_request import ReceivedRequest
from packyproxy.testing.upstream.script import Framing, Stream, Turn
from packyproxy.testing.upstream.validation import Refusal, Rules, check_compact_request, check_request
from packyproxy.wire.content_encoding import DecompressionFailed, decompress

__all__ = ["Answer", "FakeUpstream", "Script", "ScriptExhausted"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

Answer: TypeAlias = str | Turn | Fault | Stream
"""One answer; a string is a turn with that text."""

Script: TypeAlias = Answer | Sequence[Answer] | Callable[[ReceivedRequest], Answer]
"""One answer for every request, one per request in order, or a function that decides."""

_COMPACT = "/responses/compact"
_SEARCH = "/alpha/search"
_ETAG = b'"fake-catalogue-1"'
_MAX_BODY_BYTES = 256 * 1024 * 1024
_HERE = Path(__file__).parent
_instances = count(1)
_encode = msgspec.json.Encoder().encode


class ScriptExhausted(Exception):
    """A request came after the last answer of the script."""


class FakeUpstream:
    """Answer ``POST .../responses`` from a script, and ``GET .../models``, under any prefix.

    ``FakeUpstream("Hello")`` always says hello; ``FakeUpstream([Turn(calls=[Call("ls")]), "Done."])`` calls a
    tool first; without a script it repeats what the user said. Requests that are refused use up no turn.
    ``POST .../responses/compact`` and ``POST .../alpha/search`` use the script up as well: a compaction has
    nothing of the answer but its usage and headers, what a search has found is its text.

    Args:
        script: the answers.
        mode: ``codex`` accepts what the codex back end accepts, in its error shapes; ``platform`` is the
            public API.
        when_exhausted: what follows the last answer of a sequence: that answer again, the user's words, or
            :class:`ScriptExhausted`, which :meth:`check_script` raises.
        api_key: the bearer token to insist on; None admits anyone.
        models: the models that exist; None means any.
        efforts: allowed ``reasoning.effort`` values per model, over the built-in table.
        identity: who issues ``encrypted_content``; two upstreams differ unless they are given the same one.
        validates: False accepts any JSON object.
        lacks: what it does not have: routes that are 404, or the catalogue that ``GET .../models`` has for
            the Codex CLI, so that it gets the usual list.
        framing: how frames are written unless a turn says otherwise.
        pace: awaited before every write with its number; lets a test or a demo set the tempo.
        clock: Unix seconds, for ``created_at``.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        mode: Literal["codex", "platform"] = "codex",
        when_exhausted: Literal["repeat", "echo", "fail"] = "repeat",
        api_key: str | None = None,
        models: Sequence[str] | None = None,
        efforts: Mapping[str, Sequence[str]] | None = None,
        identity: str | None = None,
        validates: bool = True,
        lacks: Collection[Literal["compact", "search", "models", "catalogue"]] = (),
        framing: Framing | None = None,
        pace: Callable[[int], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.script = script
        self.requests: list[ReceivedRequest] = []
        """Every ``POST`` received on a route that is there, refused ones included, in order of arrival."""
        self.model_requests: list[ReceivedRequest] = []
        """Every ``GET .../models`` received."""
        self._when_exhausted = when_exhausted
        self._api_key = api_key
        self._mode: Literal["codex", "platform"] = mode
        self._framing = framing or Framing()
        self._pace = pace
        self._clock = clock
        self._identity = identity or f"fake-upstream-{next(_instances)}"
        self._vault = ReasoningVault(self._identity)
        self._ids = Ids(self._identity)
        self._models = tuple(models) if models is not None else None
        self._rules = Rules(mode=mode, models=self._models, efforts=dict(efforts or {}))
        self._validates = validates
        self._lacks = frozenset(lacks)
        self._script_errors: list[tuple[Exception, TracebackType | None]] = []
        self._arrivals: list[tuple[int, Moment[ReceivedRequest]]] = []

    @property
    def script(self) -> Script | None:
        """The answers; may be replaced between requests, and a sequence starts at its beginning then."""
        return self._script

    @script.setter
    def script(self, script: Script | None) -> None:
        self._script = script
        if isinstance(script, Sequence) and not isinstance(script, str):
            self._answers = deque(script)
        else:
            self._answers = deque()

    @property
    def remaining(self) -> int:
        """How many answers of a sequence have not been asked for."""
        return len(self._answers)

    @property
    def last_request(self) -> ReceivedRequest:
        """The newest request; an IndexError when there is none."""
        if not self.requests:
            raise IndexError("no request has come to this upstream")
        return self.requests[-1]

    def release(self) -> None:
        """Let every answer that has stalled so far go on."""
        for request in self.requests:
            request.release()

    def received(self, number: int = 1) -> Moment[ReceivedRequest]:
        """Return the moment of the request with this number, counted from 1; waiting for it gives that."""
        arrival: Moment[ReceivedRequest] = Moment()
        self._arrivals.append((number, arrival))
        self._announce()
        return arrival

    def check_script(self) -> None:
        """Raise the first error of the script itself, if there was one since the last time.

        A function that raises, an answer of no known type and a request after the last answer are mistakes
        of a test. Their requests are answered with a 400 that says so.
        """
        __tracebackhide__ = True
        errors, self._script_errors = self._script_errors, []
        if errors:
            error, traceback = errors[0]
            raise error.with_traceback(traceback)

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        headers = _headers(scope)
        path: str = scope["path"]
        raw = await _read_body(receive)
        if raw is None:
            return
        method = self._method_of(path)
        if method is None:
            await _send_json(send, Refusal(404, {"detail": "Not Found"}))
            return
        if scope["method"] != method:
            await _send_json(send, Refusal(405, {"detail": "Method Not Allowed"}))
            return
        query = scope.get("query_string", b"").decode("latin-1")
        request = ReceivedRequest(method=method, path=path, query=query, headers=headers, raw=raw)
        if method == "GET":
            self.model_requests.append(request)
            refusal = self._check_key(headers)
            await _send_json(send, refusal or Refusal(200, self._model_list(query)), etag=_ETAG)
            return
        self.requests.append(request)
        self._announce()
        await self._respond(request, receive, send)

    def _method_of(self, path: str) -> Literal["GET", "POST"] | None:
        """Return the method that a path takes; None where there is no such route."""
        if path.endswith("/models"):
            return None if "models" in self._lacks else "GET"
        if path.endswith(_COMPACT):
            return None if "compact" in self._lacks else "POST"
        if path.endswith(_SEARCH):
            return None if "search" in self._lacks else "POST"
        return "POST" if path.endswith("/responses") else None

    def _announce(self) -> None:
        for number, arrival in self._arrivals:
            if len(self.requests) >= number:
                arrival.happen(self.requests[number - 1])

    async def _respond(self, request: ReceivedRequest, receive: _Receive, send: _Send) -> None:
        refusal = self._check_key(request.headers) or self._read(request)
        if refusal is not None:
            request.status, request.error = refusal.status, refusal.body
            await _send_json(send, refusal)
            request.end("completed")
            return
        answering = asyncio.create_task(self._answer(request, send))
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not answering.done():
                answering.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
            request.end("disconnected" if answering.cancelled() else "cut")
        if not answering.cancelled():
            answering.result()

    def _check_key(self, headers: Mapping[str, str]) -> Refusal | None:
        if self._api_key is None or headers.get("authorization") == f"Bearer {self._api_key}":
            return None
        if self._mode == "codex":
            return Refusal(401, {"detail": "Unauthorized"})
        return Refusal.error("Incorrect API key provided.", status=401, code="invalid_api_key")

    def _read(self, request: ReceivedRequest) -> Refusal | None:
        if not request.headers.get("content-type", "application/json").startswith("application/json"):
            return Refusal(400, {"detail": "Unsupported content type"})
        encoding = request.headers.get("content-encoding", "")
        try:
            data = decompress(request.raw, encoding, _MAX_BODY_BYTES) if encoding else request.raw
        except DecompressionFailed:
            return Refusal(400, {"detail": "Bad Request"})
        if not request.decode(data):
            message = "We could not parse the JSON body of your request."
            return Refusal(400, {"detail": message}) if self._mode == "codex" else Refusal.error(message)
        if not self._validates or request.path.endswith(_SEARCH):
            return None
        check = check_compact_request if request.path.endswith(_COMPACT) else check_request
        return check(request.body, self._rules, self._vault)

    def _next_answer(self, request: ReceivedRequest) -> Answer:
        script = self.script
        if script is None:
            return request.last_text
        if isinstance(script, str | Turn | Fault | Stream):
            return script
        if callable(script):
            return script(request)
        try:
            return self._answers.popleft()
        except IndexError:
            if self._when_exhausted == "repeat" and script:
                return script[-1]
            if self._when_exhausted == "echo":
                return request.last_text
        problem = f"request {len(self.requests)} came, but the script ends after answer {len(script)}"
        raise ScriptExhausted(problem)

    async def _answer(self, request: ReceivedRequest, send: _Send) -> None:
        try:
            delivery = self._delivery(request, self._next_answer(request))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the test's, which is to be told
            frames = _frames_of_script(error.__traceback__)
            self._script_errors.append((error, frames))
            delivery = self._delivery(request, _told(error, frames))
        await self._send(request, delivery, send)

    def _delivery(self, request: ReceivedRequest, answer: Answer) -> Delivery:
        match answer:
            case ErrorAnswer():
                headers = {**answer.headers, "content-length": str(len(answer.body))}
                return Delivery(answer.code, headers, iter((answer.body,)))
            case Stream():
                body = (answer.body,) if isinstance(answer.body, bytes) else answer.body
                return Delivery(answer.status, answer.headers, iter(body), is_cut=answer.is_cut)
            case str() | Turn() | BrokenStream() if request.wants_document:
                return deliver_document(answer, self._document(request, answer), mode=self._mode)
            case str() | Turn() | BrokenStream():
                return deliver(answer, self._writer(request), request.body, self._framing, mode=self._mode)
            case _:
                problem = f"a script cannot answer with {type(answer).__name__}"
                raise TypeError(problem)

    def _document(self, request: ReceivedRequest, answer: str | Turn | BrokenStream) -> Mapping[str, Any]:
        turn = answer.turn if isinstance(answer, BrokenStream) else answer
        if request.path.endswith(_COMPACT):
            return self._writer(request).compacted(turn.usage if isinstance(turn, Turn) else None)
        text = turn if isinstance(turn, str) else turn.text
        return {"output": text if isinstance(text, str) else "\n".join(text)}

    def _writer(self, request: ReceivedRequest) -> AnswerWriter:
        return AnswerWriter(
            request.body,
            request_bytes=len(request.raw),
            ids=self._ids,
            vault=self._vault,
            created_at=int(self._clock()),
        )

    async def _send(self, request: ReceivedRequest, delivery: Delivery, send: _Send) -> None:
        """Write a delivery; the status line travels with the first write, as servers do it."""
        request.status = delivery.status
        headers = [(name.encode(), value.encode()) for name, value in delivery.headers.items()]
        start = {"type": "http.response.start", "status": delivery.status, "headers": headers}
        is_started = False
        number = 0
        for piece in delivery.writes:
            if piece is None:
                await request.wait_for_release()
                continue
            if self._pace is not None:
                await self._pace(number)
            if not is_started:
                await send(start)
                is_started = True
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            number += 1
        if delivery.is_cut:
            # An ASGI server drops the connection of an app that returns before its last body message.
            request.end("cut")
            return
        request.end("completed")
        if not is_started:
            await send(start)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _model_list(self, query: str) -> dict[str, Any]:
        models = self._models or ("gpt-5.1-codex", "gpt-5", "gpt-5-codex")
        if "client_version=" in query and "catalogue" not in self._lacks:
            return {"models": [{"slug": model, "display_name": model} for model in models]}
        data = [{"id": m, "object": "model", "created": 1735689600, "owned_by": "openai"} for m in models]
        return {"object": "list", "data": data}


async def _serve_lifespan(receive: _Receive, send: _Send) -> None:
    for state in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{state}.complete"})


async def _read_body(receive: _Receive) -> bytes | None:
    """Return the whole body; None when the client left in the middle of it."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _wait_for_disconnect(receive: _Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_json(send: _Send, answer: Refusal, *, etag: bytes | None = None) -> None:
    body = _encode(answer.body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if etag is not None:
        headers.append((b"etag", etag))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _told(error: Exception, frames: TracebackType | None) -> Fault:
    """Return the answer that tells of a mistake in the script, without foreign text: it may hold content."""
    if frames is None or isinstance(error, ScriptExhausted):
        text = str(error)
    else:
        place = f"{Path(frames.tb_frame.f_code.co_filename).name}:{frames.tb_lineno}"
        text = f"{type(error).__name__} was raised by the script at {place}"
    return Fault.status(400, f"The test is wrong: {text}.", type="invalid_request_error", code="script_error")


def _frames_of_script(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out how the script came to be called."""
    while traceback is not None and Path(traceback.tb_frame.f_code.co_filename).parent == _HERE:
        traceback = traceback.tb_next
    return traceback
