"""Messages to items: roles, blocks, reasoning, phase."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from packyproxy.translate.contract import AttemptFacts

Said = Callable[..., dict[str, Any]]

PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
IMAGE = {"type": "image", "source": PNG}
INPUT_IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}


def _user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def _assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def _text(text: Any, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def _use(call_id: str = "c1", name: str = "ls", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {"p": "/"}, **more}


def _thought(enc: str = "gAAAA", scope: str = "1f2e3d4c5b") -> dict[str, Any]:
    return {"type": "thinking", "thinking": "t", "signature": f"pp1.{scope}.rs_1.{enc}"}


def _result(call_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, **more}


def _input_text(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


DOCUMENT_CASES: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("text", _text("a", citations=5), [_input_text("a")]),
    ("empty text", _text(""), []),
    ("image", {**IMAGE, "transformations": 1}, [INPUT_IMAGE]),
    (
        "image url",
        {"type": "image", "source": {"type": "url", "url": "HTTPS://a.example/i.png"}},
        [{**INPUT_IMAGE, "image_url": "HTTPS://a.example/i.png"}],
    ),
    (
        "empty image",
        {"type": "image", "source": {**PNG, "data": ""}},
        [_input_text("[image omitted: empty data]")],
    ),
    (
        "pdf",
        {"type": "document", "source": PDF},
        [{"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,QQ=="}],
    ),
    (
        "titled pdf",
        {"type": "document", "source": PDF, "title": 'Ä "x"'},
        [{"type": "input_file", "filename": 'Ä "x".pdf', "file_data": "data:application/pdf;base64,QQ=="}],
    ),
    (
        "pdf with its ending",
        {"type": "document", "source": PDF, "title": "x.PDF"},
        [{"type": "input_file", "filename": "x.PDF", "file_data": "data:application/pdf;base64,QQ=="}],
    ),
    (
        "empty pdf",
        {"type": "document", "source": {**PDF, "data": ""}},
        [_input_text("[document omitted: empty data]")],
    ),
    (
        "document url",
        {"type": "document", "source": {"type": "url", "url": "https://a.example/d.pdf"}},
        [{"type": "input_file", "file_url": "https://a.example/d.pdf"}],
    ),
    (
        "document text",
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a\nb"},
            "title": 'T"',
        },
        [_input_text('<document title="T"">\na\nb\n</document>')],
    ),
    (
        "untitled document text",
        {"type": "document", "source": {"type": "text", "data": "a"}, "title": None},
        [_input_text("<document>\na\n</document>")],
    ),
    (
        "document content",
        {"type": "document", "source": {"type": "content", "content": [_text("a"), IMAGE]}},
        [_input_text("<document>"), _input_text("a"), INPUT_IMAGE, _input_text("</document>")],
    ),
    (
        "document content string",
        {"type": "document", "source": {"type": "content", "content": "a"}},
        [_input_text("<document>"), _input_text("a"), _input_text("</document>")],
    ),
    (
        "document content empty string",
        {"type": "document", "source": {"type": "content", "content": ""}},
        [_input_text("<document>"), _input_text("</document>")],
    ),
    (
        "document context",
        {"type": "document", "source": {"type": "text", "data": "a"}, "context": "c"},
        [_input_text("<document_context>c</document_context>"), _input_text("<document>\na\n</document>")],
    ),
    (
        "search result",
        {"type": "search_result", "source": "S", "title": "T", "content": [_text("a"), _text("b")]},
        [_input_text('<search_result source="S" title="T">\na\nb\n</search_result>')],
    ),
    ("thinking", {"type": "thinking", "thinking": "x", "signature": "y"}, []),
    ("redacted thinking", {"type": "redacted_thinking", "data": 5}, []),
    ("mcp listing", {"type": "mcp_tool_listing"}, []),
    (
        "mcp call",
        {"type": "mcp_tool_use", "id": "m", "name": "n", "input": {"a": 1.5}},
        [_input_text('[n call] {"a":1.5}')],
    ),
]


@pytest.mark.parametrize(
    ("block", "parts"), [case[1:] for case in DOCUMENT_CASES], ids=[case[0] for case in DOCUMENT_CASES]
)
def test_user_blocks(block: dict[str, Any], parts: list[dict[str, Any]], translate: Any) -> None:
    """Each block of a user message becomes its parts."""
    expected = [{"type": "message", "role": "user", "content": [*parts, _input_text("end")]}]
    assert expected == translate.items(_user(block, _text("end")))


WHERE = "messages.0.content.0"
FILE = {"type": "file", "file_id": "f"}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "hologram"}, f'{WHERE}.type: unknown content block type "hologram"'),
        ({"type": "x" * 90 + "\n"}, f'{WHERE}.type: unknown content block type "{"x" * 64}"'),
        ({"type": 5}, f"{WHERE}.type: expected string, got integer"),
        ({}, f"{WHERE}.type: field required"),
        (5, f"{WHERE}: expected object, got integer"),
        (_text(5), f"{WHERE}.text: expected string, got number"),
        ({"type": "text"}, f"{WHERE}.text: field required"),
        (_use(), f'{WHERE}.type: unknown content block type "tool_use"'),
        ({"type": "fallback"}, f'{WHERE}.type: unknown content block type "fallback"'),
        ({"type": "image", "source": FILE}, f"{WHERE}.source: image file_id sources are not supported by this gateway: send base64 or url"),
        ({"type": "document", "source": FILE}, f"{WHERE}.source: document file_id sources are not supported by this gateway: send base64 or url"),
        ({"type": "image", "source": {"type": "text"}}, f"{WHERE}.source.type: must be base64 or url"),
        ({"type": "document", "source": {"type": "x"}}, f"{WHERE}.source.type: must be base64, url, text or content"),
        ({"type": "image", "source": {**PNG, "media_type": "image/tiff"}}, f"{WHERE}.source.media_type: must be one of image/jpeg, image/png, image/gif, image/webp"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}, f"{WHERE}.source.data: field required"),
        ({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}, f"{WHERE}.source.url: must be an http, https or data URL"),
        ({"type": "document", "source": {**PDF, "media_type": "text/csv"}}, f"{WHERE}.source.media_type: must be application/pdf"),
        ({"type": "document", "source": {"type": "content"}}, f"{WHERE}.source.content: field required"),
        ({"type": "document", "source": {"type": "content", "content": [_text(1)]}}, f"{WHERE}.source.content.0.text: expected string, got number"),
        ({"type": "document", "source": {"type": "text", "data": "a"}, "title": 1}, f"{WHERE}.title: expected string, got number"),
        ({"type": "search_result", "source": "S", "title": "T", "content": [_text(1)]}, f"{WHERE}.content.0.text: expected string, got number"),
        ({"type": "container_upload", "file_id": "f"}, f"{WHERE}: container_upload blocks are not supported: this gateway has no code execution container"),
        ({"type": "tool_result", "content": "x"}, f"{WHERE}.tool_result.tool_use_id: field required"),
        (_result(is_error="yes"), f"{WHERE}.is_error: expected boolean or null, got string"),
        (_result(content=[{"type": "hologram"}]), f'{WHERE}.content.0.type: unknown content block type "hologram"'),
        (_result(content=[_text("a"), _text(1)]), f"{WHERE}.content.1.text: expected string, got number"),
        (_result(content=5), f"{WHERE}.content: expected array, got integer"),
    ],
)  # fmt: skip
def test_refused_user_blocks(block: Any, expected: str, translate: Any) -> None:
    """The refusal names the exact place."""
    assert expected == translate.refusal(messages=[_user(block)]).message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "robot", "content": "x"}, "messages.0.role: unexpected value"),
        ({"role": "user"}, "messages.0.content: field required"),
        ({"role": "user", "content": None}, "messages.0.content: expected array, got null"),
        ({"content": "x"}, "messages.0.role: field required"),
        ("x", "messages.0: expected object, got string"),
        (
            {"role": "system", "content": [IMAGE]},
            'messages.0.content.0.type: unknown content block type "image"',
        ),
        (
            {"role": "system", "output_config": {"effort": "huge"}},
            "messages.0.output_config.effort: must be one of none, minimal, low, medium, high, xhigh, max",
        ),
        (
            {"role": "system", "output_config": 5},
            "messages.0.output_config: expected object or null, got integer",
        ),
    ],
)
def test_refused_messages(message: Any, expected: str, translate: Any) -> None:
    """A message must have a known role and content."""
    assert expected == translate.refusal(messages=[message]).message


ASSISTANT_CASES: list[tuple[str, list[dict[str, Any]], list[str], tuple[str, ...]]] = [
    ("texts", [_text("a", citations=1), _text(""), _text("b")], ["a", "b"], ()),
    (
        "web search",
        [
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": "s1",
                "content": [
                    {
                        "type": "web_search_result",
                        "title": "C",
                        "url": "https://c.example",
                        "encrypted_content": "XX",
                    }
                ],
            },
        ],
        ['[web search: "cats"]\n- C — https://c.example'],
        (),
    ),
    (
        "web search cut off",
        [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}}],
        ['[web search: "cats"]'],
        (),
    ),
    (
        "web search without its call",
        [{"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}],
        ['[web search: ""]'],
        (),
    ),
    (
        "failed web search",
        [{"type": "web_search_tool_result", "tool_use_id": "s", "content": {"error_code": "unavailable"}}],
        ["[web search failed: unavailable]"],
        (),
    ),
    (
        "code execution",
        [
            {"type": "server_tool_use", "id": "s1", "name": "code_execution", "input": {"code": "1"}},
            {
                "type": "code_execution_tool_result",
                "tool_use_id": "s1",
                "content": {"type": "code_execution_result", "stdout": "1", "stderr": "", "return_code": 0},
            },
        ],
        ['[code_execution call] {"code":"1"}', "[code_execution result]\n1"],
        (),
    ),
    (
        "web fetch without base64",
        [
            {
                "type": "web_fetch_tool_result",
                "content": {
                    "type": "web_fetch_result",
                    "url": "https://a.example",
                    "content": {
                        "type": "document",
                        "title": "T",
                        "source": {"type": "base64", "data": "SECRET"},
                    },
                },
            }
        ],
        ["[web_fetch result]\nhttps://a.example\nT"],
        (),
    ),
    (
        "web fetch with text",
        [
            {
                "type": "web_fetch_tool_result",
                "content": {"content": {"source": {"type": "text", "data": "page"}}},
            }
        ],
        ["[web_fetch result]\npage"],
        (),
    ),
    (
        "long result",
        [{"type": "mcp_tool_result", "tool_use_id": "m", "content": "x" * 9000}],
        ["[mcp result]\n" + "x" * 8000],
        (),
    ),
    (
        "bash result",
        [
            {
                "type": "bash_code_execution_tool_result",
                "content": {"stdout": "x", "content": [{"text": "a"}, 5], "title": None},
            }
        ],
        ["[bash_code_execution result]\nx\na"],
        (),
    ),
    ("tool search result", [{"type": "tool_search_tool_result", "content": [{"tool_name": "x"}]}], [], ()),
    ("call without input", [{"type": "server_tool_use", "name": "n"}], ["[n call] {}"], ()),
    ("unknown", [{"type": "hologram", "text": 5}, _text("a")], ["a"], ("unknown_block",)),
    ("misplaced", [IMAGE, _text("a")], ["a"], ("unknown_block",)),
    ("fallback", [{"type": "fallback"}], [], ()),
]


@pytest.mark.parametrize(
    ("blocks", "texts", "warnings"),
    [case[1:] for case in ASSISTANT_CASES],
    ids=[case[0] for case in ASSISTANT_CASES],
)
def test_assistant_blocks(
    blocks: list[dict[str, Any]], texts: list[str], warnings: tuple[str, ...], translate: Any, said: Said
) -> None:
    """What the assistant once said or had a server do becomes text; the rest is dropped, unknown blocks with a warning."""
    done = translate.full(messages=[_assistant(*blocks), {"role": "user", "content": "go"}])
    expected = ([said("assistant", *texts)] if texts else []) + [said("user", "go")]
    assert (expected, warnings) == (_items(done), done.warnings)


def _items(done: Any) -> list[Any]:

    items: list[Any] = json.loads(done.body)["input"]
    return items


def test_wrong_field_of_an_assistant_block_is_refused(translate: Any) -> None:
    """Only unknown blocks are skipped; a known one must be right."""
    refused = translate.refusal(
        messages=[_assistant({"type": "hologram"}, {"type": "tool_use", "id": 1, "name": "n"})]
    )
    assert refused.message == "messages.0.content.1.id: expected string, got integer"


@pytest.mark.parametrize("content", ["", " \n\t", []], ids=["empty", "white space", "no blocks"])
def test_blank_content_gives_no_item(content: Any, translate: Any, said: Said) -> None:
    """A message that says nothing leaves no trace."""
    messages = [{"role": "user", "content": content}, {"role": "user", "content": "b"}]
    assert [said("user", "b")] == translate.items(*messages)


def test_consecutive_messages_of_one_role_stay_apart(translate: Any, said: Said) -> None:
    """Two user messages are two items in their order."""
    assert [said("user", "a"), said("user", "b")] == translate.items(
        {"role": "user", "content": "a"}, {"role": "user", "content": "b"}
    )


def test_an_own_item_closes_the_run(translate: Any, said: Said) -> None:
    """Texts before and after a call are two messages."""
    items = translate.items(
        _assistant(_text("a"), _use(), _text("b"), _text("c")), _user(_result(content="o"))
    )
    assert [said("assistant", "a"), "function_call", said("assistant", "b", "c"), "function_call_output"] == [
        item if item["type"] == "message" else item["type"] for item in items
    ]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "system", "content": "s"}, ["s"]),
        ({"role": "system", "content": [_text("s"), _text(""), _text("t")]}, ["s", "t"]),
        ({"role": "system", "content": "s", "clear_at": "never"}, ["s"]),
        ({"role": "system", "content": "s", "clear_at": "next_user_message"}, None),
        ({"role": "system", "output_config": {"effort": "low"}}, None),
        ({"role": "system", "content": None}, None),
    ],
    ids=["string", "blocks", "kept", "cleared", "effort only", "null"],
)
def test_system_messages_become_developer_items(
    message: dict[str, Any], expected: list[str] | None, translate: Any, said: Said
) -> None:
    """They stand where they stood, unless a later user message clears them."""
    items = translate.items(message, {"role": "user", "content": "u"})
    assert ([said("developer", *expected)] if expected else []) + [said("user", "u")] == items


def test_system_message_may_be_last(translate: Any, said: Said) -> None:
    """Claude Code's first turn ends with one, and nothing clears it."""
    last = {"role": "system", "content": "s", "clear_at": "next_user_message"}
    assert [said("user", "u"), said("developer", "s")] == translate.items(
        {"role": "user", "content": "u"}, last
    )


