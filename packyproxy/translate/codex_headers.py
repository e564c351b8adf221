"""Which headers travel between a Codex CLI and its upstream (wire-mapping 12.2-12.4).

A client is taken for a Codex CLI by its ``originator``. Only what is listed here travels, only as printable
ASCII, and never what ``connection`` names. Names are in lower case.
"""

from collections.abc import Mapping

from packyproxy.translate.contract import Target

__all__ = ["answer_headers", "upstream_headers"]

_OWN_OR_NONE = ("session_id", "conversation_id", "openai-beta")
"""They replace ours even by their absence."""

_AS_SENT = (
    "user-agent",
    "originator",
    "version",
    "session-id",
    "thread-id",
    "x-codex-turn-metadata",
    "x-codex-window-id",
    "x-codex-beta-features",
    "x-codex-installation-id",
    "x-codex-parent-thread-id",
    "x-openai-subagent",
    "x-openai-internal-codex-responses-lite",
)

_TURN_STATE = "x-codex-turn-state"
_MARK = "pp1"

_MODEL = "openai-model"
_RETURNED = ("x-models-etag", "x-reasoning-included", _MODEL)
_RETURNED_PREFIX = "x-codex-"

_MAX_CHARS = 16 * 1024
"""Of one value: the turn's metadata lists work spaces, and servers take no more than this in a head."""
_MAX_RETURNED = 64
"""How many headers an upstream may add to the answer."""


def upstream_headers(headers: Mapping[str, str], target: Target) -> Mapping[str, str]:
    """Choose what the upstream is sent of a client's headers; an empty value stands for none of ours.

    Args:
        headers: the client's, without regard to case.
        target: the provider that is asked.
    """
    if not headers.get("originator"):
        return {}
    connection = headers.get("connection", "")
    hop_by_hop = {name.strip().lower() for name in connection.split(",")}
    chosen: dict[str, str] = dict.fromkeys(_OWN_OR_NONE, "")
    for name in (*_OWN_OR_NONE, *_AS_SENT):
        value = headers.get(name)
        if value and _may_travel(value) and name not in hop_by_hop:
            chosen[name] = value
    state = _own_state(headers.get(_TURN_STATE, ""), target)
    if state and _may_travel(state) and _TURN_STATE not in hop_by_hop:
        chosen[_TURN_STATE] = state
    return chosen


def answer_headers(headers: Mapping[str, str], target: Target) -> tuple[tuple[str, str], ...]:
    """Choose what the client is given of an upstream's headers: the limits it shows, and the turn's state.

    Args:
        headers: the upstream's.
        target: the provider that answers.
    """
    chosen: list[tuple[str, str]] = []
    for given, value in headers.items():
        name = given.lower()
        if not (name.startswith(_RETURNED_PREFIX) or name in _RETURNED):
            continue
        if not value or not _may_travel(value):
            continue
        if name == _TURN_STATE:
            if target.provider_scope:
                chosen.append((name, f"{_MARK}.{target.provider_scope}.{value}"))
        elif name == _MODEL and value.lower() == target.model.lower():
            # By another name than it has asked for, the Codex CLI tells its user that the account is flagged.
            if _may_travel(target.requested_model):
                chosen.append((name, target.requested_model or value))
        else:
            chosen.append((name, value))
    return tuple(chosen[:_MAX_RETURNED])


def _own_state(value: str, target: Target) -> str:
    """Take the mark off a turn's state that this provider gave; that of any other gives ``""``."""
    mark = f"{_MARK}.{target.provider_scope}."
    return value.removeprefix(mark) if target.provider_scope and value.startswith(mark) else ""


def _may_travel(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= _MAX_CHARS
