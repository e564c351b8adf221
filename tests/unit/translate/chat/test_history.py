"""Chat messages as items (wire-mapping 6.2)."""

import json
from typing import Any

import pytest

from packyproxy.translate.chat.request import read, to_responses
from packyproxy.translate.contract import Target

NO_RESULT = "(no tool result was provided)"
PNG = "data:image/png;base64,iVBORw0KGgo="
USER = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": PNG}}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def _calls(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def _function(call_id: str, name: str = "f", arguments: Any = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _custom(call_id: str, name: str = "g", text: str = "in") -> dict[str, Any]:
    return {"id": call_id, "type": "custom", "custom": {"name": name, "input": text}}


def _tool(call_id: str, content: Any = "out") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _called(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def _output(call_id: str, output: Any = "out") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _input_image(url: str = PNG, detail: str = "auto") -> dict[str, Any]:
    return {"type": "input_image", "image_url": url, "detail": detail}


def _input_text(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        ([{"role": "system", "content": "A"}], "A"),
        ([{"role": "developer", "content": "A"}], "A"),
        ([{"role": "system", "content": "A"}, {"role": "developer", "content": [_text("B"), _text("C")]}], "A\n\nB\n\nC"),
        ([{"role": "system", "content": ""}, {"role": "system", "content": " \n"}], ""),
        ([{"role": "system", "content": [_text(""), _text("B")]}], "B"),
        ([{"role": "system", "content": "x-anthropic-billing-header: v=1"}, {"role": "system", "content": "B"}], "B"),
        ([], ""),
    ],
    ids=["system", "developer", "several", "blank", "empty part", "attribution", "none"],
)  # fmt: skip
def test_opening_system_messages_are_the_instructions(
    translate: Any, said: Any, opening: list[Any], expected: str
) -> None:
    """Texts before the first other message are joined by blank lines."""
    sent = translate(messages=[*opening, USER])
    assert (expected, [said("user", "hi")]) == (sent["instructions"], sent["input"])


@pytest.mark.parametrize("role", ["system", "developer"])
def test_later_system_messages_keep_their_place(translate: Any, said: Any, role: str) -> None:
    """In mid-conversation they are the developer's messages."""
    later = {"role": role, "content": [_text("B"), _text(""), _text("C")]}
    assert [said("user", "hi"), said("developer", "B", "C"), said("user", "hi")] == translate.items(
        USER, later, USER
    )


@pytest.mark.parametrize("content", ["", "  ", [], [_text("")]], ids=repr)
def test_empty_system_messages_leave_nothing(translate: Any, said: Any, content: Any) -> None:
    """In mid-conversation too, a message that says nothing is no item."""
    assert [said("user", "hi")] * 2 == translate.items(USER, {"role": "system", "content": content}, USER)


def test_instructions_can_go_as_a_message(translate: Any, said: Any) -> None:
    """Providers that refuse other instructions get them as the developer's message."""
    sent = translate(
        messages=[{"role": "system", "content": "S"}, USER],
        target={"capabilities": {"system_as": "developer"}},
    )
    assert ("", [said("developer", "S"), said("user", "hi")]) == (sent["instructions"], sent["input"])


def test_a_system_message_that_stands_alone_is_what_is_asked(translate: Any, said: Any) -> None:
    """No upstream takes an empty input, and Chat clients send such requests."""
    sent = translate(messages=[{"role": "system", "content": "Tell a joke."}])
    assert ("", [said("developer", "Tell a joke.")]) == (sent["instructions"], sent["input"])


@pytest.mark.parametrize("messages", [[""], ["", " "], [[]]], ids=repr)
def test_messages_that_say_nothing_are_sent_as_such(translate: Any, said: Any, messages: list[Any]) -> None:
    """Chat answers them, and no upstream takes an empty input."""
    sent = translate(messages=[{"role": "user", "content": content} for content in messages])
    assert ("", [said("user", "")]) == (sent["instructions"], sent["input"])


