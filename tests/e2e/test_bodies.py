"""Request bodies that cannot be served: each has its exact answer, and the server goes on."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from packyproxy.testing import FakeUpstream

pytestmark = pytest.mark.e2e

LIMIT = 32 * 1024 * 1024
TOO_LARGE = "the request body is larger than 33554432 bytes: raise max-body-bytes in config.yaml or send less"
MESSAGES = [{"role": "user", "content": "hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 9, "messages": MESSAGES, **fields}).encode()


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65536):
        yield b" " * 65536


@pytest.mark.parametrize(
    ("content", "headers", "status", "kind", "message"),
    [
        pytest.param(b"{", {}, 400, "invalid_request_error", "invalid JSON", id="cut-json"),
        pytest.param(b"", {}, 400, "invalid_request_error", "invalid JSON", id="empty"),
        pytest.param(
            b"[]", {}, 400, "invalid_request_error", "request body must be a JSON object", id="array"
        ),
        pytest.param(
            b'{"model":"\xff\xfe"}',
            {},
            400,
            "invalid_request_error",
            "request body is not valid UTF-8",
            id="bad-utf-8",
        ),
        pytest.param(
            b"[" * 100_000, {}, 400, "invalid_request_error", "request body must be a JSON object", id="deep"
        ),
        pytest.param(
            body(messages=5),
            {},
            400,
            "invalid_request_error",
            "messages: expected array, got integer",
            id="wrong-type",
        ),
        pytest.param(
            body(max_tokens="9"),
            {},
            400,
            "invalid_request_error",
            "max_tokens: expected integer, got string",
            id="text-number",
        ),
        pytest.param(
            body(messages=[{"role": "user", "content": [{"type": "text", "text": 5}]}]),
            {},
            400,
            "invalid_request_error",
            "messages.0.content.0.text: expected string, got number",
            id="nested-type",
        ),
        pytest.param(
            body(),
            {"content-encoding": "br"},
            415,
            "invalid_request_error",
            "content-encoding must be identity, gzip, deflate or zstd",
            id="unknown-encoding",
        ),
        pytest.param(
            b"no gzip at all",
            {"content-encoding": "gzip"},
            400,
            "invalid_request_error",
            "the request body does not decompress as its content-encoding says",
            id="corrupt-gzip",
        ),
        pytest.param(
            gzip.compress(b" " * (LIMIT + 1)),
            {"content-encoding": "gzip"},
            413,
            "request_too_large",
            TOO_LARGE,
            id="gzip-bomb",
        ),
        pytest.param(
            body(),
            {"content-type": "text/plain"},
            415,
            "invalid_request_error",
            "content-type must be application/json",
            id="content-type",
        ),
    ],
)
async def test_a_body_that_cannot_be_served(
    upstream: FakeUpstream,
    client: Any,
    content: bytes,
    headers: dict[str, str],
    status: int,
    kind: str,
    message: str,
) -> None:
    """The answer is an error of the client's protocol; the next request is served, the upstream saw only that one."""
    response = await client.http.post(
        "/v1/messages", content=content, headers={"content-type": "application/json", **headers}
    )
    error = {
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": response.headers["request-id"],
    }
    assert (status, error) == (response.status_code, response.json())
    assert (200, 1) == ((await client.ask()).status_code, len(upstream.requests))


@pytest.mark.parametrize("has_length", [True, False], ids=["content-length", "chunked"])
async def test_a_body_over_the_limit(upstream: FakeUpstream, client: Any, has_length: bool) -> None:
    """More than 32 MiB is a 413 with or without a stated length, and the server goes on."""
    headers = {"content-type": "application/json"} | (
        {"content-length": str(LIMIT + 65536)} if has_length else {}
    )
    response = await client.http.post("/v1/messages", content=in_chunks(LIMIT + 65536), headers=headers)
    assert (413, "request_too_large", TOO_LARGE) == (
        response.status_code,
        response.json()["error"]["type"],
        response.json()["error"]["message"],
    )
    assert (200, 1) == ((await client.ask()).status_code, len(upstream.requests))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("/v1/nothing", {}, 404, id="no-route"),
        pytest.param("/v1/messages", {"content-type": "text/plain"}, 415, id="content-type"),
        pytest.param("/v1/messages", {"content-encoding": "br"}, 415, id="encoding"),
    ],
)
async def test_a_refusal_arrives_although_the_body_is_still_on_its_way(
    client: Any, path: str, headers: dict[str, str], status: int
) -> None:
    """A client that goes on sending megabytes after the answer was decided reads that answer, not a reset."""
    response = await client.http.post(path, content=in_chunks(8 * 1024 * 1024), headers=headers)
    assert status == response.status_code


async def test_a_compressed_body_is_read(upstream: FakeUpstream, client: Any) -> None:
    """A gzip body within the limit is served like a plain one."""
    response = await client.http.post(
        "/v1/messages",
        content=gzip.compress(body()),
        headers={"content-type": "application/json", "content-encoding": "gzip"},
    )
    assert (200, "Hello.") == (response.status_code, response.json()["content"][0]["text"])
