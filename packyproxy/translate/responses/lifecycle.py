"""The events that hold the response object, which are all that is changed of a stream (wire-mapping 7.3).

The model becomes the client's own text for it, also among headers that an event tells of; the last event gets
what it leaves out. An ending that the upstream did not tell is written here too, in the form that the openai
SDK and the Codex CLI read: both want ``response.id`` to stay the same throughout.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from packyproxy.translate.responses.frames import frame
from packyproxy.translate.responses.output import DoneItems
from packyproxy.translate.responses.reading import Begun, Lifecycle, Told
from packyproxy.wire.json_text import is_null, is_text, quote
from packyproxy.wire.responses_output import read_fields

__all__ = ["ResponseWriter"]

_encode = msgspec.json.Encoder().encode

_EMPTY = Raw(b"[]")
_UNKNOWN_TIME = Raw(b"0")
_MODEL_HEADERS = frozenset({"openai-model", "x-openai-model"})
_FAILED = "response.failed"
_FAILURE_CODE = quote("server_error")
_REFUSAL_CODE = quote("invalid_prompt")
"""The one code of a response's error that is about the request, so that the Codex CLI does not repeat it."""
_REFUSAL_TYPE = quote("invalid_request_error")
_FAILURE_MESSAGE = quote("the upstream failed")


class ResponseWriter:
    """Write the lifecycle events of one stream.

    Args:
        model: the client's own text.
        answer_id: the response's id for as long as the upstream has told none.
        upstream_model: what the upstream was asked for.
    """

    def __init__(self, model: str, answer_id: str, *, upstream_model: str) -> None:
        self._model_text = model
        self._model = quote(model)
        self._upstream_model = upstream_model
        self._id = quote(answer_id)
        self._created_at = _UNKNOWN_TIME

    def begun(self, event: Lifecycle) -> bytes:
        """Write an event of a response that goes on, and remember which one it is."""
        if event.begun is not None and self._is_right(event.begun):
            return event.frame
        fields, response = _read(event.document)
        changes = self._renamed(fields)
        if response is not None:
            self._remember(response.get("id", UNSET), response.get("created_at", UNSET))
            renamed = self._renamed(response)
            if response.get("model") != self._model:
                renamed["model"] = self._model
            if renamed:
                changes["response"] = {**response, **renamed}
        return frame(event.name, _encode({**fields, **changes})) if changes else event.frame

    def _is_right(self, begun: Begun) -> bool:
        """Tell whether nothing is to be changed, and remember which response it is then."""
        response = begun.response
        if begun.headers is not UNSET:
            return False
        if isinstance(response, UnsetType):
            return True
        if response.headers is not UNSET or response.model != self._model:
            return False
        self._remember(response.id, response.created_at)
        return True

    def _remember(self, identity: Raw | UnsetType, created_at: Raw | UnsetType) -> None:
        if not isinstance(identity, UnsetType) and is_text(identity):
            self._id = identity.copy()  # the event it stands in may be large
        if not isinstance(created_at, UnsetType) and bytes(created_at)[:1].isdigit():
            self._created_at = created_at.copy()

    def _renamed(self, fields: dict[str, Raw]) -> dict[str, object]:
        """Return the ``headers`` in an object, if the model that was asked for is named in them.

        Relays that speak to their upstream by a websocket tell of its headers so.
        """
        if "headers" not in fields:
            return {}
        headers = read_fields(fields["headers"]) or {}
        upstream_model = bytes(quote(self._upstream_model)).lower()
        named = {
            name: self._model
            for name, value in headers.items()
            if name.lower() in _MODEL_HEADERS and bytes(value).lower() == upstream_model
        }
        return {"headers": {**headers, **named}} if named else {}

    def failing(self, event: Told) -> bytes:
        """Write an event by which the upstream says that it failed, as it came but for the model."""
        fields, told = _read(event.document)
        if told is None:
            return event.frame
        changes = self._renamed(told)
        if told.get("model", self._model) != self._model:
            changes["model"] = self._model
        return self._changed(_FAILED, event, fields, told, changes)

    def ended(self, kind: str, event: Told, items: DoneItems) -> bytes:
        """Write an event that ends the response well.

        Args:
            kind: the event's type, whatever the upstream called it.
            event: what the upstream sent.
            items: what the output is filled from, if that is shorter.
        """
        if self._is_whole(kind, event.event, items):
            return event.frame
        fields, told = _read(event.document)
        told = told or {}
        changes: dict[str, object] = {"model": self._model, **self._renamed(told)}
        if "id" not in told or not is_text(told["id"]):
            changes["id"] = self._id
        output = items.missing_from(told.get("output"))
        if output is not None:
            changes["output"] = Raw(_encode(output))
        elif bytes(told.get("output", b""))[:1] != b"[":
            changes["output"] = _EMPTY
        return self._changed(kind, event, fields, told, changes)

    def _is_whole(self, kind: str, ending: Any, items: DoneItems) -> bool:
        """Tell whether an ending that was decoded says all that ``ended`` would say, as nearly all do."""
        response = ending.response
        return (
            type(ending).__struct_config__.tag == kind
            and response.model == self._model_text
            and response.id is not None
            and is_null(response.headers)
            and len(response.output) >= max(1, items.count)
        )

    def _changed(
        self,
        kind: str,
        event: Told,
        fields: dict[str, Raw],
        told: dict[str, Raw],
        changes: dict[str, object],
    ) -> bytes:
        """Write an event with changes in its response; the upstream's own bytes where there are none."""
        name = quote(kind)
        if fields.get("type") == name and all(told.get(key) == value for key, value in changes.items()):
            return event.frame
        return frame(kind.encode(), _encode({**fields, "type": name, "response": {**told, **changes}}))

    def completed(self, items: DoneItems, *, input_tokens: int, sequence_number: int) -> bytes:
        """Write the ending of an answer that is whole although the upstream did not say so."""
        output_tokens = items.shown_tokens
        usage = {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens,
        }
        response = self._response("completed", output=items.output or [], usage=usage)
        return _own("response.completed", sequence_number, response)

    def failed(self, body: bytes, *, sequence_number: int) -> bytes:
        """Write a failure that no event of the upstream told.

        Args:
            body: the error as it would stand in an answer of its own; its code is what the Codex CLI goes by.
            sequence_number: the next one.
        """
        told = read_fields((read_fields(body) or {}).get("error", b"")) or {}
        code = _REFUSAL_CODE if told.get("type") == _REFUSAL_TYPE else _FAILURE_CODE
        error = {"code": code, "message": _FAILURE_MESSAGE}
        error |= {name: value for name, value in told.items() if not is_null(value)}
        return _own(_FAILED, sequence_number, self._response("failed", error=error))

    def _response(self, status: str, **fields: object) -> dict[str, object]:
        # In the order and with the fields that the SDK's model of a response asks for.
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": _EMPTY,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": _EMPTY,
            "usage": None,
            **fields,
        }


def _own(kind: str, sequence_number: int, response: dict[str, object]) -> bytes:
    event = {"type": kind, "sequence_number": sequence_number, "response": response}
    return frame(kind.encode(), _encode(event))


def _read(document: bytes) -> tuple[dict[str, Raw], dict[str, Raw] | None]:
    """Return the fields of an event and those of its response, if that is an object."""
    fields = read_fields(document) or {}
    return fields, read_fields(fields.get("response", b""))