@pytest.mark.parametrize(
    ("system", "user", "moves"),
    [
        ("Answer in JSON.", "Two colours.", True),
        ("Answer in JSON.", "Two colours as json.", False),
        ("Be brief.", "Two colours.", False),
    ],
    ids=["only there", "in both", "nowhere"],
)
def test_json_mode_is_asked_for_in_the_input(
    translate: Any, said: Any, system: str, user: str, moves: bool
) -> None:
    """The upstream refuses the mode unless the input mentions it, and Chat clients tell the system message."""
    sent = translate(
        messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
        response_format={"type": "json_object"},
    )
    moved = ("", [said("developer", system), said("user", user)])
    assert (moved if moves else (system, [said("user", user)])) == (sent["instructions"], sent["input"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([_text("a"), _text(""), _text("b")], [_input_text("a"), _input_text("b")]),
        ([IMAGE], [_input_image()]),
        (
            [{"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}}],
            [_input_image("https://h/a.png", "low")],
        ),
        (
            [{"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "high"}}],
            [_input_image("https://h/a.png", "high")],
        ),
        ([{"type": "image_url", "image_url": {"url": "HTTP://h", "detail": None}}], [_input_image("HTTP://h")]),
        ([{"type": "image_url", "image_url": PNG}], [_input_image()]),
        (
            [{"type": "image_url", "image_url": {"url": PNG, "detail": "original"}}, _text("b")],
            [_input_image(detail="original"), _input_text("b")],
        ),
        (
            [{"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}}],
            [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}],
        ),
        (
            [{"type": "file", "file": {"file_data": "data:text/plain;base64,YQ==", "file_id": None}}],
            [{"type": "input_file", "filename": "file.pdf", "file_data": "data:text/plain;base64,YQ=="}],
        ),
        ([{**_text("a"), "prompt_cache_breakpoint": {"mode": "explicit"}}], [_input_text("a")]),
    ],
    ids=["texts", "image", "low", "high", "image in capitals", "bare image", "original", "file", "file by data URL",
         "breakpoint"],
)  # fmt: skip
def test_user_parts(translate: Any, content: list[Any], expected: list[Any]) -> None:
    """What each part of a user message becomes, in order."""
    [item] = translate.items({"role": "user", "content": content})
    assert ("user", expected) == (item["role"], item["content"])


@pytest.mark.parametrize("content", ["", " \n\t", [], [_text("")]], ids=repr)
def test_empty_user_messages_leave_nothing(translate: Any, said: Any, content: Any) -> None:
    """A message that says nothing is no item."""
    assert [said("user", "hi")] == translate.items({"role": "user", "content": content}, USER)


def test_names_of_messages_are_dropped(translate: Any, said: Any) -> None:
    """No item has a place for them, and they need no type."""
    assert [said("user", "hi")] == translate.items({**USER, "name": 5})


@pytest.mark.parametrize(
    "literal", [rb'"https:\/\/h"', rb'"\u0068ttps://h"', rb'"\u0064ata:x,QUJD"'], ids=repr
)
def test_an_escaped_url_is_known(literal: bytes) -> None:
    """Slashes and letters may be escaped in JSON, and stay so."""
    image = b'{"type":"image_url","image_url":{"url":%b}}' % literal
    request = read(b'{"model":"m","messages":[{"role":"user","content":[%b]}]}' % image)
    sent = to_responses(request, Target(model="gpt-5", scope="s", efforts=())).body
    assert b'{"type":"input_image","image_url":%b,"detail":"auto"}' % literal in sent


@pytest.mark.parametrize(
    ("part", "token", "text"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}},
            "empty_image",
            "[image omitted: empty data]",
        ),
        ({"type": "file", "file": {"file_data": ""}}, "empty_document", "[document omitted: empty data]"),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,"}},
            "empty_document",
            "[document omitted: empty data]",
        ),
    ],
    ids=["image", "file", "file by data URL"],
)
def test_media_without_data_do_not_end_the_session(
    translate: Any, said: Any, part: Any, token: str, text: str
) -> None:
    """An old history entry that an upstream would refuse becomes a text."""
    done = translate.full(messages=[_user(part)])
    assert ([said("user", text)], (token,)) == (json.loads(done.body)["input"], done.warnings)


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        ({"role": "robot", "content": "x"}, "role", "unexpected value"),
        ({"role": "user"}, "content", "field required"),
        ({"role": "user", "content": None}, "content", "must be a string or a list of content parts"),
        ({"role": "user", "content": 5}, "content", "must be a string or a list of content parts"),
        ({"role": "user", "content": [5]}, "content[0]", "expected object, got integer"),
        ({"role": "user", "content": [{}]}, "content[0].type", "field required"),
        (_user(_text("a"), {"type": "hologram"}), "content[1].type", 'unknown content part type "hologram"'),
        (_user({"type": "refusal", "refusal": "x"}), "content[0].type", 'unknown content part type "refusal"'),
        (_user(_text("a"), {"type": "text"}), "content[1].text", "field required"),
        (_user({"type": "text", "text": 5}), "content[0].text", "expected string, got number"),
        (_user({"type": "image_url", "image_url": {}}), "content[0].image_url.url", "field required"),
        (_user({"type": "image_url", "image_url": 5}), "content[0].image_url", "expected object, got integer"),
        (
            _user({"type": "image_url", "image_url": {"url": "ftp://h"}}),
            "content[0].image_url.url",
            "must be an http, https or data URL",
        ),
        (
            _user({"type": "image_url", "image_url": {"url": PNG, "detail": "huge"}}),
            "content[0].image_url.detail",
            "must be one of auto, low, high, original",
        ),
        (_user({"type": "file", "file": {}}), "content[0].file.file_data", "field required"),
        (_user({"type": "file", "file": {"file_data": "x", "filename": 5}}), "content[0].file.filename",
         "expected string, got number"),
        ({"role": "system"}, "content", "field required"),
        ({"role": "system", "content": None}, "content", "must be a string or a list of content parts"),
        ({"role": "system", "content": [IMAGE]}, "content[0].type", "only text is accepted in this message"),
        ({"role": "developer", "content": [{"type": "text", "text": 5}]}, "content[0].text",
         "expected string, got number"),
        ({"role": "assistant", "content": 5}, "content", "must be a string or a list of content parts"),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": 5}]}, "content[0].refusal",
         "expected string, got number"),
        ({"role": "assistant", "refusal": 5}, "refusal", "expected string, got number"),
        (_calls({"type": "function", "function": {"name": "f"}}), "tool_calls[0].id", "field required"),
        (_calls(_function("a"), {"id": "b", "type": "function"}), "tool_calls[1].function", "field required"),
        (_calls({"id": "b", "type": "custom"}), "tool_calls[0].custom", "field required"),
        (_calls({"id": "b", "function": {}}), "tool_calls[0].function.name", "field required"),
        (_calls(_function("a", arguments={})), "tool_calls[0].function.arguments", "expected string, got object"),
        ({"role": "assistant", "tool_calls": "x"}, "tool_calls", "expected array or null, got string"),
        ({"role": "assistant", "function_call": {}}, "function_call.name", "field required"),
        ({"role": "tool", "content": "x"}, "tool_call_id", "field required"),
        ({"role": "tool", "tool_call_id": 5, "content": "x"}, "tool_call_id", "expected string, got number"),
        (_tool("a", 5), "content", "must be a string or a list of content parts"),
        ({"role": "function", "content": "x"}, "name", "field required"),
    ],
)  # fmt: skip
def test_refusals_name_the_place(translate: Any, message: dict[str, Any], field: str, reason: str) -> None:
    """A wrong message is refused with its path, in OpenAI's notation."""
    where = f"messages[1].{field}"
    assert (where, f"{where}: {reason}") == translate.refusal(messages=[USER, message])