def test_prefill_is_sent_and_warned_about(translate: Any, said: Said) -> None:
    """A last assistant message is passed on as history."""
    done = translate.full(messages=[{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}])
    assert ([said("user", "u"), said("assistant", "a")], ("prefill",)) == (_items(done), done.warnings)


def test_a_call_without_a_name_gets_one(translate: Any) -> None:
    """An old history may hold what a damaged answer left; the upstream takes no empty name."""
    items = translate.items(_assistant(_use(name="")), _user(_result(content="o")))
    assert "_e3b0c442" == items[0]["name"]


@pytest.mark.parametrize(
    ("use", "arguments"),
    [
        ({"input": {"b": 1, "a": 2}}, '{"b":1,"a":2}'),
        ({"input": None}, "{}"),
        ({"input": {}, "caller": 1, "toolset_name": 2}, "{}"),
        ({"input": {"t": "é\n"}}, '{"t":"é\\n"}'),
    ],
    ids=["order", "null", "extra fields", "escapes"],
)
def test_calls_keep_their_arguments(use: dict[str, Any], arguments: str, translate: Any) -> None:
    """Arguments are the input as compact JSON, in its own order, in characters the model reads."""
    items = translate.items(_assistant({**_use(), **use}), _user(_result(content="o")))
    assert {"type": "function_call", "call_id": "c1", "name": "ls", "arguments": arguments} == items[0]


