"""What one route of the management API does with one method; routes and OpenAPI document are made of these.

A family of operations is a function that takes the runtime and returns its operations. An endpoint gets a
:class:`~.request.ManagementRequest` and returns what its operation's ``answer`` says: a struct, which is sent
as JSON, or a :class:`Text`. What it refuses it raises as a :class:`~.refusals.Refusal`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

from packyproxy.asgi.management.refusals import Code
from packyproxy.asgi.management.request import JSON, ManagementRequest, Query

__all__ = ["Endpoint", "Method", "Operation", "Text"]

Method = Literal["GET", "PUT", "PATCH", "POST"]
Endpoint = Callable[[ManagementRequest], Awaitable[object]]


class Text(Struct, frozen=True):
    """An answer that is no JSON."""

    body: str
    media_type: str = "application/yaml"
    revision: str | None = None
    """Of the configuration that the text is; None: of the one in force."""


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one route."""

    method: Method
    path: str
    """Below ``/v0/management``; ``{name}`` stands for one segment."""
    summary: str
    """One sentence, for the documentation."""
    endpoint: Endpoint
    answer: Any
    """The type of a success (200): a struct, or :class:`Text`."""
    body: Any = None
    """The type of the body that it takes; None for none."""
    media_types: tuple[str, ...] = (JSON,)
    """What the body may be."""
    query: tuple[Query, ...] = ()
    refusals: tuple[Code, ...] = ()
    """What it may refuse with, besides what any operation may."""