@pytest.mark.parametrize(
    ("part", "field", "message"),
    [
        (
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
            "messages[0].content[1].type",
            "audio input is not supported by this gateway",
        ),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            "messages[0].content[1].file.file_id",
            "file_id is not supported by this gateway: send file_data",
        ),
    ],
    ids=["audio", "file id"],
)
def test_what_no_provider_has_is_refused(translate: Any, part: Any, field: str, message: str) -> None:
    """The reason says all; the place is in ``param``."""
    assert (field, message) == translate.refusal(messages=[_user(_text("a"), part)])


@pytest.mark.parametrize(
    ("message", "texts"),
    [
        ({"content": "a"}, ["a"]),
        ({"content": [_text("a"), _text(""), {"type": "refusal", "refusal": "no"}]}, ["a", "no"]),
        ({"content": "a", "refusal": "no"}, ["a", "no"]),
        ({"content": None, "refusal": "no"}, ["no"]),
        ({"content": "a", "refusal": None, "audio": {"id": 5}}, ["a"]),
        ({"content": "a", "reasoning_content": "r", "reasoning": {"x": 1}, "tool_calls": None}, ["a"]),
        ({"content": "a", "function_call": None, "annotations": []}, ["a"]),
    ],
    ids=["text", "parts", "refusal", "refusal only", "audio", "reasoning", "nulls"],
)
def test_assistant_texts(translate: Any, said: Any, message: dict[str, Any], texts: list[str]) -> None:
    """What the model said goes back as output text, refusals included; the rest of a message is dropped."""
    done = translate.full(messages=[USER, {"role": "assistant", **message}, USER])
    expected = [said("user", "hi"), said("assistant", *texts), said("user", "hi")]
    assert (expected, ()) == (json.loads(done.body)["input"], done.warnings)


