"""What an upstream says it serves."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.registry.discovery import read_model_list
from packyproxy.registry.names import is_sendable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(("data", "models", "id", "slug")), inner),
)


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"id": "gpt-5", "object": "model"}, {"id": "GPT-4"}]},
        {"models": [{"slug": "gpt-5", "visibility": "list"}, {"id": "GPT-4"}]},
        {"data": None, "models": [{"id": None, "slug": "gpt-5"}, {"slug": "GPT-4"}]},
        [{"id": "gpt-5"}, {"slug": "GPT-4"}],
        ["gpt-5", "GPT-4"],
        {"data": ["gpt-5", {"id": "GPT-4"}, {"id": "gpt-5"}, {"id": "gpt-4"}]},
    ],
    ids=["OpenAI", "Codex", "null members", "bare objects", "bare names", "mixed, twice"],
)
def test_every_known_shape_is_read(body: object) -> None:
    """Ids come sorted, each once whatever its case."""
    assert ("GPT-4", "gpt-5") == read_model_list(json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b'{"data":[{"id":"gpt-5"}',
        b'["\xff"]',
        b'["\\ud800"]',
        b"[" * 100_000,
        b"null",
        b"7",
        b'"gpt-5"',
        b'{"data":{"id":"gpt-5"}}',
        b'{"data":[[{"id":"gpt-5"}]]}',
        b'{"error":{"message":"no"}}',
        b'{"data":[null,7,{"name":"gpt-5"},{"id":7}]}',
    ],
    ids=lambda body: body[:16].decode(errors="replace"),
)
def test_anything_else_lists_nothing(body: bytes) -> None:
    """Web pages, errors, damaged and foreign JSON are no reason to fail."""
    assert () == read_model_list(body)


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "ü", "x" * 129, "a\x00"], ids=ascii)
def test_names_that_cannot_be_asked_for_are_left_out(name: str) -> None:
    """One odd entry does not spoil the others."""
    assert ("gpt-5",) == read_model_list(json.dumps([name, "gpt-5"]).encode())


def test_a_list_without_end_is_cut() -> None:
    """A thousand ids are kept, the same ones in whichever order they come."""
    ids = [f"m-{number:04}" for number in range(1500)]
    expected = tuple(ids[:1000])
    assert expected == read_model_list(json.dumps(ids).encode())
    assert expected == read_model_list(json.dumps(ids[::-1]).encode())


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_is_total(body: bytes) -> None:
    """Any bytes give ids that can be sent, sorted and unique."""
    ids = read_model_list(body)
    assert all(is_sendable(model_id) for model_id in ids)
    assert list(ids) == sorted({model_id.lower(): model_id for model_id in reversed(ids)}.values())
