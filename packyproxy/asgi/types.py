"""The shapes of ASGI as hosts know them.

Starlette, Litestar, Quart and asgiref have types of their own, and none accepts another's: what one calls a
mapping is a typed dictionary elsewhere. Public signatures are written with these, which accept all of them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["ASGIApp", "Receive", "Scope", "Send"]

Scope: TypeAlias = Any
"""A connection scope."""

Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Any ASGI 3 application."""
