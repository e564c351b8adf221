"""The tables of messages and content blocks, 1.4, 1.5, 1.5.1 and 6.2: every block has its row, every row is tried."""

import json
import re
from typing import Any

import pytest
from msgspec import Struct

from packyproxy.errors import InvalidRequest
from packyproxy.wire import chat, messages
from tests.wire_mapping.block_samples import (
    BLOCKS,
    CALL,
    CHAT_LOSSES,
    PDF,
    PNG,
    RESULT,
    TEXT,
    Block,
    become,
    document,
    image,
)
from tests.wire_mapping.page import Row, names, pattern_of, refusals, section, spans, verdicts
from tests.wire_mapping.trying import asked, sent


def said(rule: str) -> set[str]:
    """Return the words of rule, with those for parts and items."""
    plain = re.sub(r"`[^`]+`", "", rule)
    return verdicts(rule) | set(re.findall(r"\b(part|item)\b", plain.partition("; text")[0]))


each_row = pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{row[0][:60]}-{row[1]}") for row in section("1.5").table()]
)


def test_every_block_row_is_tried() -> None:
    """The tests know all rows of 1.5, and no row that is not there."""
    assert list(BLOCKS) == [row[:2] for row in section("1.5").table()]


def tags(union: Any) -> set[str]:
    return {str(cls.__struct_config__.tag) for cls in union.__args__}


def test_every_block_has_its_row() -> None:
    """The blocks that the code knows are those of 1.5, and the two that change tools (1.7 rule 6)."""
    first = {name.partition(".")[0] for row in section("1.5").table() for name in names(row[0])}
    listed = first - {"base64", "url", "content", "file"}
    changes = {name for name in names(section("1.7").items[5]) if name in {"tool_addition", "tool_removal"}}
    assert listed | changes == tags(messages.Block) | tags(messages.ResultBlock)


@each_row
def test_what_becomes_of_blocks(row: Row) -> None:
    """A block becomes a part or an item, is dropped, warned of or refused just as its row says."""
    assert said(row[2]) == set().union(*(become(sample).verdicts for sample in BLOCKS[row[:2]]))


@each_row
def test_refusals_of_blocks(row: Row) -> None:
    """A text that a row quotes after 400 is what the client reads, behind the block's path."""
    given = [become(sample).refusal for sample in BLOCKS[row[:2]]]
    patterns = [pattern_of(text) for text in refusals(row[2])]
    assert [pattern for pattern in patterns if not any(re.search(pattern, text) for text in given)] == []


@each_row
def test_texts_for_blocks(row: Row) -> None:
    """The texts that a row quotes are in what upstream is given."""
    given = "\n".join(
        json.dumps(become(sample).body, ensure_ascii=False).replace('\\"', '"').replace("\\n", "\n")
        for sample in BLOCKS[row[:2]]
    )
    texts = [
        span
        for span in spans(row[2])
        if re.match(r"[\[<A-Z-]", span) and span != "F" and span not in refusals(row[2])
    ]
    assert [text for text in texts if not re.search(pattern_of(text), given)] == []


RESULTS: dict[str, tuple[dict[str, Any], list[Block], Any]] = {
    "a string": ({}, [{**RESULT, "content": "a"}], "a"),
    'missing, null, `[]` or `""`': ({}, [{**RESULT, "content": ""}], "(no output)"),
    "text-like blocks only": ({}, [{**RESULT, "content": [TEXT, TEXT]}], "a\na"),
    "with an image or document, capability `tool_output_media`": (
        {},
        [{**RESULT, "content": [TEXT, image(**PNG), document(PDF)]}],
        ["input_text", "input_image", "input_file"],
    ),
    "with an image or document, without it": (
        {"tool_output_media": False},
        [{**RESULT, "content": [TEXT, image(**PNG), document(PDF)]}],
        "a\n[image attached below]\n[document attached below]",
    ),
    "`is_error:true`": ({}, [{**RESULT, "content": "a", "is_error": True}], "[tool_error]\na"),
}
"""By row of 1.5.1: what the provider accepts, the result, and its output or the types of its parts."""


def outputs(capabilities: dict[str, Any], blocks: list[Block]) -> list[Any]:
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": blocks},
    ]
    body, _ = sent("messages", asked(capabilities, messages=history))
    items: list[Any] = body["input"]
    return items


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in section("1.5.1").table(0)])
def test_outputs_of_tools(row: Row) -> None:
    """A result has the output of its row, and holds the texts that the row quotes."""
    capabilities, blocks, wanted = RESULTS[row[0]]
    output = next(item for item in outputs(capabilities, blocks) if item["type"] == "function_call_output")[
        "output"
    ]
    assert wanted == (output if isinstance(output, str) else [part["type"] for part in output])
    quoted = [span for span in spans(row[1]) if span.startswith(("[", "("))]
    assert [text for text in quoted if text not in output] == []


@pytest.mark.parametrize("content", [None, [], "", ...])
def test_results_without_output(content: Any) -> None:
    """What counts as no output is told in the words of its row."""
    block = {**RESULT, **({} if content is ... else {"content": content})}
    assert section("1.5.1").table(0)[1][1] == f"`{outputs({}, [block])[-1]['output']}`"


def test_every_result_row_is_tried() -> None:
    """The tests know all rows of the first table of 1.5.1."""
    assert list(RESULTS) == [row[0] for row in section("1.5.1").table(0)]


