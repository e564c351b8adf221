"""The items of a Responses request."""

import json
from typing import Any

import pytest

from packyproxy.translate.contract import AttemptFacts, Target
from packyproxy.translate.responses.request import read, to_responses

TARGET = Target(model="m", scope="1f2e3d4c5b", efforts=("low",))
KEEPS_IDS = {"capabilities": {"item_ids": True}}
USER = {"type": "message", "role": "user", "content": "hi"}
REASONING: dict[str, Any] = {
    "type": "reasoning",
    "summary": [],
    "content": None,
    "encrypted_content": "gAAAA",
}
IMAGE = {"type": "input_image", "image_url": "https://a.example/i.png", "detail": "low"}
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}


UNTOUCHED: dict[str, Any] = {
    "a message": USER,
    "a message without a type": {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
    "a message without content": {"role": "user"},
    "a message of null": {"type": "message", "role": "user", "content": None},
    "a message with a phase": {**USER, "phase": "commentary"},
    "a call": {
        "type": "function_call",
        "call_id": "c",
        "name": "x" * 100,
        "arguments": "{}",
        "namespace": "n",
    },
    "an output without a call": {"type": "function_call_output", "call_id": "c", "output": "x"},
    "a compaction": {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"},
    "a compaction's trigger": {"type": "compaction_trigger"},
    "an unknown type": {"type": "new_thing", "id": 5, "role": ["x"], "content": 7, "encrypted_content": {}},
    "an unknown type of the role system": {"type": "new_thing", "role": "system"},
    "no type at all": {"x": 1, "id": "a"},
    "nothing": {},
}


@pytest.mark.parametrize("item", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched_items(passed: Any, item: Any) -> None:
    """An item that no row changes arrives as it was sent, beside one that is changed too."""
    alone, beside = passed.items(item), passed.items(item, {**USER, "id": "msg_1"})
    assert ([item], [item, USER]) == (alone, beside)


@pytest.mark.parametrize("more", [b"", b',{"role":"system"}'], ids=["alone", "beside a changed one"])
def test_untouched_items_keep_their_bytes(more: bytes) -> None:
    """White space, escapes and repeated keys of an untouched item are none of our business."""
    item = rb'{ "type":"message","role" : "user", "content":"\u0061" , "n":1.10, "n":1.1}'
    sent = to_responses(read(b'{"model":"m","input":[ %b%b]}' % (item, more)), TARGET).body
    assert item in sent


def test_a_list_without_changes_keeps_its_bytes() -> None:
    """Nothing at all is written anew where nothing changes."""
    value = b'[ {"role":"user"} ,\n{"type":"x"} ]'
    assert b'"input":%b' % value in to_responses(read(b'{"model":"m","input":%b}' % value), TARGET).body


def test_role_of_null(passed: Any) -> None:
    """An item with a role is a message, whatever the upstream makes of null there."""
    assert [{"role": None, "content": "x"}] == passed.items({"role": None, "content": "x", "id": "msg_1"})


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "system", "content": "x"},
        {"role": "system", "content": [{"type": "input_text", "text": "x"}]},
    ],
    ids=["with a type", "without"],
)
def test_system_becomes_developer(passed: Any, item: Any) -> None:
    """Codex back ends refuse system messages in a history."""
    assert [{**item, "role": "developer"}] == passed.items(item)


HAVE_IDS = {
    "message": "msg_1",
    "reasoning": "rs_1",
    "function_call": "fc_1",
    "custom_tool_call": "ctc_1",
    "web_search_call": "ws_1",
    "function_call_output": "fco_1",
    "custom_tool_call_output": "ctco_1",
    "computer_call_output": "any",
    "local_shell_call_output": "any",
}


def _with_id(kind: str, item_id: Any) -> dict[str, Any]:
    return {"type": kind, "id": item_id, "encrypted_content": "gAAAA", "x": 1}


def _without_id(kind: str) -> dict[str, Any]:
    return {"type": kind, "encrypted_content": "gAAAA", "x": 1}


@pytest.mark.parametrize(("kind", "item_id"), HAVE_IDS.items(), ids=HAVE_IDS)
def test_ids_are_left_out(passed: Any, kind: str, item_id: str) -> None:
    """Without storage an upstream would look an id up in vain."""
    assert [_without_id(kind)] == passed.items(_with_id(kind, item_id))