def test_odd_ids_stay_paired(translate: Any) -> None:
    """A call and its output get the same legal id."""
    items = translate.items(_assistant(_use("call.ä")), _user(_result("call.ä", content="o")))
    assert ["call__", "call__"] == [item["call_id"] for item in items]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"content": "o"}, "o"),
        ({"content": ""}, "(no output)"),
        ({"content": []}, "(no output)"),
        ({"content": None}, "(no output)"),
        ({}, "(no output)"),
        ({"content": [_text("")]}, "(no output)"),
        ({"content": [_text("a"), _text("b")]}, "a\nb"),
        ({"content": "o", "is_error": True}, "[tool_error]\no"),
        ({"content": [], "is_error": True}, "[tool_error]\n(no output)"),
        ({"content": [_text("a"), IMAGE]}, [_input_text("a"), INPUT_IMAGE]),
        ({"content": [IMAGE], "is_error": True}, [_input_text("[tool_error]"), INPUT_IMAGE]),
        ({"content": [{"type": "tool_reference", "tool_name": "X"}]}, 'Tool "X" is now available.'),
        ({"content": [{"type": "browser_state", "tabs": [ {"n": 1} ]}]}, '{"type":"browser_state","tabs":[{"n":1}]}'),
        ({"content": [{"type": "search_result", "source": "S", "title": "T", "content": []}]}, '<search_result source="S" title="T">\n\n</search_result>'),
    ],
    ids=[
        "string", "empty string", "no blocks", "null", "missing", "empty text", "texts", "error", "empty error",
        "image", "error with image", "tool reference", "browser state", "search result",
    ],
)  # fmt: skip
def test_tool_results(more: dict[str, Any], expected: Any, translate: Any) -> None:
    """The output is one string, or parts as soon as media are in it."""
    items = translate.items(_assistant(_use()), _user(_result(**more)))
    assert {"type": "function_call_output", "call_id": "c1", "output": expected} == items[1]


