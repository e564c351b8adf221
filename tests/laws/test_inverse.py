"""Law: what goes through the proxy and comes back is what it was: names, ids, reasoning, calls and their outputs."""

import json
import re
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from packyproxy.transcode import Transcoder
from packyproxy.translate.contract import Target
from packyproxy.translate.messages.fold import fold
from packyproxy.translate.messages.protocol import MessagesProtocol
from packyproxy.translate.messages.request import read, to_responses
from packyproxy.translate.pairing import repair_pairs
from packyproxy.translate.reasoning import Signature, read_signature, write_signature
from packyproxy.translate.tool_names import ToolNames, call_id_to_upstream, map_tool_name, tool_use_id
from packyproxy.wire.json_text import quote, unquote
from packyproxy.wire.responses import FunctionCall, FunctionCallOutput, InputItem, InputText, MessageItem
from tests.laws.request_strategies import SCOPE, json_values
from tests.laws.strategies import Event, sse

TARGET = Target(model="gpt-5", scope=SCOPE, efforts=("low",), buffered_tools=frozenset())

is_fit = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
odd_texts = any_text | st.text(st.sampled_from("a.b_"), max_size=130)
fit_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def mappings_of(name: str) -> list[str]:
    """Return what a name is mapped to before and after each of two collisions."""
    first = map_tool_name(name)
    second = ToolNames([name, first]).to_upstream(name)
    return [first, second, ToolNames([name, first, second]).to_upstream(name)]


@given(names=st.lists(odd_texts, max_size=5), collides=st.booleans())
def test_tool_names_come_back(names: list[str], collides: bool) -> None:
    """Also among literal names that were chosen to equal mapped ones."""
    everything = [*names, *(mapped for name in names for mapped in mappings_of(name))] if collides else names
    table = ToolNames(everything)
    mapped = {name: table.to_upstream(name) for name in everything}
    assert all(map(is_fit, mapped.values()))
    assert len(set(mapped.values())) == len(mapped)
    assert mapped == {table.originals.get(name, name): name for name in mapped.values()}


@given(call_id=any_text, item_id=any_text | st.none())
def test_call_ids_come_back(call_id: str, item_id: str | None) -> None:
    """The id that a client was shown is the one that goes upstream again; a fitting one is the upstream's own."""
    shown = tool_use_id(call_id, item_id=item_id, message_id="msg_1", output_index=0)
    assert is_fit(shown)
    assert shown == call_id_to_upstream(shown)
    assert not is_fit(call_id) or shown == call_id


@given(call_id=odd_texts)
def test_client_ids_stay_what_they_became(call_id: str) -> None:
    """A call and its output may be mapped at different times and any number of times."""
    mapped = call_id_to_upstream(call_id)
    assert is_fit(mapped)
    assert mapped == call_id_to_upstream(mapped)


@given(scope=st.from_regex(r"[0-9a-f]{10}", fullmatch=True), item_id=fit_ids, encrypted=any_text)
def test_signatures_come_back(scope: str, item_id: str, encrypted: str) -> None:
    """Scope, item and content are decoded to what was encoded; a lone dash stands for nothing."""
    expected = Signature(
        scope=scope,
        item_id=None if item_id == "-" else item_id,
        encrypted=None if encrypted in {"", "-"} else encrypted,
    )
    assert expected == read_signature(write_signature(scope, item_id, encrypted))


@given(text=any_text | any_text.map("pp1.{}".format))
def test_foreign_signatures_are_read_or_not(text: str) -> None:
    """No text breaks the reader, and what it accepts it would write again."""
    found = read_signature(text)
    if found is not None:
        again = write_signature(found.scope, found.item_id or "-", found.encrypted)
        assert found == read_signature(again)


@st.composite
def turns(draw: st.DrawFn, names: list[str]) -> list[Event]:
    """Draw the output items of an answer that calls tools."""
    items: list[Event] = []
    for number in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            enc = draw(st.from_regex(r"gAAAA[A-Za-z0-9_.=-]{0,20}", fullmatch=True))
            items.append({"type": "reasoning", "id": f"rs_{number}", "summary": [], "encrypted_content": enc})
        arguments = json.dumps(draw(st.dictionaries(any_text, json_values, max_size=2)))
        call_id = draw(st.sampled_from(["call_", "fc-", "x" * 60])) + str(number)
        name = draw(st.sampled_from(names))
        items.append({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments})
    return items