@pytest.mark.parametrize(("kind", "item_id"), HAVE_IDS.items(), ids=HAVE_IDS)
def test_ids_are_kept(passed: Any, kind: str, item_id: str) -> None:
    """A provider with the capability gets the ids that fit their items."""
    assert [_with_id(kind, item_id)] == passed.items(_with_id(kind, item_id), target=KEEPS_IDS)


@pytest.mark.parametrize(
    "item_id", ["", None, "x_1", "m" * 65], ids=["empty", "null", "a prefix of others", "long"]
)
@pytest.mark.parametrize("kind", ["message", "function_call", "custom_tool_call", "web_search_call"])
def test_unfit_ids(passed: Any, kind: str, item_id: Any) -> None:
    """An id that the upstream would refuse is left out, and its item is not."""
    assert [_without_id(kind)] == passed.items(_with_id(kind, item_id), target=KEEPS_IDS)


@pytest.mark.parametrize(("item_id", "expected"), [("rs_" + "x" * 61, 1), ("rs_" + "x" * 62, 0), ("x_1", 1)])
def test_reasoning_with_an_unfit_id(passed: Any, item_id: str, expected: int) -> None:
    """Reasoning whose id is too long is left out as a whole."""
    assert expected == len(passed.items(_with_id("reasoning", item_id), target=KEEPS_IDS))


@pytest.mark.parametrize(
    "item",
    [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}, {"id": "msg_1", "type": None}],
    ids=["named", "an id alone", "a type of null"],
)
def test_references(passed: Any, item: Any) -> None:
    """What was not stored cannot be referred to."""
    refusal = passed.refusal(input=[USER, item])
    told = (refusal.status, refusal.field, refusal.code, refusal.message)
    text = "item_reference needs server-side storage; send the full item"
    assert (400, "input", "unsupported_parameter", text) == told


WRONG: dict[str, tuple[Any, str, str]] = {
    "text": ("x", "input[1]", "expected object, got string"),
    "null": (None, "input[1]", "expected object, got null"),
    "a numbered type": ({"type": 5}, "input[1].type", "expected string, got number"),
    "a numbered role": ({"type": "message", "role": 5}, "input[1].role", "expected string, got number"),
    "a role of a nameless item": ({"role": True}, "input[1].role", "expected string, got boolean"),
    "a numbered id": ({"type": "function_call", "id": 5}, "input[1].id", "expected string, got number"),
    "an output's numbered id": ({"type": "x_output", "id": []}, "input[1].id", "expected string, got array"),
    "an object for content": (
        {"role": "user", "content": {}},
        "input[1].content",
        "expected string or array, got object",
    ),
    "an object for encrypted content": (
        {"type": "reasoning", "encrypted_content": {}},
        "input[1].encrypted_content",
        "expected string, got object",
    ),
}


@pytest.mark.parametrize(("item", "field", "reason"), WRONG.values(), ids=WRONG)
def test_wrong_items(passed: Any, item: Any, field: str, reason: str) -> None:
    """A field of a known item must have its type; the refusal names its place."""
    refusal = passed.refusal(input=[USER, item])
    assert (400, field, reason) == (refusal.status, refusal.field, refusal.reason)


def test_wrong_items_are_found_behind_odd_ones(passed: Any) -> None:
    """An unknown item with fields of its own does not hide what is wrong elsewhere."""
    refusal = passed.refusal(input=[{"type": "new", "id": 5}, {"type": "message", "role": 5}])
    assert "input[1].role" == refusal.field


def test_items_beside_odd_ones_are_read(passed: Any) -> None:
    """An unknown item with fields of its own changes nothing for the others."""
    odd = {"type": "new", "id": 5}
    assert [odd, {**USER, "role": "developer"}] == passed.items(
        odd, {**USER, "role": "system", "id": "msg_1"}
    )


def test_too_many_items() -> None:
    """Endless lists of nothing are refused."""
    raw = b'{"model":"m","input":[' + b"{}," * 100_000 + b"{}]}"
    with pytest.raises(Exception, match="input: at most 100000 items are accepted"):
        read(raw)


