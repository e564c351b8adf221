"""What every route of the management API has in common once the key is shown."""

import gzip
import json
from collections.abc import Callable, MutableMapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from packyproxy.app import PackyProxy
from packyproxy.asgi.management.component import KeyedOperations, Management, OperationTable
from packyproxy.asgi.management.operations import Operation, Text
from packyproxy.asgi.management.refusals import STATUSES, Refusal
from packyproxy.asgi.management.request import MAX_BODY_BYTES, ManagementRequest, Query
from packyproxy.config import Secret
from packyproxy.errors import Problem
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import StreamingASGITransport

KEY = "management-key-0123"
SETTINGS: dict[str, Any] = {"remote-management": {"secret-key": KEY}}


def client_of(app: Any, *, root_path: str = "") -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=StreamingASGITransport(app, root_path=root_path),
        base_url="http://proxy.test",
        headers={"x-management-key": KEY},
    )


async def ask(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    async with client_of(app) as client:
        return await client.request(method, path, **more)


async def echo(request: ManagementRequest) -> dict[str, Any]:
    return {"got": await request.json(), "query": dict(request.query), **request.parameters}


async def plain(_: ManagementRequest) -> Text:
    return Text("a: 1\n")


async def older(_: ManagementRequest) -> Text:
    return Text("a: 1\n", revision="of-the-text")


async def fail(_: ManagementRequest) -> object:
    raise ZeroDivisionError("sk-secret-in-an-exception")


async def leak(_: ManagementRequest) -> object:
    return {"key": Secret("sk-secret-in-an-answer")}


async def refuse(_: ManagementRequest) -> object:
    problem = Problem(field="a.b", code="missing", message="is missing", fix="add it", line=3)
    raise Refusal("invalid_value", "not saved", problems=[problem])


def operation(method: Any, path: str, endpoint: Any, **more: Any) -> Operation:
    return Operation(method=method, path=path, summary="-", endpoint=endpoint, answer=dict, **more)


@pytest.fixture
def runtime() -> Runtime:
    """Return a runtime with a management key."""
    return PackyProxy(SETTINGS).runtime


@pytest.fixture
def app(runtime: Runtime) -> KeyedOperations:
    """Return a component with an operation of every kind."""
    operations = (
        operation("PUT", "/echo", echo, body=dict, query=(Query(name="x", description="-", schema={}),)),
        operation("POST", "/echo/{name}/test", echo, body=dict),
        operation("GET", "/plain", plain),
        operation("PATCH", "/plain", plain),
        operation("GET", "/older", older),
        operation("GET", "/fail", fail),
        operation("GET", "/leak", leak),
        operation("GET", "/refuse", refuse),
    )
    return KeyedOperations(runtime, operations, prefix="/m", paths=("/m", "/m/*"))


def told(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


async def test_a_struct_is_answered_as_json(app: KeyedOperations, runtime: Runtime) -> None:
    """Nobody may keep an answer, and it says which revision and which request it belongs to."""
    response = await ask(app, "PUT", "/m/echo", json={"a": 1})
    assert (200, {"got": {"a": 1}, "query": {}}) == (response.status_code, response.json())
    assert ("application/json", "no-store") == (
        response.headers["content-type"],
        response.headers["cache-control"],
    )
    assert response.headers["x-request-id"].startswith("req_")
    assert f'"{runtime.editor.revision}"' == response.headers["etag"]


@pytest.mark.parametrize(("path", "is_own"), [("/m/plain", False), ("/m/older", True)])
async def test_a_text_is_answered_as_it_is(
    app: KeyedOperations, runtime: Runtime, path: str, *, is_own: bool
) -> None:
    """It may have a revision of its own: that of the file, which need not be in force."""
    response = await ask(app, "GET", path)
    assert ("application/yaml", "a: 1\n") == (response.headers["content-type"], response.text)
    assert f'"{"of-the-text" if is_own else runtime.editor.revision}"' == response.headers["etag"]


@pytest.mark.parametrize(
    "path", ["/m", "/m/", "/m/nothing", "/m/echo/", "/m/echo/a", "/m/echo//b", "/m/echo/a/b/c"]
)
async def test_what_is_not_there_is_not_found(app: KeyedOperations, path: str) -> None:
    """Whoever has the key is told so in this API's own shape; one slash at the end means nothing."""
    method = "PUT" if path == "/m/echo/" else "GET"
    response = await ask(app, method, path, content=b"{}")
    assert ((200, None) if path == "/m/echo/" else (404, "not_found")) == (
        response.status_code,
        response.json().get("error"),
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/m/echo", "PUT"),
        ("HEAD", "/m/echo", "PUT"),
        ("POST", "/m/plain", "GET, HEAD, PATCH"),
        ("OPTIONS", "/m/plain", "GET, HEAD, PATCH"),
        ("DELETE", "/m/fail", "GET, HEAD"),
        ("BREW", "/m/echo/pot/test", "POST"),
    ],
)
async def test_the_wrong_method_is_told_the_right_ones(
    app: KeyedOperations, method: str, path: str, allowed: str
) -> None:
    """They are in the ``allow`` header."""
    response = await ask(app, method, path)
    assert (405, allowed) == (response.status_code, response.headers["allow"])


async def test_head_is_get_without_the_body(app: KeyedOperations) -> None:
    """All headers are the same, the length of the body too."""
    head, get = [await ask(app, method, "/m/plain") for method in ("HEAD", "GET")]
    for response in (head, get):
        del response.headers["x-request-id"]
    assert (200, b"", get.headers) == (head.status_code, head.content, head.headers)


async def test_a_segment_may_be_named(app: KeyedOperations) -> None:
    """The operation gets it decoded."""
    response = await ask(app, "POST", "/m/echo/a%20b/test", json={})
    assert "a b" == response.json()["name"]


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("", 200, {"got": {}, "query": {}}),
        ("?x=1", 200, {"got": {}, "query": {"x": "1"}}),
        ("?x=", 200, {"got": {}, "query": {"x": ""}}),
        ("?x=1&x=2", 200, {"got": {}, "query": {"x": "2"}}),
        ("?x=%FF%zz", 200, {"got": {}, "query": {"x": "\ufffd%zz"}}),
        ("?secret-of-mine=1", 400, None),
        ("?x=1&y=2&z=3", 400, None),
    ],
    ids=["none", "one", "empty", "twice", "no-utf8", "unknown", "two-unknown"],
)
async def test_a_query_has_known_parameters(
    app: KeyedOperations, query: str, status: int, body: dict[str, Any] | None
) -> None:
    """One that is misspelt is no filter that silently does nothing; its name is not repeated."""
    response = await ask(app, "PUT", f"/m/echo{query}", json={})
    assert status == response.status_code
    if body is None:
        assert "invalid_query" == response.json()["error"]
        assert "secret-of-mine" not in response.text
    else:
        assert body == response.json()