def test_media_follow_all_outputs_where_outputs_are_text_only(translate: Any, said: Said) -> None:
    """Placeholders stand in the outputs; one user message after the last output carries the media."""
    pdf = {"type": "document", "source": PDF}
    items = translate.items(
        _assistant(_use("c1"), _use("c2")),
        _user(
            _result("c1", content=[_text("a"), IMAGE]),
            _result("c2", content=[pdf], is_error=True),
            _text("end"),
        ),
        target={"capabilities": {"tool_output_media": False}},
    )
    file = {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,QQ=="}
    assert [
        {"type": "function_call_output", "call_id": "c1", "output": "a\n[image attached below]"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": "[tool_error]\n[document attached below]",
        },
        {"type": "message", "role": "user", "content": [INPUT_IMAGE, file]},
        said("user", "end"),
    ] == items[2:]


def test_compaction_takes_the_media_of_its_message_with_it(translate: Any, said: Said) -> None:
    """What stood before the summary is gone, also what was to follow the outputs."""
    summary = {"type": "compaction", "content": "sum"}
    items = translate.items(
        _assistant(_use()),
        _user(_result(content=[IMAGE]), summary),
        target={"capabilities": {"tool_output_media": False}},
    )
    assert [said("user", "Summary of the earlier conversation:\nsum")] == items


def test_call_without_result_is_answered_for_the_upstream(translate: Any) -> None:
    """An interrupted tool gets a synthetic output right after its call."""
    items = translate.items(_assistant(_use()), {"role": "user", "content": "stop"})
    assert ("function_call_output", "(no tool result was provided)") == (items[1]["type"], items[1]["output"])


def test_result_of_an_unknown_call_becomes_text(translate: Any, said: Said) -> None:
    """What a forgotten tool said is still told."""
    assert [said("user", "[tool result c9]\no")] == translate.items(_user(_result("c9", content="o")))


REASONING = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (_thought(), [REASONING]),
        ({"type": "redacted_thinking", "data": "pp1.1f2e3d4c5b.-.gAAAA"}, [REASONING]),
        (_thought(scope="0000000000"), []),
        (_thought(enc="-"), []),
        ({"type": "thinking", "thinking": "t", "signature": "EqRkAnthropic=="}, []),
        ({"type": "thinking", "thinking": "t", "signature": "gAAAAbare"}, []),
        ({"type": "thinking", "thinking": "t", "signature": ""}, []),
        ({"type": "thinking", "thinking": "t"}, []),
        ({"type": "thinking", "thinking": 5, "signature": 5}, []),
        ({"type": "redacted_thinking", "data": None}, []),
    ],
    ids=[
        "ours", "redacted", "other scope", "no content", "Anthropic's", "bare", "empty", "missing", "odd types", "null",
    ],
)  # fmt: skip
def test_thinking_comes_back_as_reasoning_only_where_it_can_be_read(
    block: dict[str, Any], expected: list[Any], translate: Any
) -> None:
    """Anything else is dropped without error, warning or text."""
    done = translate.full(messages=[_assistant(block, _use()), _user(_result(content="o"))])
    assert (expected, ()) == (_items(done)[:-2], done.warnings)


