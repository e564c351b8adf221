"""Routes are found exactly, under every kind of mount."""

import pytest

from packyproxy.asgi.call import Call
from packyproxy.asgi.paths import is_anthropic_path, route_path
from packyproxy.asgi.routes import Route, RouteTable
from packyproxy.errors import InvalidRequest


async def _nothing(_call: Call) -> None:
    """Answer nothing."""


MESSAGES = Route("/v1/messages", ("POST",), _nothing)
MODEL = Route("/v1/models/*", ("GET",), _nothing)
ROOT = Route("/", ("GET", "HEAD"), _nothing)
TABLE = RouteTable([MESSAGES, MODEL, ROOT])


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/v1/messages", "", "/v1/messages"),
        ("/v1/messages/", "", "/v1/messages"),
        ("/llm/v1/messages", "/llm", "/v1/messages"),
        ("/llm/v1/messages", "/llm/", "/v1/messages"),
        ("/v1/messages/", "/llm", "/v1/messages"),
        ("/llmx/v1/messages", "/llm", "/llmx/v1/messages"),
        ("/llm", "/llm", "/"),
        ("/llm/", "/llm", "/"),
        ("/", "", "/"),
    ],
    ids=[
        "bare",
        "slash",
        "starlette",
        "root-slash",
        "litestar",
        "half-segment",
        "root",
        "root-with-slash",
        "slash-only",
    ],
)
def test_the_mount_is_cut_in_whole_segments(path: str, root_path: str, expected: str) -> None:
    """``root_path`` goes when it is a prefix in whole segments, and one trailing slash with it."""
    assert expected == route_path({"path": path, "root_path": root_path})


@pytest.mark.parametrize(
    ("path", "method", "route"),
    [
        ("/v1/messages", "POST", MESSAGES),
        ("/messages", "POST", MESSAGES),
        ("/v1/models/gpt-5", "GET", MODEL),
        ("/models/packycode/gpt-5", "GET", MODEL),
        ("/", "HEAD", ROOT),
    ],
)
def test_routes_are_found_with_and_without_the_version(path: str, method: str, route: Route) -> None:
    """Gateway routes are aliases of themselves without ``/v1``."""
    assert route is TABLE.find(path, method)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/message", "POST", 404),
        ("/v1/messages/x", "POST", 404),
        ("/v1/models/", "GET", 404),
        ("/v2/messages", "POST", 404),
        ("/v1/messages", "GET", 405),
        ("/", "POST", 405),
    ],
)
def test_what_is_not_there_is_refused(path: str, method: str, status: int) -> None:
    """Unknown paths are 404, known ones with another method 405; nothing redirects."""
    with pytest.raises(InvalidRequest) as refusal:
        TABLE.find(path, method)
    assert status == refusal.value.status


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/messages", True),
        ("/messages/count_tokens", True),
        ("/v1/files", True),
        ("/v1/chat/completions", False),
        ("/v1/messagesx", False),
        ("/", False),
    ],
)
def test_paths_that_only_anthropic_clients_ask_for(path: str, expected: bool) -> None:
    """The family of an unknown route is guessed from its path first."""
    assert expected is is_anthropic_path(path)