@pytest.mark.parametrize("query", ["?x=1", "?"])
async def test_a_route_may_take_no_parameters(app: KeyedOperations, query: str) -> None:
    """Then it says so."""
    response = await ask(app, "GET", f"/m/plain{query}")
    assert (400 if query == "?x=1" else 200) == response.status_code


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": 1} x', b"[" * 100_000, b'"\\ud800', b"nan"],
    ids=["empty", "cut-off", "no-utf8", "more", "deep", "surrogate", "nan"],
)
async def test_a_body_that_is_no_json_is_refused(app: KeyedOperations, body: bytes) -> None:
    """Whatever it is, it is 400."""
    assert (400, "invalid_json") == told(await ask(app, "PUT", "/m/echo", content=body))


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "\\u0061": 2}}]'], ids=["alike", "deep-and-escaped"]
)
async def test_a_key_that_is_given_twice_is_refused(app: KeyedOperations, body: bytes) -> None:
    """Readers differ in which one counts, as they do in YAML."""
    assert (400, "invalid_json") == told(await ask(app, "PUT", "/m/echo", content=body))


async def test_a_byte_order_mark_is_no_content(app: KeyedOperations) -> None:
    """Some editors begin every file with one."""
    response = await ask(app, "PUT", "/m/echo", content=b'\xef\xbb\xbf{"a": 1}')
    assert {"a": 1} == response.json()["got"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("*", None),
        ('"{}"', "{}"),
        ("{}", "{}"),
        ('W/"{}"', "{}"),
        ('"other", "{}"', "{}"),
        ('"{}","other"', "{}"),
        ('"other", "another"', "other"),
        ("", ""),
        ('""', ""),
    ],
    ids=["absent", "any", "tag", "bare", "weak", "last", "first", "none-of-two", "empty", "empty-tag"],
)
async def test_a_write_may_insist_on_a_revision(
    runtime: Runtime, header: str | None, expected: str | None
) -> None:
    """On one of those that ``If-Match`` lists; one that is not in force fits nothing."""
    revision = runtime.editor.revision
    found: list[str | None] = []

    async def note(request: ManagementRequest) -> dict[str, Any]:
        found.append(request.if_match)
        return {}

    app = KeyedOperations(runtime, [operation("PUT", "/note", note)], prefix="/m", paths=("/m/*",))
    headers = {} if header is None else {"if-match": header.format(revision)}
    await ask(app, "PUT", "/m/note", headers=headers)
    assert [expected and expected.format(revision)] == found


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""]
)
async def test_json_need_not_be_called_so(app: KeyedOperations, media_type: str) -> None:
    """``curl -d`` says that it is a form."""
    response = await ask(app, "PUT", "/m/echo", content=b"{}", headers={"content-type": media_type})
    assert 200 == response.status_code