def test_reasoning_ids_are_sent_only_where_they_are_taken(translate: Any) -> None:
    """With ``item_ids`` the upstream's own id goes back, if its prefix fits."""
    odd = {"type": "thinking", "signature": "pp1.1f2e3d4c5b.xx_1.gAAAA"}
    items = translate.items(
        _assistant(_thought(), odd, _use()),
        _user(_result(content="o")),
        target={"capabilities": {"item_ids": True}},
    )
    assert [{**REASONING, "id": "rs_1"}, REASONING] == items[:2]


def test_thinking_only_turn_leaves_nothing(translate: Any, said: Said) -> None:
    """Reasoning without what it led to would be refused."""
    assert [said("user", "go")] == translate.items(_assistant(_thought()), {"role": "user", "content": "go"})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (AttemptFacts(), ("A", "B")),
        (AttemptFacts(without_reasoning=True), ()),
        (AttemptFacts(is_refused_reasoning=lambda enc: enc == "A"), ("B",)),
    ],
    ids=["nothing learned", "recovery", "one refused"],
)
def test_reasoning_that_was_refused_is_left_out(
    facts: AttemptFacts, expected: tuple[str, ...], translate: Any
) -> None:
    """The translation says which reasoning it sends."""
    messages = [_assistant(_thought("A"), _thought("B"), _use()), _user(_result(content="o"))]
    assert expected == translate.full(messages=messages, facts=facts).reasoning


