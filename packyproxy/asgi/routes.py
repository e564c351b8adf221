"""Find the route of a scope, exactly, under every kind of mount.

Hosts differ: Starlette and FastAPI keep the full ``path`` and set ``root_path``; Litestar cuts ``path``, sets no
``root_path`` and appends a slash. So ``root_path`` is cut when it is a prefix in whole segments, then one trailing
slash; matching is exact and nothing ever redirects. Gateway routes are known with and without ``/v1``
(wire-mapping 0.1).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from packyproxy.errors import InvalidRequest

if TYPE_CHECKING:
    from packyproxy.asgi.call import Call

__all__ = ["Endpoint", "MethodNotAllowed", "Route", "RouteTable", "Scope", "is_anthropic_path", "route_path"]

Scope = Mapping[str, Any]
"""An ASGI connection scope."""

Endpoint = Callable[["Call"], Awaitable[None]]
"""Answers one request; may raise what ``asgi.dispatch`` turns into an error body."""


class MethodNotAllowed(InvalidRequest):
    """A known path was asked for with a method it does not take; ``allowed`` is what the ``allow`` header says."""

    def __init__(self, methods: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(methods))
        super().__init__(f"this route takes {self.allowed}", status=405, code="method_not_allowed")


class Route:
    """One path and the methods it takes.

    A path that ends in ``/*`` matches everything below it, and the rest is found in ``Call.path``.
    """

    __slots__ = ("endpoint", "methods", "path")

    def __init__(self, path: str, methods: Iterable[str], endpoint: Endpoint) -> None:
        self.path = path
        self.methods = frozenset(methods)
        self.endpoint = endpoint


class RouteTable:
    """The routes of one or several components."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Route] = {}
        self._below: list[tuple[str, Route]] = []
        for route in routes:
            paths = [route.path]
            if route.path.startswith("/v1/"):
                paths.append(route.path.removeprefix("/v1"))
            for path in paths:
                if path.endswith("/*"):
                    self._below.append((path[:-1], route))
                else:
                    self._exact[path] = route

    def find(self, path: str, method: str) -> Route:
        """Return the route that serves a path.

        Raises:
            InvalidRequest: 404 for an unknown path.
            MethodNotAllowed: the path is known, the method is not.
        """
        route = self._exact.get(path)
        if route is None:
            route = next(
                (below for prefix, below in self._below if path.startswith(prefix) and path != prefix), None
            )
        if route is None:
            raise InvalidRequest("there is no such route here", status=404, code="not_found")
        if method not in route.methods:
            raise MethodNotAllowed(route.methods)
        return route


def route_path(scope: Scope) -> str:
    """Return the path below the mount, without a trailing slash (``/`` stays)."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        path = path[len(root) :]
    if path.endswith("/") and path != "/":
        path = path[:-1]
    return path or "/"


def is_anthropic_path(path: str) -> bool:
    """Tell whether only clients of the Anthropic family ask for this path."""
    path = path.removeprefix("/v1")
    return path == "/messages" or path.startswith(("/messages/", "/files"))
