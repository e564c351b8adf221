"""The management API as an ASGI component.

Order of the checks: is there a key at all, the address, bans, the key, the route, the method, the body. So
whoever has no key learns nothing, not even which routes there are; and while no key is configured, all paths
here are as unknown as any other.
"""

import logging
from collections.abc import Iterable
from typing import Final

import msgspec

from packyproxy.asgi.call import Call
from packyproxy.asgi.dispatch import dispatch, log_bug
from packyproxy.asgi.management.access import Access
from packyproxy.asgi.management.families import management_operations
from packyproxy.asgi.management.operations import Operation, Text
from packyproxy.asgi.management.refusals import Refusal
from packyproxy.asgi.management.request import PREFIX, ManagementRequest
from packyproxy.asgi.paths import Scope
from packyproxy.asgi.routes import Route, RouteTable
from packyproxy.asgi.types import Receive, Send
from packyproxy.errors import ClientLeft
from packyproxy.runtime.runtime import Runtime

__all__ = ["KeyedOperations", "Management", "OperationTable"]

_NO_STORE: Final = (b"cache-control", b"no-store")

_log = logging.getLogger("packyproxy")


class OperationTable:
    """Finds the operation of a method and a path."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._by_path: dict[tuple[str, ...], dict[str, Operation]] = {}
        for operation in operations:
            methods = self._by_path.setdefault(tuple(operation.path.split("/")), {})
            assert operation.method not in methods, f"two operations for {operation.method} {operation.path}"
            methods[operation.method] = operation

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Return what serves a request, and the segments that its path names; HEAD is GET without a body.

        Raises:
            Refusal: there is no such route, or not with this method.
        """
        segments = path.split("/")
        for pattern, methods in self._by_path.items():
            parameters = _match(pattern, segments)
            if parameters is None:
                continue
            operation = methods.get("GET" if method == "HEAD" else method)
            if operation is not None:
                return operation, parameters
            allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
            raise Refusal(
                "method_not_allowed",
                f"this route takes {allowed}",
                headers=[(b"allow", allowed.encode())],
            )
        raise Refusal("not_found", "there is no such route: GET /v0/management/openapi.json lists them all")


class KeyedOperations:
    """Operations for which the management key is needed, as an ASGI component.

    Args:
        runtime: whose key it is.
        operations: what can be done.
        prefix: what comes before their paths.
        paths: all that is theirs to answer, as :class:`~packyproxy.asgi.routes.Route` takes it.
    """

    def __init__(
        self, runtime: Runtime, operations: Iterable[Operation], *, prefix: str, paths: Iterable[str]
    ) -> None:
        self._runtime = runtime
        self._access = Access(runtime)
        self._operations = OperationTable(operations)
        self._prefix = prefix
        self.routes = tuple(Route(path, (), self._serve, is_there=self._access.is_on) for path in paths)
        self._table = RouteTable(self.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; a websocket is refused."""
        await self._runtime.catch_up()
        await dispatch(self._table, scope, receive, send)

    async def _serve(self, call: Call) -> None:
        try:
            await self._runtime.management_key.protect()
            await self._access.check(call)
            operation, parameters = self._operations.find(call.method, call.path.removeprefix(self._prefix))
            revision = self._runtime.editor.revision
            request = ManagementRequest(call, parameters, operation.query, revision=revision)
            answer = await operation.endpoint(request)
            await _answer(call, answer, request.revision)
        except Refusal as refusal:
            await _refuse(call, refusal)
        except ClientLeft:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours: told in this API's own shape
            log_bug(error, call.request_id)
            if not call.is_started:
                text = f"internal error; the log has more under request id {call.request_id}"
                await _send(call, Refusal("internal_error", text))


class Management(KeyedOperations):
    """``/v0/management/*`` as an ASGI component; without a management key everything there is 404."""

    def __init__(self, runtime: Runtime) -> None:
        operations = management_operations(runtime)
        super().__init__(runtime, operations, prefix=PREFIX, paths=(PREFIX, f"{PREFIX}/*"))


async def _answer(call: Call, answer: object, revision: str) -> None:
    media_type = "application/json"
    if isinstance(answer, Text):
        body, media_type, revision = answer.body.encode(), answer.media_type, answer.revision or revision
    else:
        body = msgspec.json.encode(answer)
    headers = [_NO_STORE, (b"etag", f'"{revision}"'.encode())]
    await call.answer(200, body, headers, media_type=media_type.encode())


async def _refuse(call: Call, refusal: Refusal) -> None:
    _log.info(
        "request %s refused: %s %s",
        call.request_id,
        refusal.status,
        refusal.code,
        extra={
            "event": "refused",
            "request_id": call.request_id,
            "status": refusal.status,
            "code": refusal.code,
        },
    )
    await _send(call, refusal)


async def _send(call: Call, refusal: Refusal) -> None:
    body = msgspec.json.encode(refusal.body)
    await call.answer(refusal.status, body, [_NO_STORE, *refusal.headers])


def _match(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    """Return the segments that a pattern names; None when it is another path."""
    if len(pattern) != len(segments):
        return None
    parameters = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            parameters[expected[1:-1]] = segment
        elif expected != segment:
            return None
    return parameters