@pytest.mark.parametrize(
    ("headers", "content", "expected"),
    [
        ({"content-encoding": "gzip"}, gzip.compress(b'{"a":1}'), None),
        ({"content-encoding": "gzip"}, gzip.compress(bytes(MAX_BODY_BYTES + 1)), (413, "too_large")),
        ({}, bytes(MAX_BODY_BYTES + 1), (413, "too_large")),
        ({"content-encoding": "gzip"}, b"no gzip", (400, "invalid_json")),
        ({"content-encoding": "rot13"}, b"{}", (415, "unsupported_media_type")),
    ],
    ids=["compressed", "bomb", "large", "corrupt", "unknown"],
)
async def test_a_body_is_read_within_limits(
    app: KeyedOperations, headers: dict[str, str], content: bytes, expected: tuple[int, str] | None
) -> None:
    """It may be compressed in the ways that the gateway knows too, and may hold 1 MiB."""
    response = await ask(app, "PUT", "/m/echo", content=content, headers=headers)
    assert (expected or 200) == (told(response) if expected else response.status_code)


async def test_a_refusal_has_its_shape(app: KeyedOperations) -> None:
    """A code, a text, and with 422 every problem by its place."""
    response = await ask(app, "GET", "/m/refuse")
    problem = {"field": "a.b", "code": "missing", "message": "is missing", "fix": "add it"}
    assert 422 == response.status_code
    assert {"error": "invalid_value", "message": "not saved", "problems": [problem]} == response.json()