@pytest.mark.parametrize(
    "message", [{}, {"content": ""}, {"content": "\n"}, {"content": []}, {"refusal": ""}], ids=repr
)
def test_empty_assistant_messages_leave_nothing(translate: Any, said: Any, message: dict[str, Any]) -> None:
    """A message that says and calls nothing is no item."""
    assert [said("user", "hi")] * 2 == translate.items(USER, {"role": "assistant", **message}, USER)


def test_unknown_parts_of_the_assistant_are_skipped(translate: Any, said: Any) -> None:
    """A history must stay replayable, also one that another program wrote."""
    content = [{"type": "thinking", "thinking": "x"}, _text("a")]
    done = translate.full(messages=[USER, {"role": "assistant", "content": content}])
    assert [said("user", "hi"), said("assistant", "a")] == json.loads(done.body)["input"]
    assert ("unknown_part",) == done.warnings


def test_unknown_calls_are_skipped(translate: Any, said: Any) -> None:
    """The answer of such a call stays readable."""
    done = translate.full(messages=[USER, _calls({"id": "a", "type": "hologram"}), _tool("a")])
    assert [said("user", "hi"), said("user", "[tool result a]\nout")] == json.loads(done.body)["input"]
    assert ("unknown_tool_call",) == done.warnings


def test_calls_follow_the_text(translate: Any, said: Any) -> None:
    """Functions and custom tools keep their order, arguments their bytes."""
    message = _calls(_function("a", arguments='{"x": 1.10}'), _custom("b", text="raw\n"), content="look")
    expected = [
        said("assistant", "look"),
        _called("a", arguments='{"x": 1.10}'),
        {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "raw\n"},
        _output("a"),
        {"type": "custom_tool_call_output", "call_id": "b", "output": "done"},
    ]
    assert expected == translate.items(message, _tool("a"), _tool("b", "done"))


def test_calls_of_custom_tools_come_back_as_functions(translate: Any) -> None:
    """A stream shows them so; the tool list tells what they are, and so are their outputs."""
    tools = [{"type": "custom", "custom": {"name": "g"}}]
    call = _function("b", "g", arguments="raw\n")
    _, made, answered = translate.items(USER, _calls(call), _tool("b", "done"), tools=tools)
    assert {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "raw\n"} == made
    assert {"type": "custom_tool_call_output", "call_id": "b", "output": "done"} == answered


@pytest.mark.parametrize("arguments", ["", None, ...], ids=["empty", "null", "missing"])
def test_empty_arguments_are_an_empty_object(translate: Any, arguments: Any) -> None:
    """The upstream wants JSON."""
    call = _function("a", arguments=arguments)
    if arguments is ...:
        del call["function"]["arguments"]
    assert _called("a") == translate.items(_calls(call))[0]


@pytest.mark.parametrize("call_type", [None, "function"])
def test_calls_are_functions_unless_they_say_otherwise(translate: Any, call_type: Any) -> None:
    """Some clients leave the type out."""
    assert _called("a") == translate.items(_calls({**_function("a"), "type": call_type}))[0]


def test_ids_and_names_that_do_not_fit_are_mapped(translate: Any) -> None:
    """Call and output stay paired, and the name leads back to the client's."""
    done = translate.full(messages=[_calls(_function("call:1", "a.b")), _tool("call:1")])
    assert [_called("call_1", "a_b_2e7336dc"), _output("call_1")] == json.loads(done.body)["input"]
    assert {"a_b_2e7336dc": "a.b"} == done.stream_facts.original_names


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("out", "out"),
        ("", "(no output)"),
        (None, "(no output)"),
        ([], "(no output)"),
        (" ", " "),
        ([_text("a"), _text("b")], "a\nb"),
        ([_text("a"), IMAGE], [_input_text("a"), _input_image()]),
    ],
    ids=["text", "empty", "null", "no parts", "blank", "texts", "image"],
)
def test_tool_outputs(translate: Any, content: Any, expected: Any) -> None:
    """Texts are one string; images make it a list."""
    assert _output("a", expected) == translate.items(_calls(_function("a")), _tool("a", content))[1]