def calls_and(*blocks: Block, again: bool = False) -> list[Any]:
    """Return what a turn of one call, or of two with one id, and the blocks after it become."""
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [CALL] * (1 + again)},
        {"role": "user", "content": list(blocks)},
    ]
    body, _ = sent("messages", asked(messages=history))
    items: list[Any] = body["input"]
    return items


SOME = {**RESULT, "content": "text"}

REPAIRS: dict[str, Any] = {
    "a call without an output later on": lambda said: (
        json.loads(spans(said)[0].replace(":C,", ':"toolu_1",')),
        calls_and(TEXT)[2],
    ),
    "an output without an earlier call": lambda said: (
        f"{spans(said)[0]}\ntext",
        calls_and(SOME, {**SOME, "tool_use_id": "C"})[-1]["content"][0]["text"],
    ),
    "a second output for one call": lambda said: (
        ("the same", "[tool result toolu_1]\ntext"),
        (said, calls_and(SOME, SOME)[-1]["content"][0]["text"]),
    ),
    "two calls with one `call_id`": lambda said: (
        ["toolu_1", spans(said)[0].replace("C", "toolu_1")] * 2,
        [item["call_id"] for item in calls_and(SOME, SOME, again=True) if "call_id" in item],
    ),
    "no `tool_use_id`": lambda said: (
        re.sub(r"\.[NM]\b", "", refusals(said)[0]),
        refusal_of({"type": "tool_result", "content": "a"}),
    ),
}
"""By row of the second table of 1.5.1: what it says, and what the code does."""


def refusal_of(block: Block) -> str:
    """Return how a block is refused, without the numbers of its path."""
    with pytest.raises(InvalidRequest) as caught:
        calls_and(block)
    return re.sub(r"\.\d+", "", caught.value.message)


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in section("1.5.1").table(1)])
def test_repairs_of_pairs(row: Row) -> None:
    """A defect of a history is mended as its row says."""
    said, done = REPAIRS[row[0]](row[1])
    assert said == done


def test_every_repair_is_tried() -> None:
    """The tests know all rows of the second table of 1.5.1."""
    assert list(REPAIRS) == [row[0] for row in section("1.5.1").table(1)]


def test_unknown_role() -> None:
    """Another role is refused in the words of 1.4, and with brackets in those of 6.2."""
    for number, protocol in (("1.4", "messages"), ("6.2", "chat")):
        quoted = refusals(
            next(
                row[1]
                for row in section(number).table()
                if "role" in row[0] and row[0].startswith(("any", "another"))
            )
        )
        with pytest.raises(
            InvalidRequest, match=pattern_of(quoted[0].replace("[N]", ".N")).replace(r"\.\d+", r"[.\[]\d+\]?")
        ):
            sent(protocol, asked(messages=[{"role": "x", "content": "a"}]))


def test_prefill_warns() -> None:
    """An assistant message at the end is warned of by the token of 1.4."""
    _, warnings = sent(
        "messages", asked(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    )
    row = next(row for row in section("1.4").table() if "(prefill)" in row[0])
    assert ({"warn"}, True) == (verdicts(row[1]), f"warn `{warnings[0]}`" in row[1])


@pytest.mark.parametrize("struct", [chat.Message, chat.ToolCall, chat.FileSource, chat.ImageUrl])
def test_chat_fields_have_rows(struct: type[Struct]) -> None:
    """What the code reads of a Chat message stands in 6.2."""
    words = set(re.findall(r"\w+", section("6.2").text))
    assert set(struct.__struct_fields__) - {"role", "content", "type", "function", "custom"} <= words


def test_chat_parts_have_rows() -> None:
    """So do the types of its parts."""
    words = set(re.findall(r"\w+", section("6.2").text))
    assert tags(chat.UserPart) | tags(chat.AssistantPart) <= words


CHAT_REFUSALS = [
    [{"type": "file", "file": {"file_id": "file_1"}}],
    [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}],
    [{"type": "video"}],
]


def test_chat_refusals() -> None:
    """What 6.2 refuses of a user's parts is refused, in the words that it quotes."""
    rule = next(row[1] for row in section("6.2").table() if row[0].startswith("`user`"))
    given = []
    for content in CHAT_REFUSALS:
        with pytest.raises(InvalidRequest) as caught:
            sent("chat", asked(messages=[{"role": "user", "content": content}]))
        given.append(caught.value.message)
    quoted = [
        re.escape(text).replace(r"\[N\]", r"\[\d+\]").replace(r"\[M\]", r"\[\d+\]").replace('"x"', '"[^"]+"')
        for text in refusals(rule)
    ]
    assert (len(given), []) == (
        rule.count("400"),
        [text for text in quoted if not any(re.search(text, message) for message in given)],
    )


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row[0]) for row in section("6.2").table() if "warn" in verdicts(row[1])]
)
def test_chat_losses_are_warned_of(row: Row) -> None:
    """What 6.2 says is warned of is, and what takes its place has the texts it quotes."""
    for message in CHAT_LOSSES[row[0]]:
        body, warnings = sent("chat", asked(messages=[{"role": "user", "content": "hi"}, message]))
        assert warnings
        omitted = [text for text in spans(row[1]) if text.startswith("[")]
        assert not omitted or any(text in json.dumps(body) for text in omitted)