async def test_a_refusal_is_logged(app: KeyedOperations, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the code and the request's id."""
    with caplog.at_level("INFO", logger="packyproxy"):
        response = await ask(app, "GET", "/m/refuse")
    facts = [vars(record) for record in caplog.records if vars(record).get("event") == "refused"]
    assert [(response.headers["x-request-id"], 422, "invalid_value")] == [
        (fact["request_id"], fact["status"], fact["code"]) for fact in facts
    ]


@pytest.mark.parametrize("path", ["/m/fail", "/m/leak"], ids=["exception", "secret-in-answer"])
async def test_a_bug_is_told_without_its_words(
    app: KeyedOperations, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception's text goes nowhere, and no answer can hold a secret: encoding one fails."""
    response = await ask(app, "GET", path)
    assert (500, "internal_error") == told(response)
    assert response.headers["x-request-id"] in response.json()["message"]
    assert "sk-secret" not in response.text + caplog.text + str([vars(record) for record in caplog.records])


def test_a_refusal_names_a_thousand_problems_at_most() -> None:
    """What a body of a mebibyte may have wrong is more than anybody reads."""
    problem = Problem(field="a", code="missing", message="is missing", fix="add it")
    problems = Refusal("invalid_value", "nothing was saved", problems=[problem] * 1001).body.problems
    assert isinstance(problems, tuple)
    assert 1000 == len(problems)


def test_every_code_has_a_status_of_an_error() -> None:
    """No refusal looks like a success."""
    assert [code for code, status in STATUSES.items() if not 400 <= status <= 500] == []


def test_two_operations_do_not_share_a_route() -> None:
    """That is a bug of ours, and is seen when the component is made."""
    with pytest.raises(AssertionError, match="GET /plain"):
        OperationTable([operation("GET", "/plain", plain), operation("GET", "/plain", older)])


@pytest.mark.parametrize("mount", ["", "/llm"])
async def test_it_can_be_mounted_alone(runtime: Runtime, mount: str) -> None:
    """Starlette's ``Mount`` keeps the whole path and names the mount."""
    host = Starlette(routes=[Mount(mount or "/", Management(runtime))])
    statuses = [
        (await ask(host, "GET", f"{mount}/v0/management/{name}")).status_code
        for name in ("status", "nothing")
    ]
    assert [200, 404] == statuses


async def shake_hands(app: Any, path: str) -> list[MutableMapping[str, Any]]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "websocket", "path": path, "headers": [], "query_string": b""}
    await app({**scope, "extensions": {"websocket.http.response": {}}}, receive, send)
    return sent


@pytest.mark.parametrize(("settings", "status"), [(SETTINGS, 426), ({}, 404)], ids=["on", "off"])
@pytest.mark.parametrize("make", [PackyProxy, lambda settings: Management(PackyProxy(settings).runtime)])
async def test_websockets_are_refused(
    make: Callable[..., Any], settings: dict[str, Any], status: int
) -> None:
    """As everywhere else: as unknown while the API is off."""
    start, body = await shake_hands(make(settings), "/v0/management/status")
    assert status == start["status"]
    assert "error" in json.loads(body["body"])


async def test_a_lifespan_is_somebody_elses(runtime: Runtime) -> None:
    """A component that is served alone says nothing, and the server goes on without."""

    async def unexpected(*_: object) -> Any:
        raise AssertionError

    await Management(runtime)({"type": "lifespan"}, unexpected, unexpected)


async def test_slow_operations_do_not_outlive_their_client(app: KeyedOperations) -> None:
    """A client that leaves while it sends its body ends the request, for layers around us as a 499."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "PUT",
        "path": "/m/echo",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [(b"x-management-key", KEY.encode()), (b"content-length", b"5")],
    }
    await app(scope, receive, send)
    assert (499, b"") == (sent[0]["status"], sent[1]["body"])


async def test_a_server_that_fails_amid_an_answer_gets_no_second_one(
    app: KeyedOperations, caplog: pytest.LogCaptureFixture
) -> None:
    """What is begun cannot be taken back; the log has it."""
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise ValueError("this server cannot")

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/m/plain",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [(b"x-management-key", KEY.encode())],
    }
    await app(scope, receive, send)
    assert ["http.response.start", "http.response.body"] == sent
    assert ["internal_error"] == [vars(record).get("event") for record in caplog.records]
