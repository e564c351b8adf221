"""Tool names and ids, there and back."""

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packyproxy.translate.tool_names import (
    ToolNames,
    call_id_to_upstream,
    map_tool_name,
    repeated_id,
    server_tool_use_id,
    tool_use_id,
)

LONG = "mcp__plugin_very_long_vendor_name_server__search_documents_by_semantic_similarity_v2"
SHORT = "mcp__plugin_very_long_vendo_s_by_semantic_similarity_v2_461731fc"
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)


def _sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_vector_of_the_contract() -> None:
    """The documented name of 84 characters has its documented mapping."""
    assert (SHORT, 64) == (map_tool_name(LONG), len(SHORT))


@pytest.mark.parametrize("name", ["Read", "a" * 64, "mcp__x-1"])
def test_names_that_fit_stay(name: str) -> None:
    """What the upstream takes is not touched."""
    assert name == map_tool_name(name)


def test_short_names_keep_all_their_characters() -> None:
    """A short odd name is made safe and gets the hash of the original."""
    assert f"a_b_{_sha('a.b')[:8]}" == map_tool_name("a.b")


@given(st.lists(NAMES, max_size=6))
def test_names_come_back(names: list[str]) -> None:
    """Every mapped name is legal and leads back to the client's own."""
    table = ToolNames(names)
    for name in names:
        mapped = table.to_upstream(name)
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", mapped)
        assert name == table.originals.get(mapped, mapped)


def test_mapping_does_not_depend_on_the_other_tools() -> None:
    """A second request with other tools gives the same short name."""
    assert ToolNames([LONG]).to_upstream(LONG) == ToolNames(["x", LONG, "y.z"]).to_upstream(LONG) == SHORT


def test_a_literal_name_that_equals_a_mapping_moves_the_mapped_one() -> None:
    """On a collision the mapped name takes twelve hex digits, and both lead back."""
    table = ToolNames([LONG, SHORT])
    expected = f"{LONG[:25]}_{LONG[-25:]}_{_sha(LONG)[:12]}"
    assert (expected, 64) == (table.to_upstream(LONG), len(expected))
    assert (SHORT, LONG) == (table.to_upstream(SHORT), table.originals[expected])


def test_a_short_name_in_collision_is_not_doubled() -> None:
    """A short odd name keeps its characters once, with twelve hex digits."""
    table = ToolNames(["a.b", map_tool_name("a.b")])
    assert f"a_b_{_sha('a.b')[:12]}" == table.to_upstream("a.b")


@pytest.mark.parametrize(
    ("given_id", "expected"),
    [
        ("toolu_01A", "toolu_01A"), ("call:1", "call_1"), ("x" * 65, "x" * 47 + "_" + _sha("x" * 65)[:16]),
        ("é" * 65, "_" * 48 + _sha("é" * 65)[:16]),
    ],
    ids=["fits", "odd characters", "too long", "odd and too long"],
)  # fmt: skip
def test_call_id_to_upstream(given_id: str, expected: str) -> None:
    """Ids that fit are unchanged, others become legal ones."""
    assert expected == call_id_to_upstream(given_id)


@pytest.mark.parametrize(
    ("call_id", "item_id", "expected"),
    [
        ("call_1", "fc_1", "call_1"), ("call.1", "fc_1", "call_" + _sha("call.1")[:24]), (None, "fc_1", "fc_1"),
        ("", "fc.1", "call_" + _sha("msg_x3")[:24]), (None, None, "call_" + _sha("msg_x3")[:24]),
    ],
    ids=["fits", "odd", "missing", "both unusable", "nothing"],
)  # fmt: skip
def test_tool_use_id(call_id: str | None, item_id: str | None, expected: str) -> None:
    """The call id, else the item id, else a hash of the place."""
    assert expected == tool_use_id(call_id, item_id=item_id, message_id="msg_x", output_index=3)


@pytest.mark.parametrize(
    ("used", "expected"), [((), "c"), (("c",), "c_2"), (("c", "c_2"), "c_3"), (("d",), "c")]
)
def test_repeated_ids_are_numbered(used: tuple[str, ...], expected: str) -> None:
    """The second use of an id gets _2, the third _3."""
    assert expected == repeated_id("c", used)


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [("ws_abc", "srvtoolu_abc"), ("a.b", "srvtoolu_a_b"), ("ws_" + "x" * 60, "srvtoolu_" + "x" * 50)],
)
def test_server_tool_use_id(item_id: str, expected: str) -> None:
    """The item's prefix is exchanged and the rest made legal."""
    assert expected == server_tool_use_id(item_id)