@pytest.mark.parametrize("content", [None, "", ...], ids=["null", "empty", "absent"])
def test_reasoning_without_content(passed: Any, content: Any) -> None:
    """Reasoning that nobody can decrypt is left out."""
    item = {
        name: value for name, value in {**REASONING, "encrypted_content": content}.items() if value is not ...
    }
    assert [USER] == passed.items(item, USER)


def test_reasoning_is_kept(passed: Any) -> None:
    """Whoever is asked first may have made it; it may be the last item, after a broken stream."""
    sent = passed.full(input=[USER, REASONING])
    assert ([USER, REASONING], ("gAAAA",)) == (json.loads(sent.body)["input"], sent.reasoning)


@pytest.mark.parametrize(
    "facts",
    [
        AttemptFacts(without_reasoning=True),
        AttemptFacts(is_first_asked=False),
        AttemptFacts(is_refused_reasoning=lambda encrypted: encrypted == "gAAAA"),
    ],
    ids=["after a refusal", "somebody else was asked before", "refused in an earlier turn"],
)
def test_reasoning_is_left_out(passed: Any, facts: AttemptFacts) -> None:
    """Reasoning goes to nobody who cannot read it; compactions go to everybody."""
    compaction = {"type": "compaction", "encrypted_content": "gAAAA"}
    sent = passed.full(input=[REASONING, compaction, USER], facts=facts)
    assert ([compaction, USER], ()) == (json.loads(sent.body)["input"], sent.reasoning)


def test_other_reasoning_stays(passed: Any) -> None:
    """Only the refused content is left out."""
    facts = AttemptFacts(is_refused_reasoning=lambda encrypted: encrypted == "gAAAA")
    other = {**REASONING, "encrypted_content": "gBBBB"}
    assert [other] == passed.items(REASONING, other, facts=facts)


@pytest.mark.parametrize("kind", ["compaction", "compaction_summary", "context_compaction"])
def test_compactions_are_told(passed: Any, kind: str) -> None:
    """Encrypted history cannot be left out, which the runtime must know."""
    told = (passed.full(input=[{"type": kind}]).has_compaction, passed.full(input=[REASONING]).has_compaction)
    assert (True, False) == told


@pytest.mark.parametrize(
    ("target", "facts"),
    [
        ({"capabilities": {"phase": "off"}}, AttemptFacts()),
        ({}, AttemptFacts(removed_parameters=frozenset({"phase"}))),
    ],
    ids=["switched off", "refused before"],
)
def test_phases_are_left_out(passed: Any, target: Any, facts: AttemptFacts) -> None:
    """A provider that knows no phases gets none."""
    said = {**USER, "role": "assistant", "phase": "commentary"}
    other = {"type": "function_call", "phase": "x"}
    sent = passed.items(said, {**said, "id": "msg_1"}, USER, other, target=target, facts=facts)
    assert [{**USER, "role": "assistant"}, {**USER, "role": "assistant"}, USER, other] == sent


def test_details_are_left_out(passed: Any) -> None:
    """A provider that refused ``detail`` gets none in messages and outputs."""
    plain = {"type": "input_image", "image_url": "https://a.example/i.png"}
    text = {"type": "input_text", "text": 'a "detail"'}
    items = [
        {"role": "user", "content": [text, IMAGE, "odd"]},
        {"type": "function_call_output", "output": [IMAGE], "id": "fco_1"},
        {"role": "user", "content": [text]},
        USER,
    ]
    sent = passed.items(*items, facts=AttemptFacts(removed_parameters=frozenset({"detail"})))
    expected = [
        {"role": "user", "content": [text, plain, "odd"]},
        {"type": "function_call_output", "output": [plain]},
        {"role": "user", "content": [text]},
        USER,
    ]
    assert expected == sent


def test_breakpoints_are_left_out(passed: Any) -> None:
    """Marks for a cache that codex back ends do not have are removed from content."""
    text = {"type": "input_text", "text": "about prompt_cache_breakpoint"}
    items = [
        {"role": "system", "content": [{**text, **MARK}, text]},
        {"type": "function_call_output", "output": [{**IMAGE, **MARK}]},
        {"role": "user", "content": [text]},
        {"type": "new", **MARK},
    ]
    expected = [
        {"role": "developer", "content": [text, text]},
        {"type": "function_call_output", "output": [IMAGE]},
        {"role": "user", "content": [text]},
        {"type": "new", **MARK},
    ]
    assert expected == passed.items(*items)
