"""Read the path of a scope, whatever mounted us.

Hosts differ: Starlette and FastAPI keep the full ``path`` and set ``root_path``; Litestar cuts ``path``, sets
no ``root_path`` and appends a slash. So ``root_path`` is cut when it is a prefix in whole segments, then one
trailing slash.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["Scope", "is_anthropic_path", "route_path"]

Scope = Mapping[str, Any]
"""An ASGI connection scope."""


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