def kept(items: list[Any]) -> list[tuple[Any, ...]]:
    """Reduce items to what must survive the way to the client and back."""
    return [
        (item["call_id"], item["name"], json.loads(item["arguments"]))
        if item["type"] == "function_call"
        else (item["encrypted_content"],)
        for item in items
        if item["type"] in {"function_call", "reasoning"}
    ]


@given(
    data=st.data(),
    tools=st.lists(odd_texts.filter(lambda name: 0 < len(name) <= 128), min_size=1, unique=True),
)
def test_an_answer_comes_back_as_it_was(data: st.DataObject, tools: list[str]) -> None:
    """Reasoning and calls that a client received and resends reach the upstream as it had sent them."""
    body: dict[str, Any] = {
        "model": "m",
        "max_tokens": 64_000,
        "thinking": {"type": "adaptive"},
        "tools": [{"name": name, "input_schema": {}} for name in tools],
        "messages": [{"role": "user", "content": "hi"}],
    }
    first = to_responses(read(json.dumps(body).encode()), TARGET)
    items = data.draw(turns([tool["name"] for tool in json.loads(first.body)["tools"]]))
    stream: list[Event] = [
        *(
            {"type": "response.output_item.done", "output_index": at, "item": item}
            for at, item in enumerate(items)
        ),
        {"type": "response.completed", "response": {}},
    ]
    transcoder = Transcoder(
        MessagesProtocol().writer(first.stream_facts, answer_id="msg_1", request_id="req_1"),
        writes_start=True,
    )
    answer = json.loads(fold(transcoder.feed(sse(stream)) + transcoder.finish()))
    uses = [block for block in answer["content"] if block["type"] == "tool_use"]
    assert all(block["name"] in tools for block in uses)
    results = [{"type": "tool_result", "tool_use_id": use["id"], "content": "o"} for use in uses]
    body["messages"] += [
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": results},
    ]
    second = json.loads(to_responses(read(json.dumps(body).encode()), TARGET).body)["input"]
    assert kept(items) == kept(second)
    outputs = [item["call_id"] for item in second if item["type"] == "function_call_output"]
    assert [item["call_id"] for item in items if item["type"] == "function_call"] == outputs


_call_ids = st.sampled_from(["a", "a_2", "a_3", "b", "x" * 64])
histories = st.lists(
    st.builds(FunctionCall, _call_ids, st.just("f"), st.just(quote("{}")))
    | st.builds(FunctionCallOutput, _call_ids, st.integers(0, 99).map(str).map(quote))
    | st.builds(MessageItem, role=st.just("user"), content=st.just([InputText(quote("hi"))])),
    max_size=12,
)


def texts_of(items: list[InputItem]) -> Counter[str]:
    """Count the last lines of all outputs, also of those that became messages."""
    outputs = [item.output for item in items if isinstance(item, FunctionCallOutput)]
    outputs += [
        part.text
        for item in items
        if isinstance(item, MessageItem)
        for part in item.content
        if isinstance(part, InputText)
    ]
    return Counter(unquote(text).rpartition("\n")[2] for text in outputs if not isinstance(text, list))


@given(items=histories)
def test_calls_and_outputs_are_paired(items: list[InputItem]) -> None:
    """Every call has one output behind it and every output a call; nothing is lost; a mended list needs no mending."""
    mended = repair_pairs(items)
    open_calls: set[str] = set()
    seen: set[str] = set()
    for item in mended:
        if isinstance(item, FunctionCall):
            assert item.call_id not in seen
            assert len(item.call_id) <= 64
            seen.add(item.call_id)
            open_calls.add(item.call_id)
        elif isinstance(item, FunctionCallOutput):
            open_calls.remove(item.call_id)
    assert set() == open_calls
    assert texts_of(items) <= texts_of(mended)
    assert mended == repair_pairs(mended)
