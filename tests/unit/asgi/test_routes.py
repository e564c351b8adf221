"""Routes are found exactly, under every kind of mount."""

import pytest

from packyproxy.asgi.call import Call
from packyproxy.asgi.paths import is_anthropic_path, route_path
from packyproxy.asgi.routes import MethodNotAllowed, Route, RouteTable
from packyproxy.errors import InvalidRequest


async def _nothing(_call: Call) -> None:
    """Answer nothing."""


MESSAGES = Route("/v1/messages", ("POST",), _nothing, family="anthropic")
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
        ("/llm/v1/messages", "/site/llm", "/v1/messages"),
        ("/llm/v1/messages", "/site/sub/llm", "/v1/messages"),
        ("/llm/v1/messages", "/llm/llm", "/v1/messages"),
        ("/llm", "/site/llm", "/"),
        ("/v1/messages", "/site/llm", "/v1/messages"),
        ("/v1/messages", "site", "/v1/messages"),
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
        "server-omits-its-root",
        "server-omits-a-longer-root",
        "server-omits-the-same-root",
        "server-omits-its-root-at-the-mount",
        "server-omits-it-litestar",
        "root-without-slash",
    ],
)
def test_the_mount_is_cut_in_whole_segments(path: str, root_path: str, expected: str) -> None:
    """The longest end of ``root_path`` that the path begins with in whole segments goes, and one trailing slash."""
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
    assert route is TABLE.find(path)
    assert route.takes(method)


@pytest.mark.parametrize("path", ["/v1/message", "/v1/messages/x", "/v1/models/", "/v2/messages", "/v1"])
def test_what_is_not_there_is_refused(path: str) -> None:
    """Unknown paths are 404; nothing redirects."""
    with pytest.raises(InvalidRequest) as refusal:
        TABLE.find(path)
    assert 404 == refusal.value.status


def test_a_version_too_many_is_explained() -> None:
    """The base URL of OpenAI's clients ends with ``/v1``, that of Anthropic's does not."""
    with pytest.raises(InvalidRequest) as refusal:
        TABLE.find("/v1/v1/messages")
    assert "there is no such route here: a base URL for Anthropic's clients has no /v1 at its end" == (
        refusal.value.reason
    )


@pytest.mark.parametrize(("path", "method"), [("/v1/messages", "GET"), ("/", "POST"), ("/models/m", "HEAD")])
def test_a_route_takes_its_methods_only(path: str, method: str) -> None:
    """A known path with another method is found, and says no."""
    assert not TABLE.find(path).takes(method)


def test_a_route_without_methods_takes_all() -> None:
    """What is told there is the same for each."""
    anything = Route("/v1/anything/*", (), _nothing)
    assert [True] * 4 == [anything.takes(method) for method in ("GET", "DELETE", "POST", "BREW")]


def test_exact_paths_go_before_what_lies_below_another() -> None:
    """``/v1/responses/compact`` is a route although all below ``/v1/responses/`` is one."""
    below, exact = Route("/v1/a/*", (), _nothing), Route("/v1/a/b", ("POST",), _nothing)
    table = RouteTable([below, exact])
    assert [exact, exact, below, below] == [
        table.find(path) for path in ("/v1/a/b", "/a/b", "/v1/a/c", "/a/b/c")
    ]


def test_the_wrong_method_is_told_the_right_ones() -> None:
    """They are the ``allow`` header, in alphabetic order."""
    refusal = MethodNotAllowed(("POST", "GET"))
    assert (405, "GET, POST", "this route takes GET, POST") == (
        refusal.status,
        refusal.allowed,
        refusal.message,
    )


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


@pytest.mark.parametrize("path", ["/v1/maybe", "/maybe", "/v1/some/times"])
def test_a_route_may_come_and_go(path: str) -> None:
    """It is asked at each request; while it is not there its path is as unknown as any other."""
    is_there = False
    routes = [Route(each, (), _nothing, is_there=lambda: is_there) for each in ("/v1/maybe", "/v1/some/*")]
    table = RouteTable(routes)
    refusals = []
    for each in (path, "/v1/never"):
        with pytest.raises(InvalidRequest) as refusal:
            table.find(each)
        refusals.append((refusal.value.status, refusal.value.message))
    assert refusals[0] == refusals[1]
    is_there = True
    assert table.find(path) in routes
