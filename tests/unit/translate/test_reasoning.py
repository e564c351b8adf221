"""Signatures that carry encrypted reasoning."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.reasoning import Signature, read_signature, scope_of, write_signature

SCOPE = "1f2e3d4c5b"


def test_scope_is_ten_hex_of_provider_and_model() -> None:
    """The scope hashes the provider's scope text, a zero byte and the model."""
    expected = sha256(b"https://a.example/v1\x00gpt-5").hexdigest()[:10]
    assert expected == scope_of("https://a.example/v1", "gpt-5")


def test_scopes_differ_by_model() -> None:
    """Another model of the same provider has another scope."""
    assert scope_of("a", "gpt-5") != scope_of("a", "gpt-5.1")


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.text(min_size=1))
def test_what_was_written_is_read(item_id: str, encrypted: str) -> None:
    """Id and content come back exactly, whatever the content holds; ``-`` stands for none."""
    found = read_signature(write_signature(SCOPE, item_id, encrypted))
    absent = None
    expected = Signature(
        SCOPE, absent if item_id == "-" else item_id, absent if encrypted == "-" else encrypted
    )
    assert expected == found


@pytest.mark.parametrize(
    ("item_id", "encrypted", "expected"),
    [
        ("rs_9", "gAAAA.b.c", "pp1.1f2e3d4c5b.rs_9.gAAAA.b.c"),
        ("rs_9", None, "pp1.1f2e3d4c5b.rs_9.-"),
        ("rs_9", "", "pp1.1f2e3d4c5b.rs_9.-"),
        ("rs.9", "e", "pp1.1f2e3d4c5b.-.e"),
        ("", "e", "pp1.1f2e3d4c5b.-.e"),
        ("r" * 65, "e", "pp1.1f2e3d4c5b.-.e"),
        ("rs_9", "e" * (1024 * 1024 + 1), "pp1.1f2e3d4c5b.rs_9.-"),
    ],
    ids=["full", "no content", "empty content", "odd id", "no id", "long id", "content over 1 MiB"],
)
def test_signature_has_four_parts(item_id: str, encrypted: str | None, expected: str) -> None:
    """What does not fit its part becomes ``-``."""
    assert expected == write_signature(SCOPE, item_id, encrypted)


@pytest.mark.parametrize(
    "text",
    ["", "EqRkBase64==", "gAAAAabc", "pp1", "pp1.a.b", "pp2.a.b.c", " pp1.a.b.c"],
    ids=["empty", "Anthropic's", "bare", "version only", "three parts", "other version", "space before"],
)
def test_foreign_signatures_are_none(text: str) -> None:
    """Nothing but our own form is read."""
    assert None is read_signature(text)


def test_repr_shows_no_content() -> None:
    """Encrypted content stays out of logs."""
    assert "gAAAA" not in repr(read_signature("pp1.s.rs_1.gAAAA"))
