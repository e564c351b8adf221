"""Read the path of a scope, whatever mounted us.

Hosts differ: Starlette and FastAPI keep the full ``path`` and set ``root_path``; Litestar cuts ``path``, sets
no ``root_path`` and appends a slash. So do servers: hypercorn and granian leave a ``root_path`` of their own
out of ``path``, and what a mount adds to it then stands in front. So the longest end of ``root_path`` that
``path`` begins with, in whole segments, is cut, then one trailing slash.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["Scope", "is_anthropic_path", "is_below", "route_path", "scope_below"]

Scope = Mapping[str, Any]
"""An ASGI connection scope."""


def route_path(scope: Scope) -> str:
    """Return the path below the mount, without a trailing slash (``/`` stays)."""
    path = _path_in_application(scope, _root(scope))
    if path.endswith("/") and path != "/":
        path = path[:-1]
    return path or "/"


def is_below(path: str, prefix: str) -> bool:
    """Tell whether a path is ``prefix`` or goes on from there, in whole segments."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")


def scope_below(scope: Scope, prefix: str) -> dict[str, Any] | None:
    """Return the scope of an application that is mounted at ``prefix``; None for a path that is not its own.

    As in Starlette's mounts, ``root_path`` grows. ``path`` begins with it then, also under a server that
    announces a ``root_path`` which it leaves out of its paths (hypercorn).
    """
    root = _root(scope)
    path = _path_in_application(scope, root)
    if not is_below(path, prefix):
        return None
    return {**scope, "root_path": root + prefix, "path": root + path}


def is_anthropic_path(path: str) -> bool:
    """Tell whether only clients of the Anthropic family ask for this path."""
    path = path.removeprefix("/v1")
    return path == "/messages" or path.startswith(("/messages/", "/files"))


def _root(scope: Scope) -> str:
    root: str = scope.get("root_path", "")
    return root.rstrip("/")


def _path_in_application(scope: Scope, root: str) -> str:
    path: str = scope["path"]
    while root:
        if is_below(path, root):
            return path[len(root) :]
        _, slash, rest = root[1:].partition("/")
        root = slash + rest
    return path