@pytest.mark.parametrize(
    ("target", "removed", "expected"),
    [
        ({"model": "gpt-5.3-codex"}, (), ["commentary", "final_answer"]),
        ({"model": "gpt-6"}, (), ["commentary", "final_answer"]),
        ({"model": "gpt-5.1-codex"}, (), [None, None]),
        ({"capabilities": {"phase": "on"}}, (), ["commentary", "final_answer"]),
        ({"model": "gpt-6", "capabilities": {"phase": "off"}}, (), [None, None]),
        ({"model": "gpt-6"}, ("phase",), [None, None]),
    ],
    ids=["5.3", "6", "5.1", "on", "off", "removed"],
)
def test_phase(
    target: dict[str, Any], removed: tuple[str, ...], expected: list[str | None], translate: Any
) -> None:
    """Text before a call of the same turn is commentary, other text the final answer."""
    items = translate.items(
        _assistant(_text("a"), _use(), _text("b")),
        _user(_result(content="o")),
        target=target,
        facts=AttemptFacts(removed_parameters=frozenset(removed)),
    )
    assert expected == [item.get("phase") for item in items if item.get("role") == "assistant"]
    assert [None] == [item.get("phase") for item in translate.items(_user(_text("u")), target=target)]


@pytest.mark.parametrize("side", [_user, _assistant], ids=["user", "assistant"])
def test_compaction_replaces_what_was_before(
    side: Callable[..., dict[str, Any]], translate: Any, said: Said
) -> None:
    """The summary stands for all earlier items, also those of its own message."""
    block = {"type": "compaction", "content": "sum", "encrypted_content": "x", "signature": 5}
    items = translate.items(_user(_text("old")), side(_text("older"), block), _user(_text("new")))
    assert [said("user", "Summary of the earlier conversation:\nsum"), said("user", "new")] == items


def test_failed_compaction_changes_nothing(translate: Any, said: Said) -> None:
    """Null content is a no-op."""
    items = translate.items(_user(_text("a")), _user({"type": "compaction", "content": None}))
    assert [said("user", "a")] == items


@pytest.mark.parametrize(
    ("block", "token"),
    [
        ({"type": "image", "source": {**PNG, "data": ""}}, "empty_image"),
        ({"type": "document", "source": {**PDF, "data": ""}}, "empty_document"),
        ({"type": "document", "source": PDF, "citations": {"enabled": True}}, "citations"),
        ({"type": "search_result", "source": "", "title": "", "content": [], "citations": {"enabled": True}}, "citations"),
    ],
)  # fmt: skip
def test_losses_are_warned_about(block: dict[str, Any], token: str, translate: Any) -> None:
    """What the model does not get is named, once."""
    assert (token,) == translate.full(messages=[_user(block, block)]).warnings


def test_detail_is_left_out_once_it_was_refused(translate: Any) -> None:
    """A learned removal reaches into the parts."""
    facts = AttemptFacts(removed_parameters=frozenset({"detail"}))
    assert "detail" not in translate.items(_user(IMAGE), facts=facts)[0]["content"][0]
