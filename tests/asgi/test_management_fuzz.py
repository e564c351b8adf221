"""Whatever is sent to the management API, it answers as its document says, saves all or nothing, and shows no key."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from packyproxy.app import PackyProxy
from packyproxy.asgi.management.families import management_operations
from packyproxy.asgi.management.openapi import describe
from packyproxy.asgi.management.refusals import STATUSES, RefusalBody
from packyproxy.asgi.management.request import PREFIX
from packyproxy.config import Config
from packyproxy.runtime.runtime import Runtime
from packyproxy.testing import FakeUpstream, StreamingASGITransport

KEY = "a-management-key"
SECRETS = ("sk-canary-of-packycode", "sk-canary-of-provider-b", "canary-of-a-client", KEY)
CONFIG = f"""\
# Kept by whoever runs this.
api-keys: ["{SECRETS[2]}"]
packycode:
  enabled: true   # the main one
  base-url: "http://upstream.test/v1"
  credentials: {{openai-api-key: "{SECRETS[0]}"}}
tppc:
  providers:
    - {{name: "provider-b", enabled: false, base-url: "http://upstream.test/b/v1", api-key: "{SECRETS[1]}"}}
"""
KEY_HEADERS = {"authorization", "x-management-key"}
"""Five wrong ones would shut this machine out."""
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
ANY_TEXT = {"/config.yaml", "/config/validate"}
"""An empty file is a configuration, and what is wrong with one is what a dry run answers with 200."""

OPERATIONS = management_operations(Runtime(Config()))
DOCUMENT = msgspec.json.decode(describe(OPERATIONS, server=PREFIX))
WRITES = [(operation.method, operation.path) for operation in OPERATIONS if operation.method != "GET"]

schema = schemathesis.openapi.from_dict(DOCUMENT)
bounded = settings(
    max_examples=12,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)


class Api:
    """A proxy of its own for each request, over a file of its own."""

    def __init__(self, runner: asyncio.Runner, file: Path) -> None:
        self._runner = runner
        self._file = file

    def send(self, **request: Any) -> httpx.Response:
        """Send one request; what holds for any answer is asserted here."""
        self._file.write_text(CONFIG, "utf-8")
        proxy = PackyProxy(self._file, transport=StreamingASGITransport(FakeUpstream("Hello.")))
        response, shown = self._runner.run(self._exchange(proxy, request))
        saved = self._file.read_text("utf-8")
        assert response.status_code == 200 or saved == CONFIG, "what is refused changes nothing"
        for secret in SECRETS:
            assert secret not in response.text + shown.text + str(response.headers.raw)
        assert 200 == shown.status_code, "what was saved can be used"
        assert response.status_code < 500
        if response.status_code != 200 and request["method"] != "HEAD":
            body = msgspec.json.decode(response.content, type=RefusalBody)
            assert response.status_code == STATUSES[body.error]
        return response

    async def _exchange(
        self, proxy: PackyProxy, request: dict[str, Any]
    ) -> tuple[httpx.Response, httpx.Response]:
        client = httpx.AsyncClient(
            transport=StreamingASGITransport(proxy),
            base_url=f"http://127.0.0.1{PREFIX}",
            headers={"authorization": f"Bearer {KEY}"},
        )
        async with proxy, client:
            response = await client.request(**request)
            return response, await client.get("/config")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The management API, opened by a password in the environment, so that no request can shut it."""
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANAGEMENT_PASSWORD", KEY)
        yield Api(runner, tmp_path_factory.mktemp("fuzz") / "config.yaml")


@schema.parametrize()
@bounded
def test_answers_are_as_the_document_says(case: schemathesis.Case, api: Api) -> None:
    """To what the document allows, and to what it forbids, there is a documented answer and never a 500."""
    request = case.as_transport_kwargs(base_url=f"http://127.0.0.1{PREFIX}")
    del request["cookies"]
    headers = {name: value for name, value in request["headers"].items() if name.lower() not in KEY_HEADERS}
    request["headers"] = [(name, value.encode("latin-1")) for name, value in headers.items()]
    if "data" in request:
        request["content"] = request.pop("data")
    checks = CHECKS if case.path in ANY_TEXT else [*CHECKS, negative_data_rejection]
    case.validate_response(api.send(**request), checks=checks)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", "***", "provider-b", "packycode", "http://upstream.test/v1", "no", "*a", "\x00", "\ud800"]
    )
)
names = st.sampled_from(
    ["value", "providers", "name", "enabled", "tppc", "packycode", "api-key", "<<"]
) | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


media_types = st.sampled_from(
    ["application/json", "application/yaml", "application/x-www-form-urlencoded", "text/plain", "a;b", ""]
)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_any_body_is_taken_or_refused(method: str, path: str, api: Api) -> None:
    """Any JSON, and any bytes, at any route that writes are saved whole or refused with reasons."""

    @bounded
    @given(values.map(lambda value: json.dumps(value).encode()) | st.binary(), media_types)
    def send(content: bytes, media_type: str) -> None:
        api.send(method=method, url=in_use(path), content=content, headers={"content-type": media_type})

    send()


@pytest.mark.parametrize(
    "path", sorted({path for method, path in WRITES if method == "PUT"} - {"/config.yaml"})
)
def test_an_answer_with_one_change_is_taken_or_refused(path: str, api: Api) -> None:
    """What was read, sent back with anything in any place of it, is saved whole or refused with reasons."""
    answer = api.send(method="GET", url=path).json()
    places = list(places_of(answer))

    @bounded
    @given(st.sampled_from(places), values)
    def send(place: tuple[str | int, ...], value: object) -> None:
        content = json.dumps(with_change(answer, place, value)).encode()
        api.send(method="PUT", url=path, content=content)

    send()


METHODS = st.sampled_from(["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "PROPFIND"])
any_segment = st.binary(max_size=6).filter(
    lambda segment: segment not in {b".", b".."}
)  # those lead elsewhere
segments = st.lists(any_segment | st.sampled_from([b"providers", b"config", b"{name}", b""]), max_size=4)
queries = st.binary(max_size=12) | st.sampled_from(
    [b"window=%ff", b"limit=-1", b"detail=2", b"probe=1&probe=0", b"&=&"]
)


@settings(bounded, max_examples=60)
@given(METHODS, segments, queries, st.sampled_from(["", "*", '"', "W/", "\xff"]))
def test_any_path_is_answered(
    api: Api, method: str, segments: list[bytes], query: bytes, revision: str
) -> None:
    """Any method on any path, with any query and any If-Match, is served or refused in this API's shape."""
    path = "/".join(map(quote_from_bytes, segments))
    headers = {"if-match": revision.encode("latin-1")}
    api.send(method=method, url=f"/{path}?{quote_from_bytes(query, safe='=&')}", headers=headers)


def in_use(path: str) -> str:
    return path.format(name="provider-b")


def places_of(value: object) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to each value in a JSON value, and to the whole."""
    yield ()
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from ((key, *place) for place in places_of(part))


def with_change(value: Any, place: tuple[str | int, ...], change: object) -> object:
    """Return a copy of a JSON value with something else in one place."""
    if not place:
        return change
    copy = value.copy()
    copy[place[0]] = with_change(value[place[0]], place[1:], change)
    return copy
