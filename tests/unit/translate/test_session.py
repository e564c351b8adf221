"""The session key and the prompt cache key."""

from uuid import UUID, uuid5

import pytest

from packyproxy.translate.session import prompt_cache_key, session_key

SURE, OTHER = "x-claude-code-session-id", "session_id"


@pytest.mark.parametrize(
    ("headers", "body_hint", "cache_key_hint", "expected"),
    [
        ({SURE: "a", OTHER: "c"}, "b", "d", "a"),
        ({OTHER: "c"}, "b", "d", "b"),
        ({OTHER: "c", "conversation_id": "e"}, None, "d", "c"),
        ({"session-id": "c"}, None, None, "c"),
        ({"conversation_id": "e"}, None, "d", "e"),
        ({"thread-id": "t", "conversation_id": "e"}, None, "d", "e"),
        ({"thread-id": "t"}, None, "d", "t"),
        ({}, None, "d", "d"),
    ],
    ids=[
        "Claude Code's header",
        "body",
        "header",
        "header with a dash",
        "conversation",
        "before the thread",
        "thread",
        "cache key",
    ],
)
def test_first_source_names_the_session(
    headers: dict[str, str], body_hint: str | None, cache_key_hint: str | None, expected: str
) -> None:
    """The sources rank as documented."""
    key = session_key(
        headers, body_hint, key_id="k", model="m", opening=lambda: b"", cache_key_hint=cache_key_hint
    )
    assert expected == key


def test_nameless_sessions_differ_by_their_opening() -> None:
    """Without any id the client key, the model and the opening texts make the key."""
    keys = {
        session_key({}, None, key_id=key_id, model=model, opening=lambda text=text: text)  # type: ignore[misc]
        for key_id, model, text in [("k", "m", b"x"), ("k", "m", b"y"), ("j", "m", b"x"), ("k", "n", b"x")]
    }
    assert len(keys) == 4


def test_cache_key_is_a_fixed_uuid5() -> None:
    """The key never changes between releases and does not show the session."""
    key = prompt_cache_key("session-1", "gpt-5")
    assert (5, "94a5c3af-4ec9-5ef2-84f2-e935b8306c68") == (UUID(key).version, key)
    assert key != prompt_cache_key("session-1", "gpt-5.1")


@pytest.mark.parametrize(("session", "model"), [("s", "gpt-5"), ("", ""), ("sitzung-ä", "gpt-5.1-codex")])
def test_the_cache_key_is_a_uuid_of_version_5(session: str, model: str) -> None:
    """It is what the standard library makes of the same namespace and name."""
    namespace = UUID("5d1f3c0a-7b0e-5c1e-9a55-0c9f6a2f4b7d")
    assert str(uuid5(namespace, f"{session}\0{model}")) == prompt_cache_key(session, model)
