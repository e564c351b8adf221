"""Find the endpoint of a path, exactly; nothing redirects, and each component can bring its own routes.

Gateway routes are known with and without ``/v1`` (wire-mapping 0.1).
"""

from collections.abc import Awaitable, Callable, Iterable

from packyproxy.asgi.call import Call
from packyproxy.errors import InvalidRequest
from packyproxy.translate.contract import Family

__all__ = ["Endpoint", "MethodNotAllowed", "Route", "RouteTable"]

Endpoint = Callable[[Call], Awaitable[None]]
"""Answers one request; may raise what ``asgi.dispatch`` turns into an error body."""


class MethodNotAllowed(InvalidRequest):
    """A known path was asked for with a method it does not take; ``allowed`` is the ``allow`` header."""

    def __init__(self, methods: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(methods))
        super().__init__(f"this route takes {self.allowed}", status=405, code="method_not_allowed")


class Route:
    """One path and what answers there.

    A path that ends in ``/*`` matches everything below it, and the rest is found in ``Call.path``.

    Args:
        path: with ``/v1`` where it has an alias without.
        methods: that it takes; none stand for all.
        endpoint: what answers.
        family: whose shapes every answer has; None: those of whoever asks.
        is_there: asked at each request; while it says no, the path is as unknown as any other.
    """

    __slots__ = ("endpoint", "family", "is_there", "methods", "path")

    def __init__(
        self,
        path: str,
        methods: Iterable[str],
        endpoint: Endpoint,
        *,
        family: Family | None = None,
        is_there: Callable[[], bool] | None = None,
    ) -> None:
        self.path = path
        self.methods = frozenset(methods)
        self.endpoint = endpoint
        self.family: Family | None = family
        self.is_there = is_there

    def takes(self, method: str) -> bool:
        """Tell whether a request with this method is answered here."""
        return not self.methods or method in self.methods


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

    def find(self, path: str) -> Route:
        """Return the route that serves a path, whatever the method.

        Raises:
            InvalidRequest: 404 for an unknown path.
        """
        route = self._look_up(path)
        if route is None:
            message = "there is no such route here"
            if path.startswith("/v1/v1/"):
                message += ": a base URL for Anthropic's clients has no /v1 at its end"
            raise InvalidRequest(message, status=404, code="not_found")
        return route

    def knows(self, path: str) -> bool:
        """Tell whether a path is served, by whatever method."""
        return self._look_up(path) is not None

    def _look_up(self, path: str) -> Route | None:
        route = self._exact.get(path)
        if route is None:
            route = next(
                (below for prefix, below in self._below if path.startswith(prefix) and path != prefix), None
            )
        return None if route is None or (route.is_there is not None and not route.is_there()) else route
