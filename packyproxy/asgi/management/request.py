"""What an endpoint of the management API is given: the request of somebody who has shown the key."""

import asyncio
import json
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from packyproxy.asgi.call import Call
from packyproxy.asgi.management.refusals import Code, Refusal
from packyproxy.errors import InvalidRequest

__all__ = ["FLAG", "JSON", "MAX_BODY_BYTES", "PREFIX", "ManagementRequest", "Query"]

PREFIX: Final = "/v0/management"
"""What all paths begin with."""
MAX_BODY_BYTES: Final = 1024 * 1024
"""Of a request; a configuration file is limited to an eighth of that."""
JSON: Final = "application/json"

_FLAGS: Final = {"1": True, "true": True, "": True, "0": False, "false": False}
FLAG: Final[Mapping[str, Any]] = {"type": "string", "enum": tuple(_FLAGS)}
"""The schema of a parameter that :meth:`ManagementRequest.flag` reads."""


class Query(Struct, frozen=True, kw_only=True):
    """One parameter of a query string."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """A JSON schema of its value."""
    example: str | None = None


class ManagementRequest:
    """A request of somebody who has shown the management key."""

    def __init__(
        self, call: Call, parameters: Mapping[str, str], query: tuple[Query, ...], *, revision: str
    ) -> None:
        self._call = call
        self.revision = revision
        """Of the configuration that is answered from, or of an older one: a write that relies on an old one
        loses, and no change is lost. A write sets it anew."""
        self.parameters = parameters
        """The segments of the path that its ``{names}`` stand for, decoded."""
        self.query: Mapping[str, str] = _read_query(call, query)
        """Parameters that the operation knows; the last of several with one name counts."""

    @property
    def mount(self) -> str:
        """Where this API is found on its server, as far as its host says."""
        root: str = self._call.scope.get("root_path", "")
        return root.rstrip("/") + PREFIX

    @property
    def if_match(self) -> str | None:
        """The revision that the client has seen, if it insists on it; None for any.

        Of several the one in force, if it is among them. Proxies that compress answers make tags weak.
        """
        header = self._call.headers.get("if-match", "*").strip()
        if header == "*":
            return None
        tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
        return self.revision if self.revision in tags else tags[0]

    @property
    def media_type(self) -> str:
        """What the body says it is, in lower case and without parameters; JSON by default."""
        return self._call.headers.get("content-type", JSON).partition(";")[0].strip().lower()

    def flag(self, name: str) -> bool:
        """Return a parameter of the query that says yes (``1``, ``true``, or no value at all) or no.

        Raises:
            Refusal: it says something else.
        """
        text = self.query.get(name, "0")
        if text not in _FLAGS:
            raise Refusal("invalid_query", f"{name} takes 1 or 0")
        return _FLAGS[text]

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            Refusal: it is too large, or compressed in a way that cannot be read.
        """
        try:
            return await self._call.read_body(MAX_BODY_BYTES)
        except InvalidRequest as error:
            if error.status == 413:
                raise Refusal("too_large", f"the body is larger than {MAX_BODY_BYTES} bytes") from error
            code: Code = "unsupported_media_type" if error.status == 415 else "invalid_json"
            raise Refusal(code, error.reason) from error

    async def json(self) -> object:
        """Return the body as plain values.

        Raises:
            Refusal: as ``body`` does, it is no JSON, or an object has one key twice.
        """
        # In a thread: a mebibyte of empty objects takes longer than answers that stream should wait.
        return await asyncio.to_thread(_decoded, await self.body())


def _decoded(body: bytes) -> object:
    body = body.removeprefix(BOM_UTF8)
    try:
        value: object = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_unambiguous)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("invalid_json", "the body is not JSON") from error
    return value


def _unambiguous(pairs: list[tuple[str, object]]) -> None:
    """Refuse what readers of JSON read differently."""
    if len(dict(pairs)) < len(pairs):
        raise Refusal("invalid_json", "the body has a key twice in one object")


def _read_query(call: Call, known: tuple[Query, ...]) -> dict[str, str]:
    names = {parameter.name for parameter in known}
    text = call.scope.get("query_string", b"").decode("latin-1")
    sent = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
    if unknown := [name for name in sent if name not in names]:
        offer = f"known here: {', '.join(sorted(names))}" if names else "this route takes none"
        count = "a parameter is" if len(unknown) == 1 else f"{len(unknown)} parameters are"
        raise Refusal("invalid_query", f"{count} not known: {offer}")
    return sent