def test_media_that_no_output_may_hold_follow_the_last_output(translate: Any, said: Any) -> None:
    """The outputs stay together, and each tells where its image is."""
    items = translate.items(
        _calls(_function("a"), _custom("b")), _tool("a", [_text("x"), IMAGE]), _tool("b", [IMAGE]), USER,
        target={"capabilities": {"tool_output_media": False}},
    )  # fmt: skip
    assert [
        _output("a", "x\n[image attached below]"),
        {"type": "custom_tool_call_output", "call_id": "b", "output": "[image attached below]"},
        {"type": "message", "role": "user", "content": [_input_image()] * 2},
        said("user", "hi"),
    ] == items[2:]


def test_media_follow_an_output_at_the_end_too(translate: Any) -> None:
    """Nothing need come after the outputs."""
    items = translate.items(
        _calls(_function("a")), _tool("a", [IMAGE]), target={"capabilities": {"tool_output_media": False}}
    )
    assert {"type": "message", "role": "user", "content": [_input_image()]} == items[-1]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([_calls(_function("a"))], [_called("a"), _output("a", NO_RESULT)]),
        (
            [_calls(_custom("a"))],
            [
                {"type": "custom_tool_call", "call_id": "a", "name": "g", "input": "in"},
                {"type": "custom_tool_call_output", "call_id": "a", "output": NO_RESULT},
            ],
        ),
        ([_tool("a")], ["[tool result a]\nout"]),
        ([_calls(_function("a")), _tool("a"), _tool("a", "2")], [_called("a"), _output("a"), "[tool result a]\n2"]),
        (
            [_calls(_function("a"), _custom("a")), _tool("a"), _tool("a", "2")],
            [
                _called("a"),
                {"type": "custom_tool_call", "call_id": "a_2", "name": "g", "input": "in"},
                _output("a"),
                {"type": "custom_tool_call_output", "call_id": "a_2", "output": "2"},
            ],
        ),
    ],
    ids=["no output", "no custom output", "no call", "second output", "one id twice"],
)  # fmt: skip
def test_pairs_are_repaired(translate: Any, said: Any, messages: list[Any], expected: list[Any]) -> None:
    """What the upstream would refuse is mended, so a session goes on."""
    wanted = [said("user", item) if isinstance(item, str) else item for item in expected]
    assert wanted == translate.items(*messages)


def _fn(name: str) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": ""}}


def _answer(name: str, content: Any) -> dict[str, Any]:
    return {"role": "function", "name": name, "content": content}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([_fn("f"), _answer("f", "1")], [_called("call_fn_1"), _output("call_fn_1", "1")]),
        (
            [_fn("f"), _answer("f", "1"), _fn("g"), _answer("g", None)],
            [
                _called("call_fn_1"), _output("call_fn_1", "1"),
                _called("call_fn_2", "g"), _output("call_fn_2", "(no output)"),
            ],
        ),
        (
            [_fn("f"), _fn("f"), _answer("f", "2"), _answer("f", "1")],
            [
                _called("call_fn_1"), _called("call_fn_2"), _output("call_fn_2", "2"), _output("call_fn_1", "1"),
            ],
        ),
        ([_fn("f"), _answer("g", "1")], [_called("call_fn_1"), _output("call_fn_1", NO_RESULT), "[tool result g]\n1"]),
        ([_answer("f", "1")], ["[tool result f]\n1"]),
        (
            [_calls(_function("f", "x")), _answer("f", "1")],
            [_called("f", "x"), _output("f", NO_RESULT), "[tool result f]\n1"],
        ),
    ],
    ids=["one", "two", "latest first", "another function", "no call", "a call whose id is the name"],
)  # fmt: skip
def test_the_older_form(translate: Any, said: Any, messages: list[Any], expected: list[Any]) -> None:
    """Calls without ids are numbered, and their answers found by the function's name."""
    wanted = [said("user", item) if isinstance(item, str) else item for item in expected]
    assert wanted == translate.items(*messages)


@pytest.mark.parametrize(
    ("model", "setting", "phases"),
    [
        ("gpt-5.4", "auto", ["commentary", "commentary", "final_answer"]),
        ("gpt-5", "auto", [None, None, None]),
        ("gpt-5", "on", ["commentary", "commentary", "final_answer"]),
        ("gpt-5.4", "off", [None, None, None]),
    ],
)
def test_phases(translate: Any, model: str, setting: str, phases: list[str | None]) -> None:
    """Newer models are told which of their texts went before calls."""
    items = translate.items(
        _calls(_function("a"), content="one"), _tool("a"), _calls(_custom("b"), content="two"), _tool("b"),
        {"role": "assistant", "content": "three"},
        target={"model": model, "capabilities": {"phase": setting}},
    )  # fmt: skip
    assert phases == [item.get("phase") for item in items if item.get("role") == "assistant"]
