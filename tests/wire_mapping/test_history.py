"""The tables of messages and content blocks, 1.4, 1.5, 1.5.1 and 6.2: every block has its row, every row is tried."""

import json
import re
from typing import Any, NamedTuple

import pytest
from msgspec import Struct

from packyproxy.errors import InvalidRequest
from packyproxy.wire import chat, messages
from tests.wire_mapping.page import Row, names, refusals, section, spans, verdicts
from tests.wire_mapping.trying import Outcome, asked, sent

Block = dict[str, Any]

PNG = {"type": "base64", "media_type": "image/png", "data": "aWo="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "aWo="}
FILE = {"type": "file", "file_id": "file_1"}
TEXT = {"type": "text", "text": "a"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}
HIT = {"type": "search_result", "source": "S", "title": "T", "content": [TEXT]}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
PAGE = {"type": "web_search_result", "url": "https://x.example", "title": "T"}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]}
SERVER_RESULTS = (
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "advisor_tool_result",
)
MCP = {"id": "mcptoolu_1", "name": "ls", "input": {}, "server_name": "s"}
SIGNATURE = "pp1.1f2e3d4c5b.-.gA"


class Sample(NamedTuple):
    """Blocks of one message, and those of the message that it is compared with."""

    side: str
    blocks: list[Block]
    least: list[Block]


def user(*blocks: Block, least: list[Block] | None = None) -> Sample:
    return Sample("user", list(blocks), least or [])


def asst(*blocks: Block, least: list[Block] | None = None) -> Sample:
    return Sample("assistant", list(blocks), least or [])


def image(**source: Any) -> Block:
    return {"type": "image", "source": source}


def document(source: Block, **fields: Any) -> Block:
    return {"type": "document", "source": source, **fields}


def result(*content: Block, **fields: Any) -> Sample:
    return user({**RESULT, "content": list(content), **fields}, least=[{**RESULT, "content": "(no output)"}])


def server(kind: str, content: Any, name: str = "x") -> Sample:
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": name, "input": {}}
    return asst(call, {"type": kind, "tool_use_id": "srvtoolu_1", "content": content})


