"""Samples for the tables of content blocks, 1.5 and 6.2: what each row is tried with, and what becomes of it."""

from typing import Any, NamedTuple

from packyproxy.errors import InvalidRequest
from tests.wire_mapping.trying import Outcome, asked, sent

__all__ = [
    "BLOCKS", "CALL", "CHAT_LOSSES", "PDF", "PNG", "RESULT", "TEXT", "Block", "BlockSample", "become", "document", "image",
]  # fmt: skip

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


class BlockSample(NamedTuple):
    """Blocks of one message, and those of the message that it is compared with."""

    side: str
    blocks: list[Block]
    least: list[Block]


def user(*blocks: Block, least: list[Block] | None = None) -> BlockSample:
    return BlockSample("user", list(blocks), least or [])


def asst(*blocks: Block, least: list[Block] | None = None) -> BlockSample:
    return BlockSample("assistant", list(blocks), least or [])


def image(**source: Any) -> Block:
    return {"type": "image", "source": source}


def document(source: Block, **fields: Any) -> Block:
    return {"type": "document", "source": source, **fields}


def result(*content: Block, **fields: Any) -> BlockSample:
    return user({**RESULT, "content": list(content), **fields}, least=[{**RESULT, "content": "(no output)"}])


def server(kind: str, content: Any, name: str = "x") -> BlockSample:
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": name, "input": {}}
    return asst(call, {"type": kind, "tool_use_id": "srvtoolu_1", "content": content})


OTHER_SERVER_TOOLS = (
    "any other `server_tool_use` with its `web_fetch_tool_result`, `code_execution_tool_result`, "
    "`bash_code_execution_tool_result`, `text_editor_code_execution_tool_result`, "
    "`tool_search_tool_result` or `advisor_tool_result`"
)

BLOCKS: dict[tuple[str, ...], list[BlockSample]] = {
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
    (OTHER_SERVER_TOOLS, "asst"): [
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


def translate(sample: BlockSample, blocks: list[Block]) -> tuple[list[Any], tuple[str, ...]]:
    history: list[Block] = [{"role": "user", "content": "hi"}]
    if any(block["type"] == "tool_result" for block in blocks):
        history.append({"role": "assistant", "content": [CALL]})
    history.append({"role": sample.side, "content": blocks})
    if sample.side == "assistant":
        history.append({"role": "user", "content": "."})
    body, warnings = sent("messages", asked(messages=history))
    return body["input"], warnings


def become(sample: BlockSample) -> Outcome:
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
        is_part = item["type"] == "message" or (sample.least and item["type"] == "function_call_output")
        found.add("part" if is_part else "item")
    return Outcome(frozenset(found or {"drop"}), warnings, "", {"input": added})


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