BLOCKS: dict[tuple[str, str], list[Sample]] = {
    ("`text`", "user"): [user({**TEXT, "citations": []}), user({"type": "text", "text": ""})],
    ("`text`", "asst"): [asst({**TEXT, "citations": []}), asst({"type": "text", "text": ""})],
    ("`image`, `base64`", "user"): [
        user(image(**PNG)),
        user(image(**{**PNG, "media_type": "image/svg+xml"})),
        user(image(**{**PNG, "data": ""})),
    ],
    ("`image`, `url`", "user"): [
        user(image(type="url", url="https://x.example/a.png")),
        user(image(type="url", url="ftp://x.example/a.png")),
    ],
    ("`image`, `file`", "user"): [user(image(**FILE))],
    ("`image.transformations`", "user"): [
        user({**image(**PNG), "transformations": []}, least=[image(**PNG)])
    ],
    ("`document`, `base64` PDF", "user"): [
        user(document(PDF)),
        user(document({**PDF, "media_type": "text/html"})),
        user(document({**PDF, "data": ""})),
    ],
    ("`document`, `url`", "user"): [user(document({"type": "url", "url": "https://x.example/a.pdf"}))],
    ("`document`, `text`", "user"): [
        user(document({"type": "text", "media_type": "text/plain", "data": "d"}, title="T"))
    ],
    ("`document`, `content`", "user"): [
        user(document({"type": "content", "content": [TEXT, image(**PNG)]}, title="T"))
    ],
    ("`document`, `file`", "user"): [user(document(FILE))],
    ("`document.context`", "user"): [user(document(PDF, context="c"))],
    ("`document.citations.enabled`, `search_result.citations`", "user"): [
        user(document(PDF, citations={"enabled": True}), least=[document(PDF)]),
        user({**HIT, "citations": {"enabled": True}}, least=[HIT]),
    ],
    ("`search_result`", "user"): [user(HIT)],
    ("`thinking`, `redacted_thinking`", "asst"): [
        asst({"type": "thinking", "thinking": "", "signature": SIGNATURE}, TEXT, least=[TEXT]),
        asst({"type": "redacted_thinking", "data": SIGNATURE}, TEXT, least=[TEXT]),
        asst({"type": "thinking", "thinking": "", "signature": "ErUB"}, TEXT, least=[TEXT]),
        user({"type": "thinking", "thinking": "", "signature": SIGNATURE}),
    ],
    ("`tool_use`", "asst"): [
        asst(CALL),
        asst({**CALL, "caller": {"type": "direct"}, "toolset_name": "x"}, least=[CALL]),
    ],
    ("`tool_result`", "user"): [user({**RESULT, "content": "a"})],
    ("`server_tool_use` with its `web_search_tool_result`", "asst"): [
        asst(SEARCH, FOUND),
        asst(
            SEARCH,
            {**FOUND, "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"}},
        ),
        asst(SEARCH, {**FOUND, "content": [{**PAGE, "encrypted_content": "x"}]}, least=[SEARCH, FOUND]),
    ],
    (
        "any other `server_tool_use` with its `web_fetch_tool_result`, `code_execution_tool_result`, "
        "`bash_code_execution_tool_result`, `text_editor_code_execution_tool_result`, "
        "`tool_search_tool_result` or `advisor_tool_result`",
        "asst",
    ): [
        *(server(kind, [{"type": "text", "text": "found"}]) for kind in SERVER_RESULTS),
        server("tool_search_tool_result", {"tool_references": []}),
    ],
    ("`mcp_tool_use`, `mcp_tool_result`, `mcp_tool_listing`", "any"): [
        asst({"type": "mcp_tool_use", **MCP}),
        user({"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [TEXT]}),
        asst({"type": "mcp_tool_listing", "tools": []}),
    ],
    ("`container_upload`", "user"): [user({"type": "container_upload", "file_id": "file_1"})],
    ("`compaction`", "any"): [
        asst({"type": "compaction", "content": "s", "encrypted_content": "x", "signature": "y"}),
        asst({"type": "compaction", "content": None}),
    ],
    ("`fallback`", "asst"): [asst({"type": "fallback"})],
    ("`browser_state`", "in a tool_result"): [result({"type": "browser_state", "url": "https://x.example"})],
    ("`tool_reference`", "in a tool_result"): [result({"type": "tool_reference", "tool_name": "ls"})],
    ("unknown", "user"): [user({"type": "x"})],
    ("unknown", "asst"): [asst({"type": "x"})],
}


def translate(sample: Sample, blocks: list[Block]) -> tuple[list[Any], tuple[str, ...]]:
    history = [{"role": "user", "content": "hi"}]
    if any(block["type"] == "tool_result" for block in blocks):
        history.append({"role": "assistant", "content": [CALL]})
    history.append({"role": sample.side, "content": blocks})
    if sample.side == "assistant":
        history.append({"role": "user", "content": "."})
    body, warnings = sent("messages", asked(messages=history))
    return body["input"], warnings


def become(sample: Sample) -> Outcome:
    """Say in the page's words what becomes of the blocks, beside what they are compared with."""
    try:
        items, warnings = translate(sample, sample.blocks)
    except InvalidRequest as refusal:
        return Outcome(frozenset({str(refusal.status)}), refusal=refusal.message)
    plain, _ = translate(sample, sample.least)
    added = [
        item for item in items if item not in plain and item.get("output") != "(no tool result was provided)"
    ]
    found = {"warn"} if warnings else set()
    for item in added:
        is_part = item["type"] == "message" or sample.least and item["type"] == "function_call_output"
        found.add("part" if is_part else "item")
    return Outcome(frozenset(found or {"drop"}), warnings, "", {"input": added})


def said(rule: str) -> set[str]:
    """Return the words of rule, with those for parts and items."""
    plain = re.sub(r"`[^`]+`", "", rule)
    return verdicts(rule) | set(re.findall(r"\b(part|item)\b", plain.partition("; text")[0]))


def pattern_of(quoted: str) -> str:
    """Return what a quoted text stands for: N and M are numbers, x is a name, ``<…>`` anything."""
    pattern = re.sub(r"<[^>]+>|…", ".*", re.escape(quoted))
    pattern = re.sub(r"(?<=\.)[NM](?=\\\.)", r"\\d+", pattern)
    return pattern.replace('"x"', '"[^"]+"').replace(r"\ x\ ", r"\ \w+\ ").replace(r"\n", r"\s")


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


def test_repairs_of_pairs() -> None:
    """The texts with which the second table mends a history are those that upstream is given."""
    rows = {row[0]: row[1] for row in section("1.5.1").table(1)}
    alone = outputs({}, [{"type": "text", "text": "."}])[2]
    strange = outputs({}, [{**RESULT, "content": "a"}, {**RESULT, "tool_use_id": "C", "content": "text"}])[-1]
    assert (
        json.loads(spans(rows["a call without an output later on"])[0].replace(":C,", ':"toolu_1",')) == alone
    )
    assert strange["content"][0]["text"] == f"{spans(rows['an output without an earlier call'])[0]}\ntext"


def test_result_without_an_id() -> None:
    """It is refused in the words of the second table of 1.5.1."""
    quoted = refusals(section("1.5.1").table(1)[-1][1])[0]
    with pytest.raises(InvalidRequest, match=f"^{pattern_of(quoted)}$"):
        outputs({}, [{"type": "tool_result", "content": "a"}])


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


CHAT_LOSSES: dict[str, list[Block]] = {
    "`user`, string or parts": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": ""}}]},
    ],
    "`assistant` text, `refusal` parts, `refusal`": [{"role": "assistant", "content": [{"type": "x"}]}],
    "`assistant.tool_calls[]`, `custom`": [
        {"role": "assistant", "tool_calls": [{"type": "x", "id": "call_1"}]}
    ],
}


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
